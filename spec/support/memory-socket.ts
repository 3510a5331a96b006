import { Observable, type Subscriber } from 'rxjs'
import type { ByteSocket, SocketEvent } from '../../src/ports.js'
import { LighthouseError } from '../../src/protocol/errors.js'

/** A socket whose program is the spec. */
export interface MemorySocket extends ByteSocket {
  /** What was asked of it, in order. */
  readonly log: readonly string[]
  readonly written: Uint8Array
  readonly paused: boolean
  readonly ended: boolean
  readonly wasReset: boolean
  /** Why it was reset. */
  readonly reason: LighthouseError | undefined
  readonly subscribed: boolean
  /** The program writes. */
  receive(bytes: Uint8Array): void
  /** The program will write no more. */
  receiveEnd(): void
  /** The program resets the connection. */
  break(): void
  /** The program consumes what was written: all of it, when it does not say how much. */
  consume(bytes?: number): void
}

/** `reads` false: what is written is consumed only by `consume`. `onStart` runs as soon as somebody reads. */
export function memorySocket(
  options: { readonly reads?: boolean; readonly onStart?: (socket: MemorySocket) => void } = {},
): MemorySocket {
  const { reads = true, onStart } = options
  const log: string[] = []
  let written = new Uint8Array(0)
  let unconsumed = 0
  let paused = false
  let resetReason: LighthouseError | undefined
  let programEnded = false
  let subscriber: Subscriber<SocketEvent> | undefined

  const consumed = (bytes: number): void => {
    unconsumed -= bytes
    if (bytes > 0) subscriber?.next({ type: 'consumed', bytes })
  }
  const maybeComplete = (): void => {
    if (programEnded && log.includes('end')) subscriber?.complete()
  }
  const socket: MemorySocket = {
    log,
    get written() {
      return written
    },
    get paused() {
      return paused
    },
    get ended() {
      return log.includes('end')
    },
    get wasReset() {
      return log.includes('reset')
    },
    get reason() {
      return resetReason
    },
    get subscribed() {
      return subscriber !== undefined
    },
    event$: new Observable(current => {
      subscriber = current
      current.add(() => {
        subscriber = undefined
      })
      onStart?.(socket)
    }),
    write(bytes) {
      log.push(`write ${bytes.length}`)
      const both = new Uint8Array(written.length + bytes.length)
      both.set(written)
      both.set(bytes, written.length)
      written = both
      unconsumed += bytes.length
      if (reads) consumed(bytes.length)
      return 'copied'
    },
    end() {
      log.push('end')
      maybeComplete()
    },
    reset(reason) {
      if (log.includes('reset')) return
      log.push('reset')
      resetReason = reason
      subscriber?.error(new LighthouseError('stream-reset', 'reset'))
    },
    pause() {
      log.push('pause')
      paused = true
    },
    resume() {
      log.push('resume')
      paused = false
    },
    receive(bytes) {
      subscriber?.next({ type: 'chunk', bytes })
    },
    receiveEnd() {
      programEnded = true
      subscriber?.next({ type: 'end' })
      maybeComplete()
    },
    break() {
      subscriber?.error(new LighthouseError('stream-reset', 'the program broke the connection'))
    },
    consume(bytes = unconsumed) {
      consumed(bytes)
    },
  }
  return socket
}
