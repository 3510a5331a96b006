import { describe, expect, it } from '@jest/globals'
import { of } from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { commitPending, writePending } from '../../src/adapters/store/metadata-file.node.js'
import { openSiteFile } from '../../src/adapters/store/site-file.node.js'
import { openTrustFile } from '../../src/adapters/store/trust-file.node.js'
import { run } from '../../src/cli/program.js'
import type { HubClient } from '../../src/ports.js'
import { newKeys } from '../support/ledger.js'
import { fakeIo } from './support/fake-io.js'
import { writeRunFile } from '../../src/cli/running.js'
import { httpServers, peerHomes } from './support/peer-home.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const serve = httpServers()
const homeWith = peerHomes(temporary)
const [hubKey, newHubKey, old, current] = [newKeys(), newKeys(), newKeys(), newKeys()].map(({ pubKey }) => pubKey) as [
  string,
  string,
  string,
  string,
]
const bob = `${hubKey}/bob`
const host = 'http://127.0.0.1:3000'

/** The home of alice, who knows bob by his old key. Nothing runs there. */
function home(): string {
  const folder = temporary()
  const identity = { ...nodeCrypto.generateKeyPair(), nickname: 'alice', host }
  writePending(folder, identity)
  commitPending(folder, identity)
  const trust = openTrustFile(folder)
  trust.remember('hub', host, hubKey)
  trust.remember('peer', bob, old)
  openSiteFile(folder).choose(old, 'trusted')
  return folder
}

const hubClient = (): HubClient =>
  ({ resolve$: () => of(current), health$: () => of({ hubKey: newHubKey }) }) as unknown as HubClient

async function call(folder: string, argv: readonly string[], given: Parameters<typeof fakeIo>[1] = {}) {
  const io = fakeIo(folder, { parts: { hubClient }, ...given })
  return { code: await run([...argv, '--home', folder], io), io }
}

const known = (folder: string): string | undefined => openTrustFile(folder).known('peer', bob)
const both = new RegExp(`was ${fingerprintOf(old)}, and is now ${fingerprintOf(current)}`)

describe('trust', () => {
  it('shows both fingerprints and asks at a terminal', async () => {
    const folder = home()
    const no = await call(folder, ['trust', 'bob'], { interactive: true, answers: ['no'] })
    expect([no.code, known(folder)]).toEqual([1, old])
    expect(no.io.err()).toMatch(both)
    expect(no.io.questions[0]?.message).toContain(`Is it ${fingerprintOf(current)}?`)
    expect(no.io.questions[0]?.complain('perhaps')).toBe('y or n')
    const gone = await call(folder, ['trust', 'bob'], { interactive: true })
    expect([gone.code, known(folder)]).toEqual([1, old])
    const yes = await call(folder, ['trust', 'bob'], { interactive: true, answers: ['yes'] })
    expect([yes.code, known(folder)]).toEqual([0, current])
    expect(yes.io.out()).toBe(
      `You trust the key ${fingerprintOf(current)} of bob now. Receipts and debts stay with ${fingerprintOf(old)}.\n`,
    )
    // What was said about the site of the old key is not carried over to whoever has the nickname now.
    expect(openSiteFile(folder).choice(current)).toBeUndefined()
    const again = await call(folder, ['trust', 'bob'])
    expect([again.code, again.io.out()]).toEqual([0, `You trust the key of bob already: ${fingerprintOf(current)}\n`])
  })

  it.each([
    ['without a terminal', []],
    ['with --json', ['--json']],
  ])('needs --yes %s', async (_name, more) => {
    const folder = home()
    const refused = await call(folder, ['trust', 'bob', ...more], { interactive: more.length > 0 })
    expect([refused.code, known(folder)]).toEqual([2, old])
    const text = more.length > 0 ? refused.io.out() : refused.io.err()
    expect(text).toMatch(both)
    expect(text).toContain('run: lighthouse-peer trust bob --yes')
    const accepted = await call(folder, ['trust', 'bob', '--yes', '--json'])
    expect(accepted.io.messages()).toEqual([
      { trusted: { nickname: 'bob', before: fingerprintOf(old), fingerprint: fingerprintOf(current) } },
    ])
    expect(known(folder)).toBe(current)
  })

  it('shows the key of somebody of whom none is remembered, before it remembers it', async () => {
    const folder = home()
    openTrustFile(folder).forget('peer', bob)
    const refused = await call(folder, ['trust', 'bob'])
    expect([refused.code, known(folder)]).toEqual([2, undefined])
    expect(refused.io.err()).toContain(`No key of bob is remembered yet. It has ${fingerprintOf(current)}.`)
    const { io } = await call(folder, ['trust', 'bob', '--yes'])
    expect([io.out(), known(folder)]).toEqual([`You trust the key ${fingerprintOf(current)} of bob now.\n`, current])
  })
})

describe('trust --own-hub', () => {
  it('accepts the key of the hub, and says that it is another hub', async () => {
    const folder = home()
    const refused = await call(folder, ['trust', '--own-hub'])
    expect(refused.code).toBe(2)
    expect(refused.io.err()).toContain(`was ${fingerprintOf(hubKey)}, and is now ${fingerprintOf(newHubKey)}`)
    expect(refused.io.err()).toContain('run: lighthouse-peer trust --own-hub --yes')
    const { io } = await call(folder, ['trust', '--own-hub'], { interactive: true, answers: ['y'] })
    expect(io.out()).toContain(`register there with lighthouse-peer register --hub ${host} --nickname alice`)
    expect(openTrustFile(folder).known('hub', host)).toBe(newHubKey)
    expect((await call(folder, ['trust', '--own-hub', '--json'])).io.messages()).toEqual([
      { trusted: { hub: host, before: fingerprintOf(newHubKey), fingerprint: fingerprintOf(newHubKey) } },
    ])
  })

  it.each([['trust'], ['trust', 'bob', '--own-hub']])('is either for a peer or for the hub: %s', async (...argv) => {
    expect((await call(home(), argv)).code).toBe(2)
  })

  it('is not for a peer that runs, and needs somebody who is registered', async () => {
    expect((await call(temporary(), ['trust', '--own-hub'])).code).toBe(3)
    const folder = home()
    const url = `http://127.0.0.1:${await serve((_req, res) => res.end('{"nickname":"alice","connections":[]}'))}/`
    writeRunFile(folder, { pid: process.pid, url, controlToken: 'the-token', startedAt: new Date().toISOString() })
    const { code, io } = await call(folder, ['trust', '--own-hub', '--yes'])
    expect([code, io.err()]).toEqual([1, expect.stringContaining('is running')])
  })
})

describe('forget', () => {
  it('says what it forgot', async () => {
    const folder = home()
    const { io } = await call(folder, ['forget', 'bob'])
    expect(io.out()).toContain(`Forgotten: the key of bob, ${fingerprintOf(old)}, and what you decided about the site.`)
    expect([known(folder), openSiteFile(folder).choice(old)]).toEqual([undefined, undefined])
    expect((await call(folder, ['forget', 'bob'])).io.out()).toBe('Nothing was remembered of bob.\n')
    expect((await call(folder, ['forget', 'bob', '--json'])).io.messages()).toEqual([
      { forgotten: { nickname: 'bob', fingerprint: null, site: null } },
    ])
  })
})

describe('both', () => {
  const commands = [
    ['trust', 'bob', '--yes'],
    ['forget', 'bob'],
  ]

  it('need somebody who is registered', async () => {
    for (const argv of commands) expect((await call(temporary(), argv)).code).toBe(3)
  })

  it.each(['trust', 'forget'])('are not for oneself, and not for what is no nickname: %s', async command => {
    const folder = home()
    expect((await call(folder, [command, 'alice'])).code).toBe(2)
    expect((await call(folder, [command, '../stop'])).code).toBe(2)
  })

  it('ask the running peer, which has the files to itself', async () => {
    const seen: unknown[] = []
    const answers: Record<string, object> = {
      [`/control/key/bob`]: { known: old, current },
      [`/control/trust/bob/${encodeURIComponent(current)}`]: { known: old, current },
      [`/control/forget/bob`]: { key: current, site: 'plain' },
    }
    const folder = await homeWith((req, res) => {
      seen.push([req.method, req.url, req.headers['x-lighthouse-token']])
      res.end(JSON.stringify(answers[req.url!]))
    })
    expect((await call(folder, ['trust', 'bob', '--yes'])).code).toBe(0)
    const { io } = await call(folder, ['forget', 'bob', '--json'])
    expect(io.messages()).toEqual([
      { forgotten: { nickname: 'bob', fingerprint: fingerprintOf(current), site: 'plain' } },
    ])
    expect(seen).toEqual(Object.keys(answers).map(path => ['POST', path, 'the-token']))
  })

  it.each(['', '{}', '{"known":"x","current":"y"}', '{"key":"x","site":null}', '{"key":null,"site":"no"}'])(
    'do not take %j for an answer',
    async body => {
      const folder = await homeWith((_req, res) => res.end(body))
      for (const argv of commands) expect((await call(folder, argv)).io.err()).toContain('its answer is invalid')
    },
  )
})
