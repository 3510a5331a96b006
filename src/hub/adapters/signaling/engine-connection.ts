import type { Socket } from 'node:net'
import type { Socket as IoSocket } from 'socket.io'

/** A connection underneath a socket of socket.io: a WebSocket, or the requests of long polling. */
export type EngineConnection = IoSocket['conn']

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

/** The WebSocket of `ws`, with the TCP connection below it; undefined for long polling, which has none of its own. */
function webSocketOf(connection: EngineConnection): { terminate(): void; readonly _socket?: Socket } | undefined {
  return (connection.transport as unknown as { readonly socket?: ReturnType<typeof webSocketOf> }).socket
}

/** The TCP connection that is this connection's alone, if there is one. */
export function tcpSocketOf(connection: EngineConnection): Socket | undefined {
  return webSocketOf(connection)?._socket
}

/** Ends a connection now, whoever reads or not: no handshake of closing, and what waits is let go of. */
export function dropConnection(connection: EngineConnection): void {
  const socket = webSocketOf(connection)
  if (socket === undefined) connection.close(true)
  else socket.terminate()
}

/**
 * Packets in one body of long polling, which are worked on at once: some 15 ms. Signals have a burst of 500 by default, so an honest
 * client has fewer.
 */
const maxPackets = 512

/** Between packets of one body. */
const separator = '\u001e'

/** Drops a connection of long polling that sends too many packets at once. */
export function boundPackets(connection: EngineConnection): void {
  const transport = connection.transport as unknown as { onData(body: string | Buffer): void; readonly name: string }
  if (transport.name !== 'polling') return
  const take = transport.onData.bind(transport)
  transport.onData = body => {
    let packets = 1
    for (let at = -1; packets <= maxPackets && (at = body.indexOf(separator, at + 1)) !== -1;) packets += 1
    if (packets > maxPackets) dropConnection(connection)
    else take(body)
  }
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
