import type { IncomingMessage, Server as HttpServer } from 'node:http'
import { fromEvent, map, Observable, take, takeUntil } from 'rxjs'
import { Server, type Socket } from 'socket.io'
import type { ReceiptAck } from '../../protocol/receipt.js'
import type { SignalAck } from '../../protocol/signal.js'
import { maxSignalBytes } from '../../protocol/signal.js'
import type { HubSocket } from '../ports.js'
import { jsonBytes } from '../protocol/relay.js'

/** Twice the largest signal: room for the packet around it and for characters that JSON escapes. */
const maxPacketBytes = 2 * maxSignalBytes

/** A receipt has about 400 bytes. What is larger is handed on without its content, as `undefined`. */
const maxReceiptBytes = 1_024

/** What may wait for a socket whose other side reads slowly. Sixteen of the largest signals. */
const maxBacklogBytes = 1_048_576

/** A vanished peer is noticed after the two together, so that others are told `offline` and not left waiting. */
const pingIntervalMs = 10_000
const pingTimeoutMs = 10_000

/** For a connection that never says who it is; the login itself has a limit of its own. */
const connectTimeoutMs = 10_000

function backlogBytes({ conn }: Socket): number {
  const { writeBuffer } = conn as unknown as { readonly writeBuffer: readonly { readonly data?: unknown }[] }
  return writeBuffer.reduce((sum, { data }) => sum + (typeof data === 'string' ? data.length : 0), 0)
}

/** An event's content and the way to answer it. A peer that wants no answer sends none; the function is always last. */
function toIncoming<Ack extends SignalAck | ReceiptAck>(
  args: readonly unknown[],
): { readonly message: unknown; acknowledge(ack: Ack): void } {
  const last = args.at(-1)
  return { message: args[0], acknowledge: ack => void (typeof last === 'function' && last(ack)) }
}

function toHubSocket(socket: Socket): HubSocket {
  // A client can emit an event named "error", and an EventEmitter without a listener for that throws.
  socket.on('error', () => socket.disconnect(true))
  const closed$ = fromEvent(socket, 'disconnect').pipe(
    take(1),
    map(() => undefined),
  )
  return {
    auth: socket.handshake.auth,
    signal$: fromEvent(socket, 'signal', (...args: unknown[]) => toIncoming<SignalAck>(args)),
    receipt$: fromEvent(socket, 'receipt', (...args: unknown[]) => toIncoming<ReceiptAck>(args)).pipe(
      map(incoming => (jsonBytes(incoming.message) > maxReceiptBytes ? { ...incoming, message: undefined } : incoming)),
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
      if (backlogBytes(socket) > maxBacklogBytes) return false
      socket.emit(event, body)
      return true
    },
    close: () => void socket.disconnect(true),
  }
}

/** Who decides about connections before anything of them is kept. */
export interface Doorkeeper {
  /** Whether a connection that begins with this request may be made. */
  admits(request: IncomingMessage): boolean
  /** It was made. What this returns is called once, when it is over. */
  entered(request: IncomingMessage): () => void
}

/**
 * The signaling server on an HTTP server: emits each connection. Other origins' pages get no CORS headers. Unsubscribing
 * ends every connection; the HTTP server stays its owner's.
 */
export function socketIoServer$(server: HttpServer, door: Doorkeeper): Observable<HubSocket> {
  return new Observable(subscriber => {
    const io = new Server({
      serveClient: false,
      maxHttpBufferSize: maxPacketBytes,
      pingInterval: pingIntervalMs,
      pingTimeout: pingTimeoutMs,
      connectTimeout: connectTimeoutMs,
      allowRequest: (request, decide) => decide('too many connections from this address', door.admits(request)),
    })
    io.attach(server)
    io.engine.on('connection', (raw: Socket['conn']) => void raw.once('close', door.entered(raw.request)))
    io.on('connection', socket => subscriber.next(toHubSocket(socket)))
    return () => {
      io.disconnectSockets(true)
      // Settles once the HTTP server is closed too; it has no failure of its own.
      void io.close()
    }
  })
}
