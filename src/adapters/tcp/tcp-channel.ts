import { Observable, type Subscriber } from 'rxjs'
import type { ByteChannel } from '../../ports.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { having, verifyOptions } from '../../protocol/options.js'

/** TCP has no messages; this is where one write's cost is lost in that of its bytes. */
const maxMessageBytes = 256 * 1024

/** As deep as the multiplexer fills a channel by default. */
const highWaterBytes = 512 * 1024

/** What this needs of `Socket` of node:net, so that its types need none of Node's. */
export interface TcpSocket {
  readonly connecting: boolean
  readonly readable: boolean
  readonly writable: boolean
  /** Bytes that arrived. */
  on(event: 'data', listener: (bytes: Uint8Array) => void): unknown
  /** Why it broke. */
  on(event: 'error', listener: (error: Error) => void): unknown
  /** When it is there, the other side has ended it, or it is over. */
  on(event: 'connect' | 'end' | 'close', listener: () => void): unknown
  /** Calls back when the system has the bytes, or with the reason why not. */
  write(bytes: Uint8Array, written: (error?: Error | null) => void): unknown
  /** Stops reading. */
  pause(): unknown
  /** Reads again. */
  resume(): unknown
  /** Ends it at once. */
  destroy(): unknown
}

/**
 * A TCP connection as a byte channel, where both ends can be reached. It is not encrypted: pass a `TLSSocket` where that matters.
 *
 * Subscribe once. Emits the channel when the connection is open; completes when the other side closes it; errors with
 * `channel-closed` when it breaks or cannot be made. Unsubscribing destroys the socket.
 *
 * Reads nothing before `message$` is subscribed to: until then bytes wait in the system. What was sent waits in Node, in copies, up
 * to 512 KiB and a message.
 *
 * @param socket connected, or about to be, and not read from by anybody else. Throws `invalid-option` for what is no socket.
 * @example
 * import { connect, createServer } from 'node:net'
 * import { tcpChannel$ } from 'lighthouse-peer/mux/tcp'
 * import { switchMap, take } from 'rxjs'
 *
 * const server = createServer(socket => {
 *   socket.end('hello')
 *   server.close()
 * })
 * server.listen(0, '127.0.0.1', () => {
 *   const { port } = server.address() as { readonly port: number }
 *   tcpChannel$(connect(port, '127.0.0.1'))
 *     .pipe(
 *       switchMap(({ message$ }) => message$),
 *       take(1),
 *     )
 *     .subscribe(message => console.log(new TextDecoder().decode(message)))
 * })
 * // → hello
 */
export function tcpChannel$(socket: TcpSocket): Observable<ByteChannel> {
  verifyOptions({ socket }, { socket: having('write', 'pause', 'resume', 'destroy', 'on') })
  socket.pause()
  return new Observable(subscriber => {
    let reader: Subscriber<Uint8Array> | undefined
    let drained: Subscriber<number> | undefined
    let isOver = false
    const channel: ByteChannel = {
      maxMessageBytes,
      highWaterBytes,
      message$: new Observable(current => {
        reader = current
        if (isOver) current.complete()
        else socket.resume()
      }),
      drained$: new Observable(current => {
        drained = current
      }),
      send(message) {
        if (!socket.writable) throw new LighthouseError('channel-closed', 'the TCP connection is closed')
        const { length } = message
        socket.write(Uint8Array.from(message), error => {
          if (!error) drained?.next(length)
        })
      },
    }
    const onOpen = (): void => subscriber.next(channel)
    const onEnd = (): void => {
      isOver = true
      reader?.complete()
      subscriber.complete()
    }
    const onError = (cause: Error): void => {
      const error = toLighthouseError('channel-closed', cause, 'TCP')
      reader?.error(error)
      subscriber.error(error)
    }
    // Nothing comes before `message$` is subscribed to: the socket is paused.
    socket.on('data', bytes => reader?.next(bytes))
    socket.on('end', onEnd)
    socket.on('close', onEnd)
    socket.on('error', onError)
    subscriber.add(() => socket.destroy())
    if (socket.connecting) socket.on('connect', onOpen)
    else if (socket.readable) onOpen()
    else onEnd()
  })
}
