/**
 * What `doctor` says behind each kind of router, with what the hub hands out by default: a hub and coturn in the public network,
 * and nothing said on the peers' command lines.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Check } from '../../src/protocol/doctor/check.js'
import { type CliProgram, startCli } from '../support/cluster.node.js'
import { describeIf } from '../support/requires.js'
import { hubAddress, type Lab, labObstacle, type Nat, openLab, publicName } from './support/lab.node.js'
import { startTurn, type Turn } from './support/turn.node.js'

const obstacle = labObstacle()

/** The columns: what is said of the router, of STUN, of TURN over UDP, TCP and TLS, and whether others can be met. */
const rows: readonly (readonly [Nat, RegExp, string, readonly string[], string, RegExp])[] = [
  ['cone', /^cone/, 'ok', ['ok', 'ok', 'ok'], 'ok', /meet directly/],
  ['symmetric', /^symmetric/, 'ok', ['ok', 'ok', 'ok'], 'ok', /cannot meet directly, and TURN helps/],
  ['blocked', /^UDP does not get out/, 'fail', ['fail', 'ok', 'ok'], 'warn', /TURN only/],
  ['strict', /^UDP does not get out/, 'fail', ['fail', 'fail', 'ok'], 'warn', /TURN only/],
]

describeIf(obstacle === undefined, obstacle ?? '')('the doctor behind routers', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-doctor-lab-')))
  const programs: CliProgram[] = []
  let lab: Lab
  let turn: Turn

  const start = (host: string | undefined, ...argv: readonly string[]): CliProgram => {
    const program = startCli(argv, folder, { NODE_EXTRA_CA_CERTS: turn.authority }, lab.within(host))
    programs.push(program)
    return program
  }
  const homeOf = (nickname: string): string => join(folder, nickname)

  async function startHub(name: string, ...options: readonly string[]): Promise<string> {
    const argv = ['hub', '--json', '--host', hubAddress, '--port', '0', '--home', homeOf(name), ...options]
    return String((await start(undefined, ...argv).line(({ type }) => type === 'ready')).url)
  }

  async function register(host: string, hub: string, nickname: string): Promise<void> {
    const argv = ['register', '--hub', hub, '--nickname', nickname, '--home', homeOf(nickname)]
    const { code, err } = await start(host, ...argv).ended
    if (code !== 0) throw new Error(err)
  }

  async function startPeer(host: string, nickname: string): Promise<CliProgram> {
    const peer = start(
      host,
      'up',
      '--json',
      '--no-open',
      '--port-base',
      '0',
      '--home',
      homeOf(nickname),
      '--share',
      folder,
    )
    await peer.line(({ type, state }) => type === 'hub' && (state as { type: string }).type === 'authenticated')
    return peer
  }

  async function doctor(host: string, nickname: string, ...argv: readonly string[]): Promise<readonly Check[]> {
    const line = await start(host, 'doctor', '--json', '--home', homeOf(nickname), ...argv).line(
      each => 'doctor' in each,
    )
    return (line.doctor as { readonly checks: readonly Check[] }).checks
  }

  beforeAll(async () => {
    lab = await openLab({ ...Object.fromEntries(rows.map(([nat]) => [nat, nat])), other: 'cone', strange: 'symmetric' })
    turn = await startTurn(lab)
    const hub = await startHub('hub', '--turn', publicName, '--turn-secret', turn.secret)
    for (const host of [...rows.map(([nat]) => nat), 'other']) await register(host, hub, host)
  }, 120_000)

  afterAll(async () => {
    await Promise.all(programs.map(program => program.end('SIGTERM')))
    await turn.end()
    await lab.close()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  it.each(rows)('%s', async (nat, router, stun, turns, meeting, words) => {
    const checks = await doctor(nat, nat)
    const named = (name: string): readonly Check[] => checks.filter(check => check.name === name)
    expect(named('STUN').map(({ status }) => status)).toEqual([stun])
    expect(named('TURN').map(({ status }) => status)).toEqual(turns)
    expect(named('router')[0]!.detail).toMatch(router)
    expect(named('meeting others')[0]).toMatchObject({ status: meeting, detail: expect.stringMatching(words) })
    expect(checks.filter(({ status, next }) => status === 'fail' && next === undefined)).toEqual([])
  })

  it.each([
    ['cone', 'other', /^direct/],
    ['blocked', 'symmetric', /TURN/],
  ])('shows how %s meets %s', async (here, there, words) => {
    await startPeer(there, there)
    const checks = await doctor(here, here, there)
    const path = checks.find(({ name }) => name === 'path')
    expect(path).toMatchObject({ status: 'ok', detail: expect.stringMatching(words) })
    expect(checks.find(({ name }) => name === 'first bytes')!.status).toBe('ok')
  })

  it('names the likely reason where the hub has no TURN server, from either side', async () => {
    const hub = await startHub('another hub', '--stun', `stun:${publicName}:3478`)
    const named = (host: string): string => `${host}x`
    const hosts = ['symmetric', 'strange', 'blocked']
    for (const host of hosts) await register(host, hub, named(host))
    for (const host of hosts) await startPeer(host, named(host))
    const reason = async (here: string, there: string): Promise<string> => {
      const last = (await doctor(here, named(here), named(there))).at(-1)!
      expect(last).toMatchObject({ name: 'connection', status: 'fail', next: expect.stringMatching(/\.$/) })
      return last.detail
    }
    const [unlike, blocked, towards] = await Promise.all([
      reason('symmetric', 'strange'),
      reason('blocked', 'symmetric'),
      reason('strange', 'blocked'),
    ])
    expect(unlike).toMatch(/routers on both sides .* names no TURN server/)
    expect(blocked).toMatch(/this network blocks UDP/)
    expect(towards).toMatch(/blockedx named no address that is reached from outside/)
  })
})
