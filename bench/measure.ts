/** The measurements of one configuration. Rates are in MB/s of payload, times in milliseconds. */
import { setTimeout as pause } from 'node:timers/promises'
import { quantile, ratios, type Spread, spread } from './figures.js'
import type { PipeKind } from './peer.child.js'
import { ask, latencies } from './probe.js'
import { openScene, type Scene, type SceneOptions, type TunnelKind } from './scene.js'

/** How programs use a tunnel: of which kind it is, and whether they speak HTTP or bytes that it carries as they are. */
export interface Way {
  readonly kind: TunnelKind
  readonly http: boolean
}

export interface Extent {
  readonly rounds: number
  readonly windowMs: number
  /** Before each window, so that buffers and congestion windows are as in the middle of a transfer. */
  readonly warmUpMs: number
  readonly coldStarts: number
  readonly latencyMs: number
}

export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly requests: number
}

export interface Result {
  readonly rtcName: string
  readonly roundTripMs: number
  readonly bestMessageBytes: number
  readonly raw: Spread
  readonly simplePeer: Spread
  /** TCP to TCP over the raw channel, without streams, windows or coins. */
  readonly bridge: Spread
  readonly bridgeRatio: Spread
  readonly ratioToBridge: Spread
  readonly tunnel1: Spread
  readonly tunnel10: Spread
  readonly ratio1: Spread
  readonly ratio10: Spread
  /** Without coins; the others are with coins, by a key that has paid before. */
  readonly free1: Spread
  readonly free10: Spread
  readonly coins1: Spread
  readonly coins10: Spread
  /** The first two seconds of a key that has never paid, and without coins. */
  readonly freshFirst: Spread
  readonly freeFirst: Spread
  readonly coldFirstByteMs: Spread
  readonly warmFirstByteMs: Spread
  readonly alone: Latency
  readonly besideBulk: Latency
  readonly bulkBesideRequests: number
  readonly consumerPeakBytes: number
  readonly seederPeakBytes: number
}

const messageSizes = [16, 64, 128, 256].map(size => size * 1024)

/** Messages of simple-peer's stream: as the programs' reads come. */
const streamPieceBytes = 64 * 1024

/** What has not arrived by then was dropped: SCTP's longest pauses are far shorter. */
const lostAfterMs = 60_000

/** More than any download here gets to. */
export const endlessBytes = 2 ** 50

interface Count {
  readonly bytes: number
  readonly at: number
}

async function windowRate(count: () => Promise<Count>, extent: Pick<Extent, 'warmUpMs' | 'windowMs'>): Promise<number> {
  await pause(extent.warmUpMs)
  const before = await count()
  await pause(extent.windowMs)
  const after = await count()
  return (after.bytes - before.bytes) / (after.at - before.at) / 1000
}

/** Stops it, waits for what is under way, beside which the next measurement must not begin, and makes sure that nothing was lost. */
async function finishPipe({ consumer, seeder, closePipe }: Scene, kind: PipeKind): Promise<void> {
  const sent = await seeder.call<number>('stop', kind)
  const start = performance.now()
  while ((await consumer.call<Count>('received', kind)).bytes < sent) {
    if (performance.now() - start > lostAfterMs) throw new Error(`${kind}: of ${sent} bytes some never came`)
    await pause(10)
  }
  await closePipe(kind)
}

/**
 * On a connection of its own, as every measurement here: SCTP that was idle, or has lost a packet, takes minutes to be as
 * fast again on a long path, and what came before would be measured.
 */
async function pipeRate(scene: Scene, kind: PipeKind, messageBytes: number, extent: Extent): Promise<number> {
  const { consumer, seeder, openPipe } = scene
  await openPipe(kind)
  await seeder.call('push', { kind, messageBytes })
  const rate = await windowRate(() => consumer.call<Count>('received', kind), extent)
  await finishPipe(scene, kind)
  return rate
}

interface Received {
  readonly each: readonly number[]
  readonly at: number
}

async function countOf({ ends }: Scene, ids: readonly number[]): Promise<Count> {
  const { each, at } = await ends.call<Received>('received', ids)
  return { bytes: each.reduce((sum, bytes) => sum + bytes, 0), at }
}

/** A sixteenth of it is the largest window of credit that a seeder gives. */
const paidAheadBytes = 256_000_000

/** SCTP's own buffer takes that long to empty on a slow path. */
const underWayMs = 1000

/** On a slow path less has to be open at a time. */
const payAheadMs = 15_000

/** Downloads until the consumer is known to the seeder as somebody who pays. */
export async function payAhead(scene: Scene, port: number): Promise<void> {
  const id = await scene.ends.call<number>('open', { port, bytes: endlessBytes })
  const start = performance.now()
  while ((await countOf(scene, [id])).bytes < paidAheadBytes && performance.now() - start < payAheadMs) await pause(50)
  await closeStreams(scene, [id])
}

/**
 * Lets what is under way arrive before the consumer starts anew: it is paid for, as in a tunnel that stays. Bytes that a
 * connection loses as it closes stay a debt that nobody can sign for, and some dozens of such would use up the key's window.
 */
async function closeStreams({ ends }: Scene, ids: readonly number[]): Promise<void> {
  await ends.call('close', ids)
  await pause(underWayMs)
}

async function openStreams({ ends }: Scene, port: number, streams: number, http = false): Promise<readonly number[]> {
  const ids: number[] = []
  for (let index = 0; index < streams; index++) {
    ids.push(await ends.call<number>('open', { port, bytes: endlessBytes, http }))
  }
  return ids
}

/** TCP to TCP as the tunnel is, over the raw channel with nothing else in between. */
async function bridgeRate(scene: Scene, extent: Extent): Promise<number> {
  await scene.openPipe('raw')
  const ids = await openStreams(scene, await scene.bridge(), 1)
  const rate = await windowRate(() => countOf(scene, ids), extent)
  await finishPipe(scene, 'raw')
  await scene.ends.call('close', ids)
  return rate
}

export async function tunnelRate(
  scene: Scene,
  { kind, http }: Way,
  streams: number,
  extent: Pick<Extent, 'warmUpMs' | 'windowMs'>,
): Promise<number> {
  const port = await scene.openTunnel(kind)
  const ids = await openStreams(scene, port, streams, http)
  const rate = await windowRate(() => countOf(scene, ids), extent)
  await closeStreams(scene, ids)
  return rate
}

/** Milliseconds of 1 KB requests beside a download, both the same way. */
export async function besideBulk(
  scene: Scene,
  { kind, http }: Way,
  extent: Pick<Extent, 'warmUpMs' | 'windowMs'>,
): Promise<readonly number[]> {
  const port = await scene.openTunnel(kind)
  const ids = await openStreams(scene, port, 1, http)
  await pause(extent.warmUpMs)
  const milliseconds = await latencies({ port, http }, extent.windowMs)
  await closeStreams(scene, ids)
  return milliseconds
}

/** What somebody gets of the first film: the whole of the first two seconds, connection not included. */
const firstMs = 2000

async function firstRate(scene: Scene, kind: TunnelKind): Promise<number> {
  const port = await scene.openTunnel(kind)
  const ids = await openStreams(scene, port, 1)
  const rate = await windowRate(() => countOf(scene, ids), { warmUpMs: 0, windowMs: firstMs })
  await closeStreams(scene, ids)
  return rate
}

export function latencyOf(milliseconds: readonly number[]): Latency {
  return { p50: quantile(milliseconds, 0.5), p99: quantile(milliseconds, 0.99), requests: milliseconds.length }
}

async function bestMessageSize(scene: Scene, extent: Extent): Promise<number> {
  let best = { bytes: 0, rate: 0 }
  for (const bytes of messageSizes) {
    const rate = await pipeRate(scene, 'raw', bytes, {
      ...extent,
      windowMs: extent.windowMs / 2,
      warmUpMs: extent.warmUpMs / 2,
    })
    if (rate > best.rate) best = { bytes, rate }
  }
  return best.bytes
}

const counted: Way = { kind: 'counted', http: false }
const uncounted: Way = { kind: 'uncounted', http: false }

interface Round {
  readonly raw: number
  readonly bridge: number
  readonly stream: number
  readonly tunnel1: number
  readonly free1: number
  readonly tunnel10: number
  readonly free10: number
  readonly fresh: number
  readonly freeFirst: number
}

/** Runs everything for one WebRTC implementation over one path; what is compared is measured in turns. */
export async function measure(options: SceneOptions, extent: Extent): Promise<Result> {
  const scene = await openScene(options)
  const { consumer, seeder, ends, restartConsumer, connect, openTunnel } = scene
  try {
    const cold: number[] = []
    let port = 0
    for (let start = 0; start < extent.coldStarts; start++) {
      await restartConsumer()
      const since = performance.now()
      port = await connect()
      cold.push((await ask({ port }, since)).firstByteMs)
    }
    const warm: number[] = []
    for (let request = 0; request < 20; request++) warm.push((await ask({ port })).firstByteMs)

    const bestMessageBytes = await bestMessageSize(scene, extent)

    await payAhead(scene, await openTunnel())
    const rounds: Round[] = []
    await Promise.all([consumer.call('memory'), seeder.call('memory')])
    let peaks = [0, 0]
    for (let round = 0; round < extent.rounds; round++) {
      const raw = await pipeRate(scene, 'raw', bestMessageBytes, extent)
      await Promise.all([consumer.call('memory'), seeder.call('memory')])
      const bridge = await bridgeRate(scene, extent)
      const tunnel1 = await tunnelRate(scene, counted, 1, extent)
      const free1 = await tunnelRate(scene, uncounted, 1, extent)
      const tunnel10 = await tunnelRate(scene, counted, 10, extent)
      const free10 = await tunnelRate(scene, uncounted, 10, extent)
      const now = await Promise.all([consumer.call<number>('memory'), seeder.call<number>('memory')])
      peaks = peaks.map((peak, index) => Math.max(peak, now[index]!))
      const stream = await pipeRate(scene, 'simple-peer', streamPieceBytes, extent)
      const fresh = await firstRate(scene, 'fresh')
      const freeFirst = await firstRate(scene, 'uncounted')
      rounds.push({ raw, bridge, stream, tunnel1, free1, tunnel10, free10, fresh, freeFirst })
    }

    port = await openTunnel()
    const alone = latencyOf(await latencies({ port }, extent.latencyMs))
    const bulk = await ends.call<number>('open', { port, bytes: endlessBytes })
    await pause(extent.warmUpMs)
    const before = await countOf(scene, [bulk])
    const beside = latencyOf(await latencies({ port }, extent.latencyMs))
    const after = await countOf(scene, [bulk])
    await ends.call('close', [bulk])

    return {
      ...options,
      bestMessageBytes,
      raw: spread(rounds.map(({ raw }) => raw)),
      simplePeer: spread(rounds.map(({ stream }) => stream)),
      bridge: spread(rounds.map(({ bridge }) => bridge)),
      bridgeRatio: spread(rounds.map(({ raw, bridge }) => bridge / raw)),
      ratioToBridge: ratios(rounds.map(({ bridge, tunnel1 }) => tunnel1 / bridge)),
      tunnel1: spread(rounds.map(({ tunnel1 }) => tunnel1)),
      tunnel10: spread(rounds.map(({ tunnel10 }) => tunnel10)),
      ratio1: spread(rounds.map(({ raw, tunnel1 }) => tunnel1 / raw)),
      ratio10: spread(rounds.map(({ raw, tunnel10 }) => tunnel10 / raw)),
      free1: spread(rounds.map(({ free1 }) => free1)),
      free10: spread(rounds.map(({ free10 }) => free10)),
      coins1: ratios(rounds.map(({ tunnel1, free1 }) => tunnel1 / free1)),
      coins10: ratios(rounds.map(({ tunnel10, free10 }) => tunnel10 / free10)),
      freshFirst: spread(rounds.map(({ fresh }) => fresh)),
      freeFirst: spread(rounds.map(({ freeFirst }) => freeFirst)),
      coldFirstByteMs: spread(cold),
      warmFirstByteMs: spread(warm),
      alone,
      besideBulk: beside,
      bulkBesideRequests: (after.bytes - before.bytes) / (after.at - before.at) / 1000,
      consumerPeakBytes: peaks[0]!,
      seederPeakBytes: peaks[1]!,
    }
  } finally {
    await scene.close()
  }
}
