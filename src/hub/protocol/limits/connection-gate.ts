import { ConcurrencyLimiter } from './concurrency-limiter.js'
import { type ByOrigin, isLoopback } from './by-origin.js'

/** Counts connections by address. Addresses of the machine itself have a bound of their own. */
export class ConnectionGate {
  readonly #open = new ConcurrencyLimiter()

  /** `keyOf` says what an address is counted under. */
  constructor(
    private readonly bounds: ByOrigin<number>,
    private readonly keyOf: (address: string) => string,
  ) {}

  /** Connections that are open now. */
  get size(): number {
    return this.#open.size
  }

  /** Whether this address has all the connections that it may have. */
  isFull(address: string): boolean {
    const bound = isLoopback(address) ? this.bounds.loopback : this.bounds.others
    return this.#open.of(this.keyOf(address)) >= bound
  }

  /** A connection of this address was made. Call what it returns once, when that is over. */
  enter(address: string): () => void {
    return this.#open.enter(this.keyOf(address))
  }
}
