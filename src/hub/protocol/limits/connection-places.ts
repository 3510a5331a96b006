import type { ByOrigin } from './by-origin.js'
import { ConcurrencyLimiter } from './concurrency-limiter.js'
import { Groups } from './groups.js'

/** How many connections there may be at a time. */
export interface PlaceBounds {
  /** Of all addresses. */
  readonly total: number
  readonly perAddress: ByOrigin<number>
}

/** `idle` has asked nothing yet, or nothing more; `busy` is being answered; `kept` stays, whoever wants its place. */
export type PlaceUse = 'idle' | 'busy' | 'kept'

interface Place {
  /** What its address is counted under; undefined for a proxy, which speaks for many. */
  readonly key: string | undefined
  readonly leave: () => void
  use: PlaceUse
}

/**
 * Who has a place, and who gives it up where there are too many: one of the newcomer's own address when that has more than its
 * bound, and one of the address that has the most when all places are taken. Of an address the one that has been idle for the
 * longest time goes first. So whoever opens many connections and says nothing loses them to whoever asks something.
 */
export class ConnectionPlaces<Connection> {
  readonly #places = new Map<Connection, Place>()
  readonly #open: ConcurrencyLimiter
  /** Those that may have to go, by address, oldest first. */
  readonly #groups = new Groups<Connection>()

  /** `keyOf` says what an address is counted under. */
  constructor(
    private readonly bounds: PlaceBounds,
    private readonly keyOf: (address: string) => string,
  ) {
    this.#open = new ConcurrencyLimiter(bounds.perAddress, keyOf)
  }

  get size(): number {
    return this.#places.size
  }

  /** One more came, from this address, or from a proxy. Returns the one that has to go for it, itself perhaps. */
  enter(connection: Connection, address: string | undefined): Connection | undefined {
    if (address === undefined) this.#places.set(connection, { key: address, leave: () => undefined, use: 'kept' })
    else {
      const [key, isFull] = [this.keyOf(address), this.#open.isFull(address)]
      this.#places.set(connection, { key, leave: this.#open.enter(address), use: 'idle' })
      this.#groups.add(key, connection)
      if (isFull) return this.#leastOf(this.#groups.of(key), connection)
    }
    return this.size > this.bounds.total ? this.#leastOf(this.#groups.largest, connection) : undefined
  }

  /** What a connection is used for now. One that is kept stays so. */
  use(connection: Connection, use: PlaceUse): void {
    const place = this.#places.get(connection)
    if (place === undefined || place.use === 'kept') return
    place.use = use
    if (use === 'kept') this.#groups.remove(place.key!, connection)
  }

  /** It is over. Harmless when it had no place. */
  leave(connection: Connection): void {
    const place = this.#places.get(connection)
    if (place === undefined) return
    this.#places.delete(connection)
    place.leave()
    if (place.use !== 'kept') this.#groups.remove(place.key!, connection)
  }

  #leastOf(group: Iterable<Connection>, newcomer: Connection): Connection {
    let least = newcomer
    for (const connection of group) {
      if (connection === newcomer) continue
      if (this.#places.get(connection)!.use === 'idle') return connection
      if (least === newcomer) least = connection
    }
    return least
  }
}
