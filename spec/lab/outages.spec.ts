/**
 * A film that is being played while the network is away for a moment, or is another one: the player gets one response, to its end.
 * The homes have their faults at the same time, since these take their seconds. Each plays the film once before: one who has never
 * paid has a megabyte on credit, and what a connection loses as it breaks at full rate may be as much.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { filter, firstValueFrom, fromEvent } from 'rxjs'
import { type CliProgram, startCli } from '../support/cluster.node.js'
import { describeIf } from '../support/requires.js'
import { writePattern } from '../support/transfer.node.js'
import { type Faults, faultsIn } from './support/faults.node.js'
import { hubAddress, type Lab, labObstacle, type Nat, openLab, publicName } from './support/lab.node.js'
import type { PlayerOrder, PlayerReport } from './support/player.process.js'
import { startTurn, type Turn } from './support/turn.node.js'

const filmBytes = 48_000_000
/** As the player reads it: 8 Mbit/s. */
const film = { path: '/film.bin', bytesPerSecond: 1_000_000, startBytes: 2_000_000 }

/** Every host is another machine. */
const proxy = 'http://127.0.0.1:42000'

/** What may pass after a fault until something comes again; and what a machine may add that runs other specs beside this one. */
const repairMs = 8_000
const busyMs = 3_000

/** Two homes: a name, the nature of their routers, and what happens to them, one after the other. */
interface Homes {
  readonly name: string
  readonly nat: Nat
  readonly faults: readonly Fault[]
}

/** Outages in seconds at the one who serves, or who has moved. */
type Fault = 10 | 60 | 'consumer' | 'seeder' | 'router'

const homes: readonly Homes[] = (['cone', 'symmetric'] as const).flatMap(nat => [
  { name: `${nat}long`, nat, faults: [60] },
  { name: `${nat}short`, nat, faults: [10, 'consumer', 'seeder', 'router'] },
])
const cases = homes.flatMap(({ name, nat, faults }) => faults.map(fault => [fault, nat, name] as const))
const titles: Readonly<Record<Fault, string>> = {
  10: 'an outage of 10 s',
  60: 'an outage of 60 s',
  consumer: 'a move of the one who plays',
  seeder: 'a move of the one who serves',
  router: 'another outer address of the one who serves',
}
const paths: Partial<Readonly<Record<Nat, string>>> = { cone: 'direct', symmetric: 'relayed' }

/** Two homes whose routers let datagrams pass between them only later. */
const parted = 'parted'

/** For a fault and all that comes before it, on a machine that is busy with other things. */
const limitMs = 240_000

/** How often paths are looked at. */
const lookMs = 500

type Played = Extract<PlayerReport, { type: 'played' }>

interface Player {
  /** Resolves when the film of that peer is being played. */
  play(from: string): Promise<unknown>
  /** Resolves when it is over. */
  readOn(): Promise<Played>
  /** Of the connections of the peer on this host. */
  paths(): Promise<readonly string[]>
  leave(): void
}

const playerProgram = fileURLToPath(new URL('./support/player.process.js', import.meta.url))

const obstacle = labObstacle()

describeIf(obstacle === undefined, obstacle ?? '')('a film that is being played', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-lab-')))
  const programs: CliProgram[] = []
  const players = new Set<ChildProcess>()
  const played = new Map<string, Promise<Played>>()
  const rows: string[] = []
  let lab: Lab
  let turn: Turn
  let network: Faults
  let sha256: string

  const start = (host: string | undefined, ...argv: readonly string[]): CliProgram => {
    const program = startCli(argv, folder, { NODE_EXTRA_CA_CERTS: turn.authority }, lab.within(host))
    programs.push(program)
    return program
  }

  async function startPeer(host: string, hub: string, share: string): Promise<void> {
    const home = join(folder, host)
    const { code, err } = await start(host, 'register', '--hub', hub, '--nickname', host, '--home', home).ended
    if (code !== 0) throw new Error(`${host} could not be registered: ${err}`)
    const peer = start(host, 'up', '--json', '--no-open', '--home', home, '--share', share)
    await peer.line(
      ({ type, state }) => type === 'hub' && (state as { readonly type: string }).type === 'authenticated',
    )
  }

  async function strike(alice: string, bob: string, fault: Fault | undefined): Promise<void> {
    if (fault === undefined) return
    if (fault === 'router') return network.renumber(bob)
    if (fault === 'consumer' || fault === 'seeder') return network.move(fault === 'consumer' ? alice : bob)
    network.cut(bob)
    await delay(fault * 1000)
    network.mend(bob)
  }

  /** A player on that host. */
  function playerOn(host: string): Player {
    const [command, ...prefix] = lab.within(host)
    const player = spawn(command!, [...prefix, process.execPath, playerProgram], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    players.add(player)
    const report$ = fromEvent(player, 'message', (report: PlayerReport) => report)
    /** What it says to that, of this type. */
    const tell = async <T extends PlayerReport['type']>(order: PlayerOrder, type: T) => {
      const said = firstValueFrom(report$.pipe(filter(report => report.type === type || report.type === 'broken')))
      player.send(order)
      const report = await said
      if (report.type === 'broken') throw new Error(report.message)
      return report as Extract<PlayerReport, { type: T }>
    }
    return {
      play: from => tell({ type: 'play', proxy, ...film, path: `/proxy/${from}${film.path}` }, 'playing'),
      readOn: () => tell({ type: 'read-on' }, 'played'),
      paths: async () => (await tell({ type: 'paths', proxy }, 'paths')).paths,
      leave() {
        player.disconnect()
        players.delete(player)
      },
    }
  }

  /** Plays the film of that home's other one through a fault. */
  async function playThrough({ name, nat }: Homes, fault?: Fault): Promise<Played> {
    const [alice, bob] = [`alice${name}`, `bob${name}`]
    const player = playerOn(alice)
    await player.play(bob)
    expect((await player.paths()).at(-1) === 'relay').toBe(nat === 'symmetric')
    const played = player.readOn()
    await strike(alice, bob, fault)
    await played
    player.leave()
    return played
  }

  /** Plays a film that begins over the relay, as no datagram gets from one to the other, and does then. */
  async function playIntoTheOpen(): Promise<Played> {
    const [alice, bob] = [`alice${parted}`, `bob${parted}`]
    const player = playerOn(alice)
    await player.play(bob)
    await player.readOn()
    await player.play(bob)
    expect(await player.paths()).toEqual(['relay'])
    network.mend(bob)
    const until = async (fits: (paths: readonly string[]) => boolean): Promise<void> => {
      while (!fits(await player.paths())) await delay(lookMs)
    }
    await until(paths => paths.some(path => path !== 'relay' && path !== 'unknown'))
    const played = await player.readOn()
    await until(([path, ...others]) => path !== 'relay' && others.length === 0)
    player.leave()
    return played
  }

  beforeAll(async () => {
    const share = join(folder, 'share')
    const nothing = join(folder, 'nothing')
    for (const path of [share, nothing]) mkdirSync(path)
    sha256 = writePattern(join(share, film.path), filmBytes)
    const pairs = [...homes, { name: parted, nat: 'cone' as const }]
    const hosts = pairs.flatMap(({ name, nat }) => [[`alice${name}`, nat] as const, [`bob${name}`, nat] as const])
    lab = await openLab(Object.fromEntries(hosts))
    turn = await startTurn(lab)
    network = faultsIn(
      lab,
      hosts.map(([host]) => host),
    )
    network.part(`bob${parted}`, `alice${parted}`)
    const options = ['--host', hubAddress, '--home', join(folder, 'hub'), '--initial-coins', '1000']
    const servers = ['--turn', publicName, '--turn-secret', turn.secret]
    const { url } = await start(undefined, 'hub', '--json', ...options, ...servers).line(({ type }) => type === 'ready')
    await Promise.all(hosts.map(([host]) => startPeer(host, String(url), host.startsWith('bob') ? share : nothing)))
    const open = playIntoTheOpen()
    open.catch(() => undefined)
    played.set(parted, open)
    for (const home of homes) {
      let before = playThrough(home)
      for (const fault of home.faults) {
        const report = before.then(() => playThrough(home, fault))
        // The tests look at it, each at its own.
        report.catch(() => undefined)
        played.set(`${home.name} ${fault}`, report)
        before = report
      }
    }
  }, 120_000)

  afterAll(async () => {
    for (const player of players) player.disconnect()
    await Promise.all(programs.map(program => program.end('SIGTERM')))
    await turn.end()
    await lab.close()
    rmSync(folder, { recursive: true, force: true })
    process.stderr.write(`${['a film that is being played', ...rows].join('\n  ')}\n`)
  }, 60_000)

  it.each(cases.map(([fault, nat, name]) => [titles[fault], paths[nat], `${name} ${fault}`, fault] as const))(
    'goes on after %s, %s',
    async (title, path, key, fault) => {
      const report = await played.get(key)!
      expect(report).toMatchObject({ status: 200, bytes: filmBytes, sha256 })
      const { longestGapMs } = report
      rows.push(`${title}, ${path}: ${(longestGapMs / 1e3).toFixed(1)} s without a byte`)
      // What is measured here is time: that is what a player has to bridge.
      expect(longestGapMs).toBeLessThanOrEqual(repairMs + busyMs + (typeof fault === 'number' ? fault * 1000 : 0))
    },
    limitMs,
  )

  it(
    'leaves the relay when there is a direct way, for what is new, and breaks nothing',
    async () => {
      const { longestGapMs, ...report } = await played.get(parted)!
      expect(report).toMatchObject({ status: 200, bytes: filmBytes, sha256 })
      rows.push(`a way without the relay: ${(longestGapMs / 1e3).toFixed(1)} s without a byte`)
    },
    limitMs,
  )
})
