import { createServer, type Socket } from 'node:net'
import { Observable, type Subscriber } from 'rxjs'
import type { ByteSocket, SocketEvent, TcpListenEvent, TcpPort } from '../../ports.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { enqueue } from '../../protocol/mux/schedule.js'
import { listenError } from './listen-error.js'
import { followLocalPort, localUser$, markOwn } from './local-user.node.js'
import { PatientSocket } from './patient-socket.node.js'

/**
 * Connections of one listener at a time; one more is closed as it is accepted. Twice what a peer's connection has streams, so
 * that as many can wait, unread, as are served.
 */
const maxConnections = 512

const nothing = new Uint8Array(0)

/** Read at once from a dialled connection, into memory that all of them share: a paused one holds nothing. */
const readBuffer = new Uint8Array(65_536)

/**
 * One TCP connection as a ByteSocket. Half-open sockets are kept, since streams half-close.
 *
 * What is written behind other bytes waits here, tiny pieces joined: the system's queue of writes would take a few hundred
 * bytes for each, and the other side chooses their size.
 */
function byteSocket(socket: Socket): ByteSocket {
  let subscriber: Subscriber<SocketEvent> | undefined
  let behind: readonly Uint8Array[] = []
  let ending = false
  let paused = false
  let ended = false
  let endReported = false
  let failure: LighthouseError | undefined

  /** Why a dialled program reads no more, though what it sent before is still being read. */
  const refusal = (): Error | undefined => (socket instanceof PatientSocket ? socket.writeFailure : undefined)
  const reset = (): void => {
    if (socket.destroyed) return
    // A shutdown under way cannot be reset: libuv refuses with EINVAL and the handle would leak. All was written by then.
    const shuttingDown = socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished
    if (socket.connecting || shuttingDown) socket.destroy()
    else socket.resetAndDestroy()
  }
  const send = (bytes: Uint8Array): void => {
    const { length } = bytes
    socket.write(bytes, error => {
      if (error || refusal()) return
      subscriber?.next({ type: 'consumed', bytes: length })
      flush()
    })
  }
  /** One after the other, so that each is reported as it is consumed. */
  const flush = (): void => {
    while (behind.length > 0 && socket.writableLength === 0) {
      const [first, ...rest] = behind
      behind = rest
      send(first!)
    }
    if (ending && behind.length === 0) socket.end()
  }
  /** Once somebody listens and it is not paused: Node reports the end of a connection without data in either case. */
  const reportEnd = (): void => {
    if (!ended || endReported || paused || subscriber === undefined) return
    endReported = true
    const report = (): void => {
      if (refusal() !== undefined) socket.destroy(refusal())
      else if (failure === undefined) subscriber?.next({ type: 'end' })
    }
    // A reset that arrives together with data is reported as an end (libuv sees both in one poll and reads no further).
    // Writing finds out: an empty write, or the one under way, whose failure is known within this turn.
    if (socket.writableEnded) report()
    else if (socket.writableLength > 0) setImmediate(report)
    else socket.write(nothing, error => !error && report())
  }
  socket.on('end', () => {
    ended = true
    reportEnd()
  })
  socket.on('error', error => {
    failure = toLighthouseError('stream-reset', error, 'local connection')
  })
  socket.on('close', () => {
    if (failure === undefined && (!ended || !socket.writableFinished)) {
      failure = new LighthouseError('stream-reset', 'local connection closed early')
    }
    if (failure === undefined) subscriber?.complete()
    else subscriber?.error(failure)
  })
  const event$ = new Observable<SocketEvent>(current => {
    if (socket.closed) {
      current.error(failure ?? new LighthouseError('stream-reset', 'local connection closed early'))
      return
    }
    subscriber = current
    const onData = (bytes: Uint8Array): void => current.next({ type: 'chunk', bytes })
    socket.on('data', onData)
    if (!paused) socket.resume()
    reportEnd()
    current.add(() => {
      subscriber = undefined
      socket.off('data', onData)
      reset()
    })
  })
  return {
    event$,
    reset,
    write(bytes) {
      if (behind.length > 0 || socket.writableLength > 0) {
        // In memory of its own, since what it was cut from may be far larger.
        behind = enqueue(behind, Uint8Array.from(bytes))
        return 'copied'
      }
      send(bytes)
      return socket.writableLength > 0 ? 'retained' : 'copied'
    },
    end() {
      ending = true
      flush()
    },
    pause() {
      paused = true
      socket.pause()
    },
    resume() {
      paused = false
      if (subscriber !== undefined) socket.resume()
      reportEnd()
    },
  }
}

/**
 * Loopback TCP by node:net: exclusive binds, no delay, half-open sockets. Connections of other users of this machine are
 * reset, and so are those that were closed before it was known whose they are.
 *
 * @example
 * import { nodeTcp } from 'lighthouse-peer/mux/tcp'
 * import { filter, mergeMap, take } from 'rxjs'
 *
 * // Emits its port, then every connection; here one that it makes itself.
 * nodeTcp
 *   .listen$({ host: '127.0.0.1', port: 0 })
 *   .pipe(
 *     mergeMap(event => (event.type === 'socket' ? event.socket.event$ : dialled(event.port).event$)),
 *     filter(event => event.type === 'chunk'),
 *     take(1),
 *   )
 *   .subscribe(({ bytes }) => console.log(new TextDecoder().decode(bytes)))
 *
 * function dialled(port: number): ReturnType<typeof nodeTcp.dial> {
 *   const socket = nodeTcp.dial({ host: '127.0.0.1', port })
 *   socket.write(new TextEncoder().encode('hello'))
 *   return socket
 * }
 * // → hello
 */
export const nodeTcp: TcpPort = {
  listen$({ port, host }) {
    return new Observable<TcpListenEvent>(subscriber => {
      /** Accepted, and not yet known whose they are. */
      const unknown = new Set<ByteSocket>()
      const server = createServer({ allowHalfOpen: true, noDelay: true }, accepted => {
        const socket = byteSocket(accepted)
        unknown.add(socket)
        localUser$(accepted).subscribe(user => {
          if (!unknown.delete(socket)) return
          if (user === 'other' || user === 'gone') socket.reset()
          else subscriber.next({ type: 'socket', socket })
        })
      })
      server.maxConnections = maxConnections
      server.on('error', (cause: NodeJS.ErrnoException) => {
        // It still listens: an accept that failed, with no file handles left for example, costs that one connection.
        if (!server.listening) subscriber.error(listenError(cause, host, port))
      })
      server.listen({ port, host, exclusive: true }, () => {
        const address = server.address()
        if (typeof address === 'object' && address !== null) subscriber.next({ type: 'listening', port: address.port })
      })
      subscriber.add(() => {
        server.close()
        for (const socket of unknown) socket.reset()
        unknown.clear()
      })
    })
  },
  dial({ host, port, onLocalPort }) {
    const onread = {
      buffer: readBuffer,
      callback(bytes: number) {
        const chunk = Buffer.allocUnsafeSlow(bytes)
        chunk.set(readBuffer.subarray(0, bytes))
        return socket.emit('data', chunk)
      },
    }
    const options = { host, port, allowHalfOpen: true, noDelay: true, onread }
    const socket: Socket = new PatientSocket(options).connect(options)
    // Until somebody subscribes: the system keeps what arrives before.
    socket.pause()
    markOwn(socket)
    if (onLocalPort !== undefined) followLocalPort(socket, onLocalPort)
    return byteSocket(socket)
  },
}
