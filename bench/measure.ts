/** The measurements of one configuration. Rates are in MB/s of payload, times in milliseconds. */
import { setTimeout as pause } from 'node:timers/promises'
import { quantile, type Spread, spread } from './figures.js'
import type { PipeKind } from './peer.child.js'
import { ask, latencies } from './probe.js'
import { openScene, type Scene, type SceneOptions } from './scene.js'

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
  readonly tunnel1: Spread
  readonly tunnel10: Spread
  readonly ratio1: Spread
  readonly ratio10: Spread
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

async function windowRate(count: () => Promise<Count>, extent: Extent): Promise<number> {
  await pause(extent.warmUpMs)
  const before = await count()
  await pause(extent.windowMs)
  const after = await count()
  return (after.bytes - before.bytes) / (after.at - before.at) / 1000
}

/**
 * On a connection of its own, as every measurement here: SCTP that was idle, or has lost a packet, takes minutes to be as
 * fast again on a long path, and what came before would be measured.
 */
async function pipeRate(scene: Scene, kind: PipeKind, messageBytes: number, extent: Extent): Promise<number> {
  const { consumer, seeder, openPipe, closePipe } = scene
  const count = (): Promise<Count> => consumer.call<Count>('received', kind)
  await openPipe(kind)
  await seeder.call('push', { kind, messageBytes })
  const rate = await windowRate(count, extent)
  const sent = await seeder.call<number>('stop', kind)
  // The next measurement must not begin beside what is still under way; and nothing may be lost.
  const start = performance.now()
  while ((await count()).bytes < sent) {
    if (performance.now() - start > lostAfterMs) throw new Error(`${kind}: of ${sent} bytes some never came`)
    await pause(10)
  }
  await closePipe(kind)
  return rate
}

/** A new connection, and its tunnel's port. */
async function openTunnel({ consumer, restartConsumer }: Scene): Promise<number> {
  await restartConsumer()
  return consumer.call<number>('connect', 'bob')
}

async function tunnelRate(scene: Scene, streams: number, extent: Extent): Promise<number> {
  const { ends } = scene
  const port = await openTunnel(scene)
  const ids: number[] = []
  for (let index = 0; index < streams; index++) {
    ids.push(await ends.call<number>('open', { port, bytes: endlessBytes }))
  }
  const count = async (): Promise<Count> => {
    const { each, at } = await ends.call<{ each: number[]; at: number }>('received', ids)
    return { bytes: each.reduce((sum, bytes) => sum + bytes, 0), at }
  }
  const rate = await windowRate(count, extent)
  await ends.call('close', ids)
  return rate
}

function latencyOf(milliseconds: readonly number[]): Latency {
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

/** Runs everything for one WebRTC implementation over one path; what is compared is measured in turns. */
export async function measure(options: SceneOptions, extent: Extent): Promise<Result> {
  const scene = await openScene(options)
  const { consumer, seeder, ends, restartConsumer } = scene
  try {
    const cold: number[] = []
    let port = 0
    for (let start = 0; start < extent.coldStarts; start++) {
      await restartConsumer()
      const since = performance.now()
      port = await consumer.call<number>('connect', 'bob')
      cold.push((await ask(port, since)).firstByteMs)
    }
    const warm: number[] = []
    for (let request = 0; request < 20; request++) warm.push((await ask(port)).firstByteMs)

    const bestMessageBytes = await bestMessageSize(scene, extent)

    const rounds: { raw: number; stream: number; tunnel1: number; tunnel10: number }[] = []
    await Promise.all([consumer.call('memory'), seeder.call('memory')])
    let peaks = [0, 0]
    for (let round = 0; round < extent.rounds; round++) {
      const raw = await pipeRate(scene, 'raw', bestMessageBytes, extent)
      await Promise.all([consumer.call('memory'), seeder.call('memory')])
      const tunnel1 = await tunnelRate(scene, 1, extent)
      const tunnel10 = await tunnelRate(scene, 10, extent)
      const now = await Promise.all([consumer.call<number>('memory'), seeder.call<number>('memory')])
      peaks = peaks.map((peak, index) => Math.max(peak, now[index]!))
      const stream = await pipeRate(scene, 'simple-peer', streamPieceBytes, extent)
      rounds.push({ raw, stream, tunnel1, tunnel10 })
    }

    port = await openTunnel(scene)
    const alone = latencyOf(await latencies(port, extent.latencyMs))
    const bulk = await ends.call<number>('open', { port, bytes: endlessBytes })
    await pause(extent.warmUpMs)
    const count = (): Promise<{ each: number[]; at: number }> => ends.call('received', [bulk])
    const before = await count()
    const besideBulk = latencyOf(await latencies(port, extent.latencyMs))
    const after = await count()
    await ends.call('close', [bulk])

    return {
      ...options,
      bestMessageBytes,
      raw: spread(rounds.map(({ raw }) => raw)),
      simplePeer: spread(rounds.map(({ stream }) => stream)),
      tunnel1: spread(rounds.map(({ tunnel1 }) => tunnel1)),
      tunnel10: spread(rounds.map(({ tunnel10 }) => tunnel10)),
      ratio1: spread(rounds.map(({ raw, tunnel1 }) => tunnel1 / raw)),
      ratio10: spread(rounds.map(({ raw, tunnel10 }) => tunnel10 / raw)),
      coldFirstByteMs: spread(cold),
      warmFirstByteMs: spread(warm),
      alone,
      besideBulk,
      bulkBesideRequests: (after.each[0]! - before.each[0]!) / (after.at - before.at) / 1000,
      consumerPeakBytes: peaks[0]!,
      seederPeakBytes: peaks[1]!,
    }
  } finally {
    await scene.close()
  }
}
