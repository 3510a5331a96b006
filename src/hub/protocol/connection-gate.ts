import { AddressBuckets, type ByOrigin, isLoopback } from './address-buckets.js'
import { OpenPlaces } from './open-places.js'
import type { BucketRate } from './token-buckets.js'

/** What one address may have of the signaling server. */
export interface ConnectionBounds {
  /** Connections at a time. */
  readonly sockets: number
  /** Connections made. */
  readonly handshakes: BucketRate
}

/** Why a connection is refused. */
export type ConnectionRefusal = 'handshakes' | 'sockets'

/** Counts connections by address. Addresses of the machine itself have bounds of their own. */
export class ConnectionGate {
  readonly #open = new OpenPlaces()
  readonly #handshakes: AddressBuckets

  /** `keyOf` says what an address is counted under. */
  constructor(
    private readonly bounds: ByOrigin<ConnectionBounds>,
    private readonly keyOf: (address: string) => string,
  ) {
    const { others, loopback } = bounds
    this.#handshakes = new AddressBuckets({ others: others.handshakes, loopback: loopback.handshakes }, keyOf)
  }

  /** Connections that are open now. */
  get size(): number {
    return this.#open.size
  }

  /** Why this address may not connect now; undefined when it may. `nowMs` is monotonic. */
  refusal(address: string, nowMs: number): ConnectionRefusal | undefined {
    const { sockets } = isLoopback(address) ? this.bounds.loopback : this.bounds.others
    if (this.#open.of(this.keyOf(address)) >= sockets) return 'sockets'
    return this.#handshakes.take(address, nowMs) ? undefined : 'handshakes'
  }

  /** A connection of this address was made. Call what it returns once, when that is over. */
  enter(address: string): () => void {
    return this.#open.enter(this.keyOf(address))
  }
}
