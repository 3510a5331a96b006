import type { ByteSocket } from '../../src/ports.js'
import type { LighthouseError } from '../../src/protocol/errors.js'

/** Written to a socket and not yet consumed. */
const unreadOf = new WeakMap<ByteSocket, number>()

/** Makes one connection of two, as a peer's stream does: bytes, ends, demand and resets. */
export function joinSockets(
  one: ByteSocket,
  other: ByteSocket,
  explain: (reason: LighthouseError) => LighthouseError = reason => reason,
): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.event$.subscribe({
      next: event => {
        if (event.type === 'consumed') {
          unreadOf.set(from, (unreadOf.get(from) ?? 0) - event.bytes)
          if ((unreadOf.get(from) ?? 0) < 65_536) to.resume()
          return
        }
        if (event.type === 'end') return to.end()
        to.write(event.bytes)
        const unread = (unreadOf.get(to) ?? 0) + event.bytes.length
        unreadOf.set(to, unread)
        if (unread >= 65_536) from.pause()
      },
      error: (reason: LighthouseError) => to.reset(explain(reason)),
    })
  }
}
