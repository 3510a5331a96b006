import { type ByOrigin, isLoopback } from './by-origin.js'

/** Counts what is open, by address and in total. Loopback addresses have a bound of their own. */
export class ConcurrencyLimiter {
  readonly #open = new Map<string, number>()
  #size = 0

  /** `keyOf` maps an address to what it is counted under. */
  constructor(
    private readonly bounds: ByOrigin<number>,
    private readonly keyOf: (address: string) => string,
  ) {}

  /** In total. */
  get size(): number {
    return this.#size
  }

  /** Whether this address has reached its bound. */
  isFull(address: string): boolean {
    const bound = isLoopback(address) ? this.bounds.loopback : this.bounds.others
    return (this.#open.get(this.keyOf(address)) ?? 0) >= bound
  }

  /** Adds one for this address. Call the result once to remove it. */
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
