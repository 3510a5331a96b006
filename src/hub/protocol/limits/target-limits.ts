import { type BucketRate, TokenBuckets } from '../token-buckets.js'

/** Offers of one key to one target that are its due: a click and what may go wrong with it. */
const due: BucketRate = { burst: 6, perSecond: 0.1 }

/**
 * A limit on the offers that one key gets, from all others. Each of them has a few that are its due; for more than that there is the
 * upper half of what the target takes. So those who flood somebody use up what is theirs, and others find the rest.
 */
export class TargetLimits {
  readonly #due = new TokenBuckets(due)
  readonly #targets: TokenBuckets

  constructor(private readonly rate: BucketRate) {
    this.#targets = new TokenBuckets(rate)
  }

  /** Takes a token for an offer; false when there is none for that key. `nowMs` is monotonic. */
  take(from: string, to: string, nowMs: number): boolean {
    const reserved = this.#due.take(`${from} ${to}`, nowMs) ? 0 : this.rate.burst / 2
    return this.#targets.take(to, nowMs, reserved)
  }
}
