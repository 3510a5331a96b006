import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { RateLimiter } from '../../ports/limits.js'
import type { HubMetrics } from '../../ports/metrics.js'
import type { ConcurrencyLimiter } from '../../protocol/limits/concurrency-limiter.js'
import type { ConnectionPlaces } from '../../protocol/limits/connection-places.js'

/** Who decides about connections before anything of them is kept. */
export interface ConnectionLimiter {
  /** Where the client of a request is, as far as the proxies tell. */
  addressOf(request: IncomingMessage): string
  /** Whether a connection that begins with this request may be made. Keeps its place from the call on. */
  admits(request: IncomingMessage): Promise<boolean>
  /** It was made. What this returns is called once, when it is over. */
  entered(request: IncomingMessage): () => void
  /** Who is at the other end has signed in: the connection below does not go for the sake of others. */
  keep(socket: Socket): void
}

/** What a connection limiter goes by. */
export interface ConnectionLimiterParts {
  readonly sockets: ConcurrencyLimiter
  readonly places: Pick<ConnectionPlaces<Socket>, 'use'>
  readonly addressOf: (request: IncomingMessage) => string
  /** By address. */
  readonly handshakes: Pick<RateLimiter, 'take'>
  readonly metrics: Pick<HubMetrics, 'limited'>
}

/**
 * Judges each connection, and keeps a place for it at once: requests that arrive together are judged before
 * the first of them is a connection. Once admitted a handshake needs no I/O, so that whoever has not come in when the event
 * loop turns never will, and its place is free again.
 */
export function connectionLimiter({
  sockets,
  places: below,
  addressOf,
  handshakes,
  metrics,
}: ConnectionLimiterParts): ConnectionLimiter {
  const places = new WeakMap<IncomingMessage, () => void>()
  const take = (request: IncomingMessage): (() => void) | undefined => {
    const leave = places.get(request)
    places.delete(request)
    return leave
  }
  return {
    addressOf,
    async admits(request) {
      const address = addressOf(request)
      if (sockets.isFull(address)) {
        metrics.limited('sockets')
        return false
      }
      const leave = sockets.enter(address)
      if (!(await handshakes.take(address)).allowed) {
        leave()
        metrics.limited('handshakes')
        return false
      }
      places.set(request, leave)
      setImmediate(() => take(request)?.())
      return true
    },
    keep: socket => below.use(socket, 'kept'),
    entered: request => take(request) ?? sockets.enter(addressOf(request)),
  }
}
