import type { Socket } from 'node:net'
import { Observable, type Subscriber } from 'rxjs'
import type { ByteSocket, SocketEvent } from '../../ports.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { enqueue } from '../../protocol/mux/schedule.js'
import { PatientSocket } from './patient-socket.node.js'

const nothing = new Uint8Array(0)

/**
 * One TCP connection as a ByteSocket. Half-open sockets are kept, since streams half-close.
 *
 * What is written behind other bytes waits here, tiny pieces joined: the system's queue of writes would take a few hundred
 * bytes for each, and the other side chooses their size.
 *
 * @param head what has been read of it already.
 */
export function byteSocket(socket: Socket, head: Uint8Array = nothing): ByteSocket {
  let subscriber: Subscriber<SocketEvent> | undefined
  let behind: readonly Uint8Array[] = []
  let ending = false
  let paused = false
  let unread = head
  let ended = socket.readableEnded
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
  const read = (): void => {
    if (paused || subscriber === undefined) return
    const first = unread
    unread = nothing
    if (first.length > 0) subscriber.next({ type: 'chunk', bytes: first })
    if (!paused) socket.resume()
    reportEnd()
  }
  const event$ = new Observable<SocketEvent>(current => {
    if (socket.closed) {
      current.error(failure ?? new LighthouseError('stream-reset', 'local connection closed early'))
      return
    }
    subscriber = current
    const onData = (bytes: Uint8Array): void => current.next({ type: 'chunk', bytes })
    socket.on('data', onData)
    read()
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
        behind = enqueue(behind, new Uint8Array(bytes))
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
      read()
    },
  }
}
