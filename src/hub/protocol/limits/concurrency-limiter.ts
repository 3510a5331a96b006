import { type ByOrigin, isLoopback } from './by-origin.js'

/** Counts what is open, by address and in all. Addresses of the machine itself have a bound of their own. */
export class ConcurrencyLimiter {
  readonly #open = new Map<string, number>()
  #size = 0

  /** `keyOf` says what an address is counted under. */
  constructor(
    private readonly bounds: ByOrigin<number>,
    private readonly keyOf: (address: string) => string,
  ) {}

  /** In all. */
  get size(): number {
    return this.#size
  }

  /** Whether this address has all that it may have. */
  isFull(address: string): boolean {
    const bound = isLoopback(address) ? this.bounds.loopback : this.bounds.others
    return (this.#open.get(this.keyOf(address)) ?? 0) >= bound
  }

  /** One more of this address is open. Call what it returns once, when that is over. */
  enter(address: string): () => void {
    const key = this.keyOf(address)
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1)
    this.#size += 1
    return () => {
      const left = (this.#open.get(key) ?? 0) - 1
      if (left > 0) this.#open.set(key, left)
      else this.#open.delete(key)
      this.#size -= 1
    }
  }
}
