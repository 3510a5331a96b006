import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { Observable, type Subscriber } from 'rxjs'
import type { ByteSocket, SocketEvent } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'

/** After the last byte was sent, how long the other side may take for its own end. */
const lingerMs = 10_000

/** Kept in each direction. Node's own default is another one in each version. */
const bufferedBytes = 65_536

type Written = (error?: Error | null) => void

/**
 * A stream of a peer's connection as Node's libraries want it, without a TCP connection in between: what is written to it leaves
 * `socket` as if a local program had sent it, and what `socket` is given is read here. Whoever carries streams gets the socket.
 *
 * Holds what Node's stream does (64 KiB in each direction, and one chunk more). Destroyed by `socket.reset(reason)` with that
 * reason as its error; destroying it before both directions have ended breaks the stream on the other side as well.
 */
export class VirtualStream extends Duplex {
  readonly socket: ByteSocket
  #subscriber: Subscriber<SocketEvent> | undefined
  #paused = false
  /** What waits while it is paused: a chunk, or the end. Node gives no more before it was taken. */
  #waiting: (() => void) | undefined
  /** Handed to the reader beyond what it wanted, and not yet reported as consumed. */
  #unread = 0

  constructor() {
    super({ allowHalfOpen: true, highWaterMark: bufferedBytes })
    this.socket = {
      event$: new Observable(subscriber => {
        if (this.destroyed) return subscriber.error(this.errored ?? brokenOff())
        this.#subscriber = subscriber
        this.#flush()
        subscriber.add(() => {
          this.#subscriber = undefined
          this.socket.reset()
        })
      }),
      write: bytes => {
        // The arrays that are delivered are used again, and when a reader has done with its own nobody says.
        if (this.push(new Uint8Array(bytes))) this.#consumed(bytes.length)
        else this.#unread += bytes.length
        return 'copied'
      },
      end: () => void this.push(null),
      reset: reason => {
        if (!this.#isOver()) this.destroy(reason ?? brokenOff())
      },
      pause: () => {
        this.#paused = true
      },
      resume: () => {
        this.#paused = false
        this.#flush()
      },
    }
  }

  #isOver(): boolean {
    return this.destroyed || (this.readableEnded && this.writableFinished)
  }

  #consumed(bytes: number): void {
    if (bytes > 0) this.#subscriber?.next({ type: 'consumed', bytes })
  }

  #flush(): void {
    if (this.#paused || this.#subscriber === undefined) return
    const next = this.#waiting
    this.#waiting = undefined
    next?.()
  }

  #take(event: SocketEvent, taken: Written): void {
    this.#waiting = () => {
      this.#subscriber?.next(event)
      taken()
    }
    this.#flush()
  }

  override _read(): void {
    const unread = this.#unread
    this.#unread = 0
    this.#consumed(unread)
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, written: Written): void {
    this.#take({ type: 'chunk', bytes }, written)
  }

  override _final(ended: Written): void {
    this.#take({ type: 'end' }, ended)
  }

  override _destroy(error: Error | null, destroyed: Written): void {
    const subscriber = this.#subscriber
    this.#subscriber = undefined
    this.#waiting = undefined
    if (error === null && this.readableEnded && this.writableFinished) subscriber?.complete()
    else subscriber?.error(error instanceof LighthouseError ? error : brokenOff())
    destroyed(error)
  }

  /** What Node's HTTP client does when a response that ends the connection is whole: says its own end, and waits for the other. */
  destroySoon(): void {
    if (this.destroyed) return
    this.end()
    const limit = setTimeout(() => this.destroy(), lingerMs)
    this.once('close', () => clearTimeout(limit))
    if (!this.readableEnded) this.resume()
  }

  /** Of a socket, for libraries that take it for one: it has no time limit of its own. */
  setTimeout(): this {
    return this
  }

  /** Of a socket: nothing here waits for more. */
  setNoDelay(): this {
    return this
  }

  /** Of a socket: the connection under it says itself when it is over. */
  setKeepAlive(): this {
    return this
  }
}

/**
 * A stream of a peer that breaks with the program's connection, which breaks with it. Nothing is joined yet. `part` lets go of the
 * connection, and breaks the stream.
 */
export function streamFor(socket: Socket): { readonly stream: VirtualStream; readonly part: () => void } {
  const stream = new VirtualStream()
  const broken = (): void => void stream.destroy()
  const lost = (): void => {
    if (!socket.destroyed) socket.resetAndDestroy()
  }
  stream.on('error', lost)
  socket.on('error', broken)
  socket.once('close', () => {
    if (!socket.readableEnded) stream.destroy()
  })
  return {
    stream,
    part() {
      stream.unpipe(socket)
      stream.off('error', lost).on('error', () => undefined)
      socket.off('error', broken)
      stream.destroy()
    },
  }
}

function brokenOff(): LighthouseError {
  return new LighthouseError('stream-reset', 'the stream was broken off')
}
