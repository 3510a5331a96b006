import type { Socket } from 'socket.io'

/** A connection underneath a socket of socket.io: a WebSocket, or the requests of long polling. */
export type EngineConnection = Socket['conn']

/** What a packet that waits costs beside its text. Measured: 200 to 300 bytes of objects. */
const packetOverheadBytes = 256

/**
 * What may wait for a side that does not read, answers of every kind included. Twice what `send` stops at, so that a slow
 * reader is told `rate-limited` long before it is cut off.
 */
export const cutOffBytes = 2_097_152

interface Packet {
  readonly data?: unknown
}

function sizeOf({ data }: Packet): number {
  return packetOverheadBytes + (typeof data === 'string' ? data.length : 0)
}

/** Ends a connection now, whoever reads or not: no handshake of closing, and what waits is let go of. */
export function dropConnection(connection: EngineConnection): void {
  const { socket } = connection.transport as unknown as { readonly socket?: { terminate(): void } }
  if (socket === undefined) connection.close(true)
  else socket.terminate()
}

/**
 * Counts what waits for the other side, in the library and below it, and drops the connection when that passes
 * `cutOffBytes`. Returns the way to ask.
 */
export function watchBacklog(connection: EngineConnection): () => number {
  let [waiting, handedOver, dropped] = [0, 0, false]
  const backlog = (): number => waiting + (connection.transport.writable ? 0 : handedOver)
  connection.on('packetCreate', (packet: Packet) => {
    waiting += sizeOf(packet)
    if (dropped || backlog() <= cutOffBytes) return
    dropped = true
    // Not from inside of the call that sends.
    queueMicrotask(() => dropConnection(connection))
  })
  // All that waits goes to the transport at once, and only when that has got rid of what it had before.
  connection.on('flush', () => {
    ;[waiting, handedOver] = [0, waiting]
  })
  return backlog
}
