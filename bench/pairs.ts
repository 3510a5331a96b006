/**
 * What one thing costs a tunnel: the same download with and without it, many times in turn. A single window of SCTP on loopback
 * varies by a fifth, so what counts is the median over pairs that were measured one right after the other.
 */
import { meaningful, median, quantile } from './figures.js'
import { besideBulk, type Latency, latencyOf, payAhead, tunnelRate, type Way } from './measure.js'
import { openScene, type Scene, type SceneOptions } from './scene.js'

export interface PairsExtent {
  /** With and without it, each. */
  readonly pairs: number
  readonly windowMs: number
  readonly warmUpMs: number
}

/** What is compared: coins by the same tunnel without them, and HTTP by the same bytes, which the tunnel carries as they are. */
export type Cost = 'coins' | 'HTTP'

const ways: Readonly<Record<Cost, { readonly with: Way; readonly without: Way }>> = {
  coins: { with: { kind: 'counted', http: false }, without: { kind: 'uncounted', http: false } },
  HTTP: { with: { kind: 'counted', http: true }, without: { kind: 'counted', http: false } },
}

/** With ÷ without, of pairs of windows. */
export interface PairsRatio {
  readonly streams: number
  readonly median: number
  /** Of each ten pairs, eight are in between. */
  readonly p10: number
  readonly p90: number
  /** 95 % of the medians that such pairs could have had are in between: order statistics, by the binomial distribution. */
  readonly low: number
  readonly high: number
  /** MB/s, medians. */
  readonly with: number
  readonly without: number
}

export interface PairsResult {
  readonly cost: Cost
  readonly rtcName: string
  readonly roundTripMs: number
  readonly pairs: number
  readonly ratios: readonly PairsRatio[]
  /** 1 KB requests beside a download, each way: of all windows together. */
  readonly besideBulk: { readonly with: Latency; readonly without: Latency }
}

/** The confidence interval of a median: ranks n/2 ± 0.98 √n. */
function medianRange(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b)
  const reach = 0.98 * Math.sqrt(sorted.length)
  const at = (rank: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(rank)))]!
  return [at((sorted.length - 1) / 2 - reach), at((sorted.length - 1) / 2 + reach)]
}

interface Both<Value> {
  readonly with: Value[]
  readonly without: Value[]
}

/** In the order with, without, without, with, …, so that what drifts falls on both. */
async function inTurn<Value>(
  pairs: number,
  measure: (side: keyof Both<Value>) => Promise<Value>,
): Promise<Both<Value>> {
  const values: Both<Value> = { with: [], without: [] }
  for (let pair = 0; pair < pairs; pair++) {
    const turn = pair % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const)
    for (const side of turn) values[side].push(await measure(side))
  }
  return values
}

async function ratioOf(scene: Scene, cost: Cost, streams: number, extent: PairsExtent): Promise<PairsRatio> {
  const rates = await inTurn(extent.pairs, side => tunnelRate(scene, ways[cost][side], streams, extent))
  const each = meaningful(rates.with.map((rate, index) => rate / rates.without[index]!))
  const [low, high] = medianRange(each)
  return {
    ...{ streams, median: median(each), p10: quantile(each, 0.1), p90: quantile(each, 0.9), low, high },
    ...{ with: median(rates.with), without: median(rates.without) },
  }
}

export async function measurePairs(cost: Cost, options: SceneOptions, extent: PairsExtent): Promise<PairsResult> {
  const scene = await openScene(options)
  try {
    await payAhead(scene, await scene.openTunnel())
    const ratios: PairsRatio[] = []
    for (const streams of [1, 10]) ratios.push(await ratioOf(scene, cost, streams, extent))
    const waits = await inTurn(extent.pairs, side => besideBulk(scene, ways[cost][side], extent))
    const beside = { with: latencyOf(waits.with.flat()), without: latencyOf(waits.without.flat()) }
    return { ...options, cost, pairs: extent.pairs, ratios, besideBulk: beside }
  } finally {
    await scene.close()
  }
}
