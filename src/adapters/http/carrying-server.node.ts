import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { filter } from 'rxjs'
import { hasLeft$ } from '../tcp/local-user.node.js'
import { inTurn } from './in-turn.node.js'

type UpgradeListener = (req: IncomingMessage, socket: Socket, head: Buffer) => void

/** After the client's end: whether it waits for its answer, or has gone and with it what it wished for. */
function dropIfLeft(socket: Socket): void {
  // Nothing was under way, and Node has ended it.
  if (socket.writableEnded) return
  hasLeft$(socket)
    .pipe(filter(left => left))
    .subscribe(() => socket.destroy())
}

/**
 * Node's HTTP server, not listening yet, as it has to be for requests that are carried on: uploads may last, an answer may come
 * before the body and after the client's end, the other side says whether a body is wanted, and requests of a connection are
 * answered in turn. `closeAll` closes every connection, upgraded ones too.
 */
export function carryingServer(
  app: RequestListener,
  onUpgrade: UpgradeListener,
): { readonly server: Server; readonly closeAll: () => void } {
  const upgraded = new Set<Socket>()
  const listener = inTurn(app)
  const server = createServer({ requireHostHeader: false }, listener)
  // Uploads may take longer than Node's five minutes; the time for headers stays limited.
  server.requestTimeout = 0
  server.on('checkContinue', listener)
  // Node's types leave this out.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('connection', (socket: Socket) => socket.once('end', () => dropIfLeft(socket)))
  server.on('upgrade', (req, socket: Socket, head) => {
    // Node forgets a socket that it hands over.
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    onUpgrade(req, socket, head)
  })
  return {
    server,
    closeAll() {
      for (const socket of upgraded) socket.destroy()
      server.closeAllConnections()
    },
  }
}
