import { setBounded } from '../../protocol/bounded-map.js'

/** How often something may be done by one key. */
export interface BucketRate {
  /** At once, after a rest. */
  readonly burst: number
  /** For long. */
  readonly perSecond: number
}

interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

/** Keys remembered at most; beyond that the one that rested longest is forgotten. By then it is full again, or nearly. */
const maxKeys = 10_000

function refilled(bucket: Bucket | undefined, rate: BucketRate, nowMs: number): Bucket {
  if (bucket === undefined) return { tokens: rate.burst, atMs: nowMs }
  const earned = (Math.max(0, nowMs - bucket.atMs) / 1000) * rate.perSecond
  return { tokens: Math.min(rate.burst, bucket.tokens + earned), atMs: nowMs }
}

/** One token bucket a key. It belongs to the key, so that connecting again gains nothing. */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>()

  constructor(private readonly rate: BucketRate) {}

  /** Takes a token; false when there is none, or none beyond those that are `reserved`. `nowMs` is monotonic. */
  take(key: string, nowMs: number, reserved = 0): boolean {
    const { tokens } = refilled(this.#buckets.get(key), this.rate, nowMs)
    const allowed = tokens >= reserved + 1
    setBounded(this.#buckets, key, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs }, maxKeys)
    return allowed
  }
}
