/** What of a WebSocket of `ws` answers pings. */
export interface PingedSocket {
  on(event: 'ping', listener: (data: Uint8Array) => void): unknown
  pong(data: Uint8Array, mask: boolean, sent: (error?: Error | null) => void): void
}

/** What of a WebSocket server of `ws` makes the sockets. */
interface Upgrader<Socket extends PingedSocket> {
  readonly options: { autoPong?: boolean; allowSynchronousEvents?: boolean }
  handleUpgrade(request: unknown, socket: unknown, head: unknown, made: (socket: Socket) => void): void
}

/**
 * Answers pings, of which the newest alone counts while an answer is still on its way, as RFC 6455, 5.5.3 allows: who
 * pings and does not read has one answer waiting, and not all of them.
 */
export function answerPings(socket: PingedSocket): void {
  let isSending = false
  let newest: Uint8Array | undefined
  const pong = (data: Uint8Array): void => {
    isSending = true
    socket.pong(data, false, error => {
      isSending = false
      const next = newest
      newest = undefined
      if (next !== undefined && !error) pong(next)
    })
  }
  socket.on('ping', data => {
    if (isSending) newest = data
    else pong(data)
  })
}

/**
 * Makes a server fair to its sockets, also to those that it upgrades from polling: it answers pings this way, and takes one message of
 * each in a turn of the event loop, where a packet of 64 KiB may hold three thousand.
 */
export function takeTurns<Socket extends PingedSocket>(server: Upgrader<Socket>): void {
  const upgrade = server.handleUpgrade.bind(server)
  server.options.autoPong = false
  server.options.allowSynchronousEvents = false
  server.handleUpgrade = (request, socket, head, made) =>
    upgrade(request, socket, head, websocket => {
      answerPings(websocket)
      made(websocket)
    })
}
