/**
 * Peers behind every pair of routers, with default settings: a real hub, coturn with credentials that expire, and processes of
 * the command line, each on a host of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { ConnectionStats, PeerStats } from '../../src/protocol/peer/stats.js'
import { type CliProgram, startCli } from '../support/cluster.node.js'
import { describeIf } from '../support/requires.js'
import { writePattern } from '../support/transfer.node.js'
import type { Fetched } from './support/browser.process.js'
import { hubAddress, type Lab, labObstacle, type Nat, openLab, publicName } from './support/lab.node.js'
import { startTurn, type Turn } from './support/turn.node.js'

const nats: readonly Nat[] = ['cone', 'symmetric', 'blocked', 'strict']
const cells = nats.flatMap(consumer => nats.map(seeder => [consumer, seeder] as const))
const consumerAt = (nat: Nat): string => `alice${nat}`
const seederAt = (nat: Nat): string => `bob${nat}`
const hasUdp = (nat: Nat): boolean => nat === 'cone' || nat === 'symmetric'
const bytes = 2_000_000

/** Its ports are the usual ones: every host is another machine. */
const proxy = 'http://127.0.0.1:42000'

const browserProgram = fileURLToPath(new URL('./support/browser.process.js', import.meta.url))

const obstacle = labObstacle()

describeIf(obstacle === undefined, obstacle ?? '')('peers behind routers', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-lab-')))
  const programs: CliProgram[] = []
  const browsers = new Map<string, ChildProcess>()
  const rows: string[] = []
  let lab: Lab
  let turn: Turn
  let sha256: string

  const start = (host: string | undefined, ...argv: readonly string[]): CliProgram => {
    const program = startCli(argv, folder, { NODE_EXTRA_CA_CERTS: turn.authority }, lab.within(host))
    programs.push(program)
    return program
  }

  /** What a program on that host gets from an address. */
  async function fetchOn(host: string, url: string): Promise<Fetched> {
    const browser = browsers.get(host)!
    browser.send(url)
    const [answer] = (await once(browser, 'message')) as [Fetched | { readonly error: string }]
    if ('error' in answer) throw new Error(answer.error)
    return answer
  }

  const statsOn = async (host: string): Promise<PeerStats> =>
    JSON.parse((await fetchOn(host, `${proxy}/stats`)).text) as PeerStats

  async function startPeer(host: string, hub: string, share: string): Promise<void> {
    const [command, ...prefix] = lab.within(host)
    browsers.set(
      host,
      spawn(command!, [...prefix, process.execPath, browserProgram], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    )
    const home = join(folder, host)
    const { code, err } = await start(host, 'register', '--hub', hub, '--nickname', host, '--home', home).ended
    if (code !== 0) throw new Error(`${host} could not be registered: ${err}`)
    const peer = start(host, 'up', '--json', '--no-open', '--home', home, '--share', share)
    await peer.line(
      ({ type, state }) => type === 'hub' && (state as { readonly type: string }).type === 'authenticated',
    )
  }

  beforeAll(async () => {
    const share = join(folder, 'share')
    const nothing = join(folder, 'nothing')
    for (const path of [share, nothing]) mkdirSync(path)
    sha256 = writePattern(join(share, 'film.bin'), bytes)
    const hosts = nats.flatMap(nat => [[consumerAt(nat), nat] as const, [seederAt(nat), nat] as const])
    lab = await openLab(Object.fromEntries(hosts))
    turn = await startTurn(lab)
    const options = ['--host', hubAddress, '--home', join(folder, 'hub'), '--turn', publicName]
    const { url } = await start(undefined, 'hub', '--json', ...options, '--turn-secret', turn.secret).line(
      ({ type }) => type === 'ready',
    )
    await Promise.all(hosts.map(([host]) => startPeer(host, String(url), host.startsWith('bob') ? share : nothing)))
  }, 120_000)

  afterAll(async () => {
    for (const browser of browsers.values()) browser.disconnect()
    await Promise.all(programs.map(program => program.end('SIGTERM')))
    await turn.end()
    await lab.close()
    rmSync(folder, { recursive: true, force: true })
    process.stderr.write(`${['peers behind routers', ...rows].join('\n  ')}\n`)
  }, 60_000)

  it.each(cells)(
    '%s fetches from %s, byte for byte',
    async (consumer, seeder) => {
      const [here, there] = [consumerAt(consumer), seederAt(seeder)]
      const film = await fetchOn(here, `${proxy}/proxy/${there}/film.bin`)
      expect(film.status === 200 ? film : film.text).toMatchObject({ status: 200, bytes, sha256 })
      // Two routers that give everybody the same port can be met head on; no other pair can.
      const isDirect = consumer === 'cone' && seeder === 'cone'
      const towards = ({ connections }: PeerStats): ConnectionStats =>
        connections.find(({ nickname }) => nickname === there)!
      let own = await statsOn(here)
      // The relay is often ready first, and left as soon as there is a better path.
      while (isDirect && towards(own).path === 'relay') own = await statsOn(here)
      const near = towards(own)
      const other = await statsOn(there)
      const far = other.connections.at(-1)!
      const path = `${near.path}–${far.path}`
      const engines = `${near.engine} – ${far.engine}`
      rows.push(
        `${consumer} – ${seeder}: ${Math.round(film.headMs)} ms to connect, ${path}, ${engines}, ${(bytes / 1e3 / (film.totalMs - film.headMs)).toFixed(1)} MB/s`,
      )
      const engineAt = (nat: Nat): string => (hasUdp(nat) ? 'node-datachannel' : 'wrtc')
      expect([near.engine, far.engine]).toEqual([engineAt(consumer), engineAt(seeder)])
      expect([own.udp, other.udp]).toEqual([consumer, seeder].map(nat => (hasUdp(nat) ? 'open' : 'blocked')))
      expect(near.path === 'relay').toBe(!isDirect)
    },
    60_000,
  )
})
