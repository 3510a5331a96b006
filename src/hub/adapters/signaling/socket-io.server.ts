import type { Server as HttpServer } from 'node:http'
import { fromEvent, map, Observable, take, takeUntil } from 'rxjs'
import { Server, type Socket } from 'socket.io'
import type { ReceiptAck } from '../../../protocol/coins/receipt.js'
import type { SignalAck } from '../../../protocol/signaling/signal.js'
import { maxSignalBytes } from '../../../protocol/signaling/signal.js'
import type { HubSocket } from '../../ports/socket.js'
import type { ConnectionLimiter } from '../limits/connection-limiter.js'
import { boundPackets, dropConnection, type EngineConnection, tcpSocketOf, watchBacklog } from './engine-connection.js'
import { FairWebSocketServer } from './fair-websocket-server.js'

/** Twice the largest signal: room for the packet around it and for characters that JSON escapes. */
const maxPacketBytes = 2 * maxSignalBytes

/** What may wait for a socket whose other side reads slowly. Sixteen of the largest signals. */
const maxBacklogBytes = 1_048_576

/** A vanished peer is noticed after the two together, so that others are told `offline` and not left waiting. */
const pingIntervalMs = 10_000
const pingTimeoutMs = 10_000

/** For a connection that never asks for a socket; the login itself has a limit of its own. */
const connectTimeoutMs = 10_000

/** For the other side to take the last words and go. A round trip takes less, also one of long polling. */
const closingTimeoutMs = 1_000

/** An event's content and the way to answer it. A peer that wants no answer sends none; the function is always last. */
function toIncoming<Ack extends SignalAck | ReceiptAck>(
  args: readonly unknown[],
): { readonly message: unknown; acknowledge(ack: Ack): void } {
  const last = args.at(-1)
  return { message: args[0], acknowledge: ack => void (typeof last === 'function' && last(ack)) }
}

/** Ends a connection after what was sent: soon, also where nobody reads it. */
function endConnection(socket: Socket): void {
  const { conn } = socket
  if (conn.readyState === 'closed') return
  const timer = setTimeout(() => dropConnection(conn), closingTimeoutMs)
  conn.once('close', () => clearTimeout(timer))
  socket.disconnect(true)
  // Where the socket was over before, the line above does nothing.
  conn.close()
}

function toHubSocket(socket: Socket, { address, backlog }: Watched, limiter: ConnectionLimiter): HubSocket {
  // A client can emit an event named "error", and an EventEmitter without a listener for that throws.
  socket.on('error', () => endConnection(socket))
  // A client can leave its namespace and stay connected underneath.
  socket.once('disconnect', () => endConnection(socket))
  const closed$ = fromEvent(socket, 'disconnect').pipe(
    take(1),
    map(() => undefined),
  )
  return {
    auth: socket.handshake.auth,
    address,
    signal$: fromEvent(socket, 'signal', (...args: unknown[]) => toIncoming<SignalAck>(args)),
    receipt$: fromEvent(socket, 'receipt', (...args: unknown[]) => toIncoming<ReceiptAck>(args)).pipe(
      takeUntil(closed$),
    ),
    closed$,
    challenge$: body =>
      new Observable(subscriber => {
        socket.emit('challenge', body, (answer: unknown) => {
          subscriber.next(answer)
          subscriber.complete()
        })
      }),
    send(event, body) {
      if (backlog() > maxBacklogBytes) return false
      socket.emit(event, body)
      return true
    },
    keep() {
      const tcp = tcpSocketOf(socket.conn)
      if (tcp !== undefined) limiter.keep(tcp)
    },
    close: () => endConnection(socket),
  }
}

/** What is known of a connection beside its socket. */
interface Watched {
  /** Of its client, when it was made. */
  readonly address: string
  /** Bytes that wait for the other side. */
  readonly backlog: () => number
  /** True for its first socket, false for all others. */
  readonly join: () => boolean
}

/** Bounds the time until a connection has a socket, and what waits for it. */
function watchConnection(connection: EngineConnection, address: string): Watched {
  boundPackets(connection)
  const timer = setTimeout(() => dropConnection(connection), connectTimeoutMs)
  connection.once('close', () => clearTimeout(timer))
  let hasSocket = false
  return {
    address,
    backlog: watchBacklog(connection),
    join() {
      if (hasSocket) return false
      hasSocket = true
      clearTimeout(timer)
      return true
    },
  }
}

/**
 * The signaling server on an HTTP server: emits each connection. Other origins' pages get no CORS headers. A connection
 * has one socket, and both end together. What waits for a side that does not read is at most 2 MiB; then it is cut off.
 * Unsubscribing ends every connection; the HTTP server stays its owner's.
 */
export function socketIoServer$(server: HttpServer, limiter: ConnectionLimiter): Observable<HubSocket> {
  return new Observable(subscriber => {
    const io = new Server({
      serveClient: false,
      maxHttpBufferSize: maxPacketBytes,
      pingInterval: pingIntervalMs,
      pingTimeout: pingTimeoutMs,
      wsEngine: FairWebSocketServer,
      allowRequest: (request, decide) => {
        void limiter.admits(request).then(admitted => decide('too many connections from this address', admitted))
      },
    })
    io.attach(server)
    const watched = new WeakMap<EngineConnection, Watched>()
    io.engine.on('connection', (connection: EngineConnection) => {
      connection.once('close', limiter.entered(connection.request))
      watched.set(connection, watchConnection(connection, limiter.addressOf(connection.request)))
    })
    // Limits count connections, so a connection has one socket: another one, at once or after it, is the end of both.
    io.use(({ conn }, next) => {
      if (watched.get(conn)?.join() === true) next()
      else dropConnection(conn)
    })
    io.on('connection', socket => {
      subscriber.next(toHubSocket(socket, watched.get(socket.conn)!, limiter))
    })
    return () => {
      io.disconnectSockets(true)
      // Settles once the HTTP server is closed too; it has no failure of its own.
      void io.close()
    }
  })
}
