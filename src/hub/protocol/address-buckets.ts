import { type BucketRate, TokenBuckets } from './token-buckets.js'

/** A bound for the addresses of the machine itself, and one for all others. */
export interface ByOrigin<Bound> {
  readonly others: Bound
  readonly loopback: Bound
}

/** Whether this is an address of the machine itself, in any spelling. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(address) || address === '::1'
}

/**
 * One token bucket an address. Addresses of the machine itself have a rate of their own: all peers of a test, a demo, or of a
 * proxy that was not made known come from there.
 */
export class AddressBuckets {
  readonly #others: TokenBuckets
  readonly #loopback: TokenBuckets

  /** `keyOf` says what an address is counted under. */
  constructor(
    rates: ByOrigin<BucketRate>,
    private readonly keyOf: (address: string) => string,
  ) {
    this.#others = new TokenBuckets(rates.others)
    this.#loopback = new TokenBuckets(rates.loopback)
  }

  /** Takes a token; false when there is none. `nowMs` is monotonic. */
  take(address: string, nowMs: number): boolean {
    return (isLoopback(address) ? this.#loopback : this.#others).take(this.keyOf(address), nowMs)
  }
}
