/**
 * A hub and peers as people run them: processes of the command line, loopback only, ports chosen by the system, homes
 * that are gone afterwards.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from '@jest/globals'
import { exhaustMap, filter, firstValueFrom, timer } from 'rxjs'
import { realParts } from '../../src/cli/parts.js'
import { register } from '../../src/cli/registration.js'
import type { PeerStats } from '../../src/protocol/peer/stats.js'
import { type CliProgram, type Line, startCli } from './cli-program.node.js'

export { type CliProgram, startCli } from './cli-program.node.js'

/** How often something is looked at that nobody tells. */
const lookMs = 200

const isReady = ({ type }: Line): boolean => type === 'ready'
const isSignedIn = ({ type, state }: Line): boolean =>
  type === 'hub' && (state as { readonly type: string }).type === 'authenticated'

/** How a peer is started. */
export interface PeerSetup {
  /** A folder or host:port. Default: nothing is shared. */
  readonly share?: string
  /** Default: the default one. */
  readonly engine?: 'wrtc' | 'node-datachannel'
  /** Default: none. */
  readonly nodeOptions?: string
}

/** A peer's process, signed in. */
export interface ClusterPeer {
  readonly nickname: string
  readonly home: string
  readonly program: CliProgram
  /** With a slash at its end. */
  readonly proxy: string
  /** How often it has signed in at the hub. */
  signIns(): number
  stats(): Promise<PeerStats>
  /** Looks at the stats until they fit; the test's time limit bounds it. */
  until(fits: (stats: PeerStats) => boolean): Promise<PeerStats>
}

/** A hub and what runs at it. */
export interface Cluster {
  /** For shares and whatever else a test keeps. Gone afterwards. */
  readonly folder: string
  readonly hubUrl: string
  /** Where its database is, unless it was given another one, for who reads it while the hub is stopped. */
  readonly hubFile: string
  readonly hub: () => CliProgram
  /** Once more on the same port, with the same database. */
  restartHub(): Promise<void>
  /** Registers the nickname, in this process, with a home of its own, which it resolves with. */
  register(nickname: string): Promise<string>
  /** Starts a registered peer and waits until it is signed in. */
  up(nickname: string, setup?: PeerSetup): Promise<ClusterPeer>
  /** Ends everything. Also done after the last test of the file. */
  stop(): Promise<void>
}

/** Enough for every transfer of a test that is not about coins. */
const plentyCoins = 10_000

/** How the hub is started. */
export interface HubSetup {
  /** What a registration grants. Default 10,000. */
  readonly coins?: number
  /** More of its command line, such as `--database`. Default none. */
  readonly options?: readonly string[]
}

/** A hub's process and its URL, once it takes connections. Whoever starts one by itself ends it. Port 0: any. */
export async function startHub(
  home: string,
  port: number,
  { coins = plentyCoins, options: more = [] }: HubSetup = {},
): Promise<readonly [CliProgram, string]> {
  const options = ['--initial-coins', String(coins), ...more]
  const argv = ['hub', '--json', '--host', '127.0.0.1', '--port', String(port), '--home', home, ...options]
  const program = startCli(argv, tmpdir())
  return [program, String((await program.line(isReady)).url)]
}

async function start(folder: string, programs: Set<CliProgram>, setup: HubSetup): Promise<Omit<Cluster, 'stop'>> {
  const homeOf = (name: string): string => join(folder, 'homes', name)
  let [hub, hubUrl] = await startHub(homeOf('the hub'), 0, setup)
  programs.add(hub)
  return {
    folder,
    hubUrl,
    hubFile: `sqlite:${join(homeOf('the hub'), 'hub.db')}`,
    hub: () => hub,
    async restartHub() {
      ;[hub, hubUrl] = await startHub(homeOf('the hub'), Number(new URL(hubUrl).port), setup)
      programs.add(hub)
    },
    async register(nickname) {
      const home = homeOf(nickname)
      await register(realParts, home, hubUrl, nickname)
      return home
    },
    async up(nickname, { share, engine, nodeOptions } = {}) {
      const home = homeOf(nickname)
      const options = [
        ...(share === undefined ? [] : ['--share', share]),
        ...(engine === undefined ? [] : ['--engine', engine]),
      ]
      const argv = ['up', '--json', '--no-open', '--port-base', '0', '--home', home, ...options]
      const program = startCli(argv, folder, nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions })
      programs.add(program)
      const { addresses } = (await program.line(isReady)) as { addresses?: { proxy: string } }
      await program.line(isSignedIn)
      const proxy = new URL('/', addresses!.proxy).href
      const stats = async (): Promise<PeerStats> =>
        (await (await fetch(`${proxy}stats`, { headers: { accept: 'application/json' } })).json()) as PeerStats
      return {
        nickname,
        home,
        program,
        proxy,
        stats,
        signIns: () => program.lines(isSignedIn).length,
        until: fits => firstValueFrom(timer(0, lookMs).pipe(exhaustMap(stats), filter(fits))),
      }
    },
  }
}

/**
 * Starts clusters for the tests of one file. Call it where hooks may be registered: whatever is still there after the
 * last test is ended then, each program by its process id.
 */
export function clusters(): (
  peers: Readonly<Record<string, PeerSetup>>,
  hub?: HubSetup,
) => Promise<
  Cluster & {
    readonly peers: Readonly<Record<string, ClusterPeer>>
  }
> {
  const stops = new Set<() => Promise<void>>()
  afterAll(async () => {
    await Promise.all([...stops].map(stop => stop()))
  })
  return async (setups, hubSetup = {}) => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-e2e-')))
    const programs = new Set<CliProgram>()
    const stop = async (): Promise<void> => {
      stops.delete(stop)
      await Promise.all([...programs].map(program => program.end('SIGKILL')))
      rmSync(folder, { recursive: true, force: true })
    }
    stops.add(stop)
    const cluster = await start(folder, programs, hubSetup)
    const started = Object.entries(setups).map(async ([nickname, setup]) => {
      await cluster.register(nickname)
      return [nickname, await cluster.up(nickname, setup)] as const
    })
    const peers = Object.fromEntries(await Promise.all(started))
    return { ...cluster, peers, stop }
  }
}
