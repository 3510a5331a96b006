import { type BucketRate, TokenBuckets } from './token-buckets.js'

/** What one address may have of the signaling server. */
export interface ConnectionBounds {
  /** Connections at a time. */
  readonly sockets: number
  /** Connections made. */
  readonly handshakes: BucketRate
}

/** Why a connection is refused. */
export type ConnectionRefusal = 'handshakes' | 'sockets'

/** Whether this is an address of the machine itself, in any spelling. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(address) || address === '::1'
}

/**
 * Counts connections by address. Addresses of the machine itself have bounds of their own: all peers of a test, a demo,
 * or of a proxy that was not made known come from there.
 */
export class ConnectionGate {
  readonly #open = new Map<string, number>()
  readonly #handshakes: TokenBuckets
  readonly #loopbackHandshakes: TokenBuckets
  #total = 0

  /** `keyOf` says what an address is counted under. */
  constructor(
    private readonly bounds: { readonly others: ConnectionBounds; readonly loopback: ConnectionBounds },
    private readonly keyOf: (address: string) => string,
  ) {
    this.#handshakes = new TokenBuckets(bounds.others.handshakes)
    this.#loopbackHandshakes = new TokenBuckets(bounds.loopback.handshakes)
  }

  /** Connections that are open now. */
  get size(): number {
    return this.#total
  }

  /** Why this address may not connect now; undefined when it may. `nowMs` is monotonic. */
  refusal(address: string, nowMs: number): ConnectionRefusal | undefined {
    const local = isLoopback(address)
    const key = this.keyOf(address)
    const { sockets } = local ? this.bounds.loopback : this.bounds.others
    if ((this.#open.get(key) ?? 0) >= sockets) return 'sockets'
    return (local ? this.#loopbackHandshakes : this.#handshakes).take(key, nowMs) ? undefined : 'handshakes'
  }

  /** A connection of this address was made. Call what it returns once, when that is over. */
  enter(address: string): () => void {
    const key = this.keyOf(address)
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1)
    this.#total += 1
    return () => {
      const left = (this.#open.get(key) ?? 0) - 1
      if (left > 0) this.#open.set(key, left)
      else this.#open.delete(key)
      this.#total -= 1
    }
  }
}
