import { describe, expect, it } from '@jest/globals'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NEVER, of } from 'rxjs'
import type { DoctorParts } from '../../../src/cli/doctor/doctor-parts.js'
import { run } from '../../../src/cli/program.js'
import type { HubClient } from '../../../src/ports.js'
import type { DoctorProbes } from '../../../src/ports/doctor.js'
import type { Check } from '../../../src/protocol/doctor/check.js'
import { formatMetadata } from '../../../src/protocol/peer/metadata.js'
import { newIdentity } from '../../streams/support/fake-transport.js'
import { fakeIo } from '../support/fake-io.js'
import { peerHomes } from '../support/peer-home.js'
import { temporaryFolders } from '../support/temporary.js'

const temporary = temporaryFolders()
const homeOf = peerHomes(temporary)

/** A machine on which all is well, without a network. */
const probes: DoctorProbes = {
  hub$: origin => of({ origin, failure: 'no network' }),
  seen$: () => NEVER,
  allocate$: () => NEVER,
  addresses: () => [],
  ports$: ports => of(new Map(ports.map(port => [port, 'free' as const]))),
  disk$: () => of({ freeBytes: 1e12, failure: undefined }),
  handles: () => 65_536,
  share$: share => of(share?.type === 'folder' ? { ...share, failure: 'ENOENT' } : { type: 'none' }),
  engines$: () => of({ used: 'node-datachannel', missing: undefined, failure: undefined }),
}

const doctor = (): Promise<DoctorParts> => Promise.resolve({ probes, transport: () => ({ connect$: () => NEVER }) })
/** A hub that is away is asked nothing more. */
const hubClient = (): HubClient => ({}) as HubClient
const parts = { doctor, hubClient }

async function doctorIn(home: string, ...argv: readonly string[]) {
  const io = fakeIo(home, { parts })
  const code = await run(['doctor', '--json', '--home', home, ...argv], io)
  const found = io.messages().at(-1)?.doctor as { readonly checks: readonly Check[] } | undefined
  const of = (name: string): Check => found!.checks.find(check => check.name === name)!
  return { code, io, of, names: found?.checks.map(({ name }) => name) }
}

function registered(): string {
  const home = temporary()
  const identity = { ...newIdentity('alice'), host: 'hub.example' }
  writeFileSync(join(home, 'metadata.json'), formatMetadata(identity), { mode: 0o600 })
  return home
}

describe('doctor', () => {
  it('looks at the machine where nobody is registered, and says so: exit code 3', async () => {
    const { code, of, names } = await doctorIn(temporary())
    expect([code, of('key').next]).toEqual([3, expect.stringContaining('register')])
    expect(names).toContain('ports')
    expect(names).not.toContain('hub address')
  })

  it('says what is wrong with the key file', async () => {
    const home = registered()
    chmodSync(join(home, 'metadata.json'), 0o644)
    const { code, of } = await doctorIn(home)
    expect([code, of('key').detail]).toEqual([3, expect.stringContaining('chmod 600')])
  })

  it('stops at a hub that is away: exit code 4', async () => {
    const { code, of, names } = await doctorIn(registered())
    expect([code, of('hub address').status, names!.at(-1)]).toEqual([4, 'fail', 'network'])
  })

  it('reports a share that is not there, and does not take it for a wrong command', async () => {
    const { of } = await doctorIn(registered(), '--share', 'nothing')
    expect(of('share')).toMatchObject({ status: 'fail', detail: expect.stringContaining('nothing') })
  })

  it('tries no connection to somebody without a hub, and says so', async () => {
    const { code, of } = await doctorIn(registered(), 'bob')
    expect([code, of('connection').status]).toEqual([4, 'fail'])
    expect((await doctorIn(registered(), 'B0b')).code).toBe(2)
    expect((await doctorIn(temporary(), 'bob')).code).toBe(3)
  })

  it('says that the running peer has to be started again where it knows no doctor, or does not answer', async () => {
    const stats = JSON.stringify({ nickname: 'alice', connections: [] })
    const earlier = homeOf((req, res) => (req.url === '/stats' ? res.end(stats) : res.writeHead(404).end('{}')))
    expect((await doctorIn(await earlier)).of('peer')).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('earlier version'),
    })
    const broken = homeOf((req, res) => (req.url === '/stats' ? res.end(stats) : req.socket.destroy()))
    const { of } = await doctorIn(await broken)
    expect(of('peer')).toMatchObject({ status: 'fail', detail: 'the running peer does not answer' })
  })

  it('prints lines for people as it goes, with colours on a terminal only', async () => {
    const home = registered()
    const [plain, coloured] = [fakeIo(home, { parts }), fakeIo(home, { parts, terminal: true })]
    await run(['doctor', '--home', home], plain)
    await run(['doctor', '--home', home], coloured)
    expect(plain.out()).toMatch(/^ok {4}key +registered as alice, (?:[0-9a-z]{4}-?){6}; /)
    expect(plain.out()).toMatch(/\n\n1 problem and 1 warning\.\n$/)
    expect(plain.out()).not.toContain('\u001b')
    expect(coloured.out()).toContain('\u001b[31mfail')
  })
})
