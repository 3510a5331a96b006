import { type ServerOptions, WebSocketServer } from 'ws'

/**
 * Takes one message of each socket in a turn of the event loop, where a packet of 64 KiB may hold three thousand. From
 * version 8.22 on, unlike the one that engine.io brings, `ws` drops a client that goes on pinging and does not read the pongs.
 */
export class FairWebSocketServer extends WebSocketServer {
  constructor(options: ServerOptions) {
    super({ ...options, allowSynchronousEvents: false })
  }
}
