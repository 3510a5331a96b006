/** `npm run bench -- [options]`: what the tunnel, the hub and the ledger cost, in figures. */
import { parseArgs } from 'node:util'
import { openBackends } from './backends.js'
import { runCodec } from './codec-run.js'
import { type ConnectionsExtent, measureConnections } from './connections.js'
import { measureDisk } from './disk.js'
import { showConnections, showHubs, showLedger, showStore } from './hub-report.js'
import { type LedgerExtent, measureLedger } from './ledger.js'
import { type Extent, measure, type Result } from './measure.js'
import { type Cost, measurePairs, type PairsExtent, type PairsResult } from './pairs.js'
import { measurePaused, type PausedResult } from './paused.js'
import type { RtcName } from '../src/adapters/webrtc/load.node.js'
import { type HubResult, measureHubs, measureStore, type SettlementExtent, type StoreResult } from './settlements.js'
import { findStrace } from '../spec/support/programs.node.js'
import { showPairs, showPaused, showTunnel } from './tunnel-report.js'

const usage = `Measures the tunnel against the bare data channel and against itself without coins, the hub, and the ledger, on
this machine.

  npm run bench -- [options]

  --quick      about a minute: too short for SCTP to settle, no codec
  --full       a quarter of an hour or more: longer windows, nine rounds, and the paused reader
  --coins      only the tunnel with and without coins, forty times in turn: the ratio with its uncertainty
  --http       only the tunnel with and without HTTP, in the same way
  --pause      only the reader that pauses 60 s in a download of 1 GiB
  --hub        only the hub: settlements, syncs, connections, signals; uses PostgreSQL, Redis and strace where they are
  --ledger     only "ledger verify" over a generated file of a million blocks (about 850 MB in the temporary folder)
  --rtc NAME   only wrtc or only node-datachannel
  --path MS    only the path with that many milliseconds of added round trip: 0, 40 or 80
  --json       the figures as JSON instead of tables

--hub and --ledger go together, and with --quick or --full.
`

interface Extents {
  readonly tunnel: Extent
  readonly pairs: PairsExtent
  readonly settlements: SettlementExtent
  readonly connections: ConnectionsExtent
  readonly ledger: LedgerExtent
}

const extents = {
  quick: {
    tunnel: { rounds: 2, windowMs: 400, warmUpMs: 600, coldStarts: 2, latencyMs: 800 },
    pairs: { pairs: 4, windowMs: 400, warmUpMs: 600 },
    settlements: { rounds: 1, windowMs: 1000 },
    connections: { connections: 5000, durationMs: 2000 },
    ledger: { rounds: 1, blocks: 100_000, signedBlocks: 10_000 },
  },
  usual: {
    tunnel: { rounds: 5, windowMs: 2500, warmUpMs: 1000, coldStarts: 5, latencyMs: 5000 },
    pairs: { pairs: 40, windowMs: 1500, warmUpMs: 1000 },
    settlements: { rounds: 3, windowMs: 3000 },
    connections: { connections: 5000, durationMs: 10_000 },
    ledger: { rounds: 3, blocks: 1_000_000, signedBlocks: 100_000 },
  },
  full: {
    tunnel: { rounds: 9, windowMs: 5000, warmUpMs: 2000, coldStarts: 9, latencyMs: 20_000 },
    pairs: { pairs: 80, windowMs: 2500, warmUpMs: 1000 },
    settlements: { rounds: 5, windowMs: 5000 },
    connections: { connections: 5000, durationMs: 30_000 },
    ledger: { rounds: 5, blocks: 1_000_000, signedBlocks: 100_000 },
  },
} as const satisfies Record<string, Extents>

type Say = (text: string) => void

async function benchHub({ settlements, connections }: Extents, say: Say): Promise<object> {
  const backends = await openBackends()
  try {
    for (const reason of backends.missing) say(`left out: ${reason}`)
    if (findStrace() === undefined) say('strace is not here, so syncs of SQLite are not counted')
    const pairs = backends.all.flatMap(backend => backend.processes.map(count => [backend, count] as const))
    const diskSyncs = await measureDisk(backends, settlements.windowMs / 2)
    const store: StoreResult[] = []
    for (const [backend, count] of pairs) store.push(...(await measureStore(backends, backend, count, settlements)))
    say(showStore(store, diskSyncs))
    const hubs: HubResult[] = []
    for (const [backend, count] of pairs) hubs.push(await measureHubs(backends, backend, count, settlements))
    say(showHubs(hubs))
    const held = await measureConnections(backends, connections)
    say(showConnections(held))
    return { diskSyncs, store, hubs, connections: held }
  } finally {
    await backends.close()
  }
}

interface TunnelChoice {
  readonly names: readonly RtcName[]
  readonly paths: readonly number[]
  readonly tunnels: boolean
  readonly costs: readonly Cost[]
  readonly paused: boolean
  readonly codec: boolean
}

async function benchTunnel(extents: Extents, choice: TunnelChoice, say: Say): Promise<object> {
  const results: Result[] = []
  const pairs: PairsResult[] = []
  const paused: PausedResult[] = []
  const scenes = choice.paths.flatMap(roundTripMs => choice.names.map(rtcName => ({ rtcName, roundTripMs })))
  for (const [scene, cost] of scenes.flatMap(each => choice.costs.map(cost => [each, cost] as const))) {
    const result = await measurePairs(cost, scene, extents.pairs)
    pairs.push(result)
    say(showPairs(result))
  }
  for (const scene of choice.tunnels ? scenes : []) {
    const result = await measure(scene, extents.tunnel)
    results.push(result)
    say(showTunnel(result))
  }
  for (const rtcName of choice.paused ? choice.names : []) {
    const result = await measurePaused({ rtcName, roundTripMs: 0, fileBytes: 1024 ** 3, pauseMs: 60_000 })
    paused.push(result)
    say(showPaused(result))
  }
  const codec = choice.codec ? await runCodec() : undefined
  if (codec !== undefined) say(codec)
  return { results, pairs, paused, codec: codec?.split('\n') }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      coins: { type: 'boolean', default: false },
      http: { type: 'boolean', default: false },
      pause: { type: 'boolean', default: false },
      hub: { type: 'boolean', default: false },
      ledger: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      rtc: { type: 'string' },
      path: { type: 'string' },
    },
  })
  const print = (text: string): void => void process.stdout.write(`${text}\n`)
  const say = (text: string): void => {
    if (!values.json) print(`${text}\n`)
  }
  if (values.help) return print(usage)
  const extent: Extents = values.full ? extents.full : values.quick ? extents.quick : extents.usual
  const names = (['wrtc', 'node-datachannel'] as const satisfies RtcName[]).filter(
    name => values.rtc === undefined || values.rtc === name,
  )
  const paths = [0, 40, 80].filter(path => values.path === undefined || Number(values.path) === path)
  if (names.length === 0 || paths.length === 0) throw new Error(`nothing to measure\n\n${usage}`)

  const figures: Record<string, unknown> = {}
  if (values.hub) figures.hub = await benchHub(extent, say)
  if (values.ledger) {
    const ledger = await measureLedger(extent.ledger)
    say(showLedger(ledger))
    figures.ledger = ledger
  }
  if (!values.hub && !values.ledger) {
    const costs: readonly Cost[] = [
      ...(values.coins ? ['coins' as const] : []),
      ...(values.http ? ['HTTP' as const] : []),
    ]
    const isWhole = costs.length === 0 && !values.pause
    const choice = {
      ...{ names, paths, costs, tunnels: isWhole },
      paused: values.pause || (isWhole && values.full),
      codec: isWhole && !values.quick,
    }
    Object.assign(figures, await benchTunnel(extent, choice, say))
  }
  if (values.json) print(JSON.stringify(figures, undefined, 2))
}

await main()
