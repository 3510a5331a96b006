/**
 * What coins cost a tunnel: the same download with and without them, many times in turn. A single window of SCTP on loopback
 * varies by a fifth, so what counts is the median over pairs that were measured one right after the other.
 */
import { meaningful, median, quantile } from './figures.js'
import { payAhead, tunnelRate } from './measure.js'
import { openScene, type SceneOptions } from './scene.js'

export interface CoinsExtent {
  /** With and without coins, each. */
  readonly pairs: number
  readonly windowMs: number
  readonly warmUpMs: number
}

/** With coins ÷ without, of pairs of windows. */
export interface CoinsRatio {
  readonly streams: number
  readonly median: number
  /** Of each ten pairs, eight are in between. */
  readonly p10: number
  readonly p90: number
  /** 95 % of the medians that such pairs could have had are in between: order statistics, by the binomial distribution. */
  readonly low: number
  readonly high: number
  readonly counted: number
  readonly uncounted: number
}

export interface CoinsResult {
  readonly rtcName: string
  readonly roundTripMs: number
  readonly pairs: number
  readonly ratios: readonly CoinsRatio[]
}

/** The confidence interval of a median: ranks n/2 ± 0.98 √n. */
function medianRange(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b)
  const reach = 0.98 * Math.sqrt(sorted.length)
  const at = (rank: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(rank)))]!
  return [at((sorted.length - 1) / 2 - reach), at((sorted.length - 1) / 2 + reach)]
}

/** Measures in the order with, without, without, with, …, so that what drifts falls on both. */
export async function measureCoins(options: SceneOptions, extent: CoinsExtent): Promise<CoinsResult> {
  const scene = await openScene(options)
  try {
    await payAhead(scene, await scene.openTunnel())
    const ratios: CoinsRatio[] = []
    for (const streams of [1, 10]) {
      const rates = { counted: [] as number[], uncounted: [] as number[] }
      for (let pair = 0; pair < extent.pairs; pair++) {
        const turn = pair % 2 === 0 ? (['counted', 'uncounted'] as const) : (['uncounted', 'counted'] as const)
        for (const kind of turn) rates[kind].push(await tunnelRate(scene, kind, streams, extent))
      }
      const each = meaningful(rates.counted.map((rate, index) => rate / rates.uncounted[index]!))
      const [low, high] = medianRange(each)
      ratios.push({
        ...{ streams, median: median(each), p10: quantile(each, 0.1), p90: quantile(each, 0.9), low, high },
        ...{ counted: median(rates.counted), uncounted: median(rates.uncounted) },
      })
    }
    return { ...options, pairs: extent.pairs, ratios }
  } finally {
    await scene.close()
  }
}
