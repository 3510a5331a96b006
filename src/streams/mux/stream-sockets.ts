import { catchError, defer, EMPTY, finalize, map, merge, mergeMap, type Observable, of, Subject } from 'rxjs'
import type { ByteSocket, MonotonicClock, SocketEvent } from '../../ports.js'
import type { StreamEffect, StreamObserver } from '../../operators/demultiplex.js'
import { errorCodes, type LighthouseError, toInternalError } from '../../protocol/errors.js'
import { streamIds } from '../../protocol/mux/step.js'
import type { MuxConfig, MuxEvent } from '../../protocol/mux/state.js'

/** A stream that ended before both sides had sent FIN. */
export interface StreamReset {
  /** Whether the connection to the local program broke. Else the stream layer gave the stream up, on this side or the other. */
  readonly local: boolean
  readonly reason: LighthouseError
}

/** The sockets behind the streams of one session: those of local programs, and those dialled for the other side. */
export interface StreamSockets {
  /** What happens on them. Subscribed to once; errors and completes as the source of local sockets does. */
  readonly event$: Observable<MuxEvent>
  /** Streams that were reset, each with its reason. Not those that the end of the connection resets. */
  readonly reset$: Observable<StreamReset>
  /** The socket of one stream, for `demultiplex`: of one that the other side opened, dialled. */
  observe(id: number, accepted: boolean): StreamObserver
  /** Opens streams for local sockets that wait while there are fewer than `maxStreams`. To be called after each step. */
  admit(): void
  /** Resets the sockets of all open streams for that reason, and returns the IDs of these. */
  reset(reason: LighthouseError): readonly number[]
}

/** A socket's stream; without an ID it waits for one. */
interface Turn {
  id: number | undefined
  paused: boolean
}

function toMuxEvent(id: number, event: SocketEvent, clock: MonotonicClock): MuxEvent {
  if (event.type === 'chunk') return { type: 'write', id, bytes: event.bytes }
  if (event.type === 'end') return { type: 'end', id }
  return { type: 'consumed', id, bytes: event.bytes, now: clock.now() }
}

/**
 * Gives each local socket a stream of its own. When as many streams are open as there may be, it waits, paused, for one to
 * end, in the order in which they came; one that breaks meanwhile is forgotten. How many may wait is for the listener to
 * limit. Buffers nothing.
 *
 * @param keep is called with delivered bytes that a socket still uses after its `write`.
 */
export function createStreamSockets(options: {
  readonly config: Pick<MuxConfig, 'role' | 'maxStreams'>
  readonly socket$: Observable<ByteSocket>
  readonly dial: (() => ByteSocket) | undefined
  readonly keep: (bytes: Uint8Array) => void
  readonly clock: MonotonicClock
}): StreamSockets {
  const { config, socket$, dial, keep, clock } = options
  const ids = streamIds(config.role)
  const sockets = new Map<number, ByteSocket>()
  const waiting = new Map<ByteSocket, Turn>()
  const opened$ = new Subject<MuxEvent>()
  const dialled$ = new Subject<readonly [Turn, ByteSocket]>()
  const reset$ = new Subject<StreamReset>()

  const events$ = (turn: Turn, socket: ByteSocket): Observable<MuxEvent> =>
    socket.event$.pipe(
      map(event => toMuxEvent(turn.id!, event, clock)),
      // A broken socket ends its stream only; the other side is notified.
      catchError((error: unknown) => {
        const { id } = turn
        if (id === undefined) return EMPTY
        // Else the stream layer has given it up and reported the reason.
        if (sockets.delete(id)) reset$.next({ local: true, reason: toInternalError(error) })
        return of<MuxEvent>({ type: 'reset', id })
      }),
    )
  const admit = (): void => {
    for (const [socket, turn] of waiting) {
      if (sockets.size >= config.maxStreams) return
      waiting.delete(socket)
      const id = ids.next().value
      sockets.set(id, socket)
      turn.id = id
      opened$.next({ type: 'open', id })
      if (turn.paused) socket.resume()
    }
  }
  const local$ = (socket: ByteSocket): Observable<MuxEvent> =>
    defer(() => {
      const turn: Turn = { id: undefined, paused: false }
      waiting.set(socket, turn)
      admit()
      if (turn.id === undefined) {
        turn.paused = true
        socket.pause()
      }
      // Subscribed to while it waits, so that its end is seen; paused, so that nothing else is.
      return events$(turn, socket)
    }).pipe(
      finalize(() => {
        if (waiting.delete(socket)) socket.reset()
      }),
    )

  const perform = (effect: StreamEffect): void => {
    const socket = sockets.get(effect.id)
    if (effect.type !== 'deliver') socket?.[effect.type]()
    else if (socket?.write(effect.bytes) === 'retained') keep(effect.bytes)
  }

  return {
    event$: merge(
      opened$,
      dialled$.pipe(mergeMap(([turn, socket]) => events$(turn, socket))),
      socket$.pipe(mergeMap(local$)),
    ),
    reset$,
    admit,
    observe(id, accepted) {
      if (accepted) {
        const dialled = dial!()
        sockets.set(id, dialled)
        dialled$.next([{ id, paused: false }, dialled])
      }
      return {
        next: perform,
        complete: () => void sockets.delete(id),
        error: (error: unknown) => {
          const reason = toInternalError(error)
          const socket = sockets.get(id)
          // The end of the connection resets them all, and a socket that broke has been reported.
          if (socket === undefined || errorCodes[reason.code] !== 'stream') return
          sockets.delete(id)
          reset$.next({ local: false, reason })
          socket.reset(reason)
        },
      }
    },
    reset(reason) {
      const open = [...sockets.keys()]
      for (const socket of sockets.values()) socket.reset(reason)
      sockets.clear()
      return open
    },
  }
}
