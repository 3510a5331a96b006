import {
  catchError,
  concat,
  connect,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  type OperatorFunction,
  type SchedulerLike,
  Subject,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs'
import { demultiplex } from '../../operators/demultiplex.js'
import { deframeBatch } from '../../operators/deframe.js'
import { keepAlive } from '../../operators/keep-alive.js'
import { multiplex } from '../../operators/multiplex.js'
import { pack } from '../../operators/pack.js'
import type { ByteChannel, ByteSocket, MonotonicClock } from '../../ports.js'
import { isLighthouseError, LighthouseError, toInternalError } from '../../protocol/errors.js'
import { defaultMuxConfig } from '../../protocol/mux/config.js'
import { encodeFrames, type Frame, type FramedReceipt, type MuxAgreement } from '../../protocol/mux/frame.js'
import type { MuxConfig, MuxEvent, MuxTransition } from '../../protocol/mux/state.js'
import { Arena } from './arena.js'
import { type SessionEvent, sessionReports$ } from './session-reports.js'
import { createStreamSockets } from './stream-sockets.js'

/**
 * How long the side that opens streams waits for a greeting that was agreed. Messages that arrive too early
 * there come after those that follow them: a request before its SYN, which is then lost (docs/DECISIONS.md).
 */
const greetingMs = 200

/** What a session may send, drawn on by other sessions of the same key too. */
export interface SessionCredit {
  /** How many payload bytes the other side may be sent in all, as of now. */
  bytes(): number
  /** Emits when that has grown otherwise than by what this session sent. */
  readonly grown$: Observable<unknown>
}

export interface SessionOptions {
  readonly channel: ByteChannel
  readonly role: 'client' | 'server'
  readonly agreement: MuxAgreement
  /** Local connections, each of which becomes a stream, or waits for one when 256 are open. Subscribed to once. */
  readonly socket$: Observable<ByteSocket>
  /** Connects a stream that the other side opened. Without it such streams are refused. */
  readonly dial?: () => ByteSocket
  /** Newest round trip of the path, in milliseconds: the receive windows grow with it. Its error ends the session. */
  readonly roundTripMs$: Observable<number>
  /** How many payload bytes the other side may be sent in all. Default: no limit. */
  readonly credit?: SessionCredit | undefined
  /** Why the connection is over, for the programs behind its sockets. Default: as it is. */
  readonly explain?: ((reason: LighthouseError) => LighthouseError) | undefined
  /** Receipts for the other side, where RCP was agreed. Default: none. */
  readonly receipt$?: Observable<FramedReceipt> | undefined
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

function stopped(): LighthouseError {
  return new LighthouseError('channel-closed', 'this peer has ended the connection')
}

/**
 * One connection at work: channel ↔ multiplexer ↔ sockets. Subscribing starts it; it never completes by itself. Where a
 * greeting was agreed, the server greets with a NOP, and the client sends nothing before something has arrived, for 200 ms at
 * the most.
 *
 * Errors with the reason why the connection is over: `channel-closed` when the other side closed it, `peer-silent`, or
 * what was wrong with its frames. However it ends, every socket that still has an open stream is reset, here and, while the
 * channel lasts, on the other side, so that no program takes a broken transfer for a complete one.
 *
 * Holds bytes only in the multiplexer (bounds there), in the channel up to its high-water mark, and in the sockets up to
 * the window. Emits the number of open streams, the bytes sent, received and payable, and whether it waits for credit when they
 * change, receipts as they come, streams that were reset counted by reason, and traffic once a second.
 */
export function session$(options: SessionOptions): Observable<SessionEvent> {
  const { channel, role, agreement, socket$, dial, roundTripMs$, credit, explain, receipt$, clock, scheduler } = options
  const { version } = agreement
  const maxMessageBytes = Math.min(channel.maxMessageBytes, defaultMuxConfig(role, agreement).maxMessageBytes)
  const arena = new Arena()
  const waits = role === 'client' && agreement.greet === true
  const config: MuxConfig = {
    ...defaultMuxConfig(role, agreement),
    acceptStreams: dial !== undefined,
    channelBytes: waits ? 0 : channel.highWaterBytes,
    maxMessageBytes,
    allocate: arena.allocate,
  }
  return defer(() => {
    const sockets = createStreamSockets({ config, socket$, dial, keep: bytes => arena.keep(bytes), clock })

    const greeting$ = (message$: Observable<unknown>): Observable<MuxEvent> =>
      waits
        ? merge(message$, timer(greetingMs, scheduler)).pipe(
            take(1),
            map(() => ({ type: 'room', bytes: channel.highWaterBytes })),
          )
        : agreement.greet === true
          ? of({ type: 'greet' })
          : EMPTY
    const toFrames = (message$: Observable<Uint8Array>): Observable<MuxEvent> =>
      message$.pipe(
        deframeBatch(agreement),
        map((frames): MuxEvent => ({ type: 'frames', frames, now: clock.now() })),
      )
    const closed$ = throwError(() => new LighthouseError('channel-closed', 'the other side closed the connection'))
    const event$ = merge(
      sockets.event$,
      concat(channel.message$, closed$).pipe(connect(message$ => merge(greeting$(message$), toFrames(message$)))),
      channel.drained$.pipe(map((bytes): MuxEvent => ({ type: 'room', bytes }))),
      roundTripMs$.pipe(map((milliseconds): MuxEvent => ({ type: 'round-trip', milliseconds }))),
      (credit?.grown$ ?? EMPTY).pipe(map((): MuxEvent => ({ type: 'credit', bytes: Infinity }))),
      (receipt$ ?? EMPTY).pipe(map((receipt): MuxEvent => ({ type: 'receipt', receipt }))),
    )

    const receivedReceipt$ = new Subject<FramedReceipt>()
    /** Passes each step on once it has been performed: what arrived goes to the sockets, then the frames to the channel. */
    const perform: OperatorFunction<MuxTransition, MuxTransition> = connect(transition$ =>
      merge(
        transition$.pipe(
          tap(({ effects }) => {
            for (const effect of effects) if (effect.type === 'receipt') receivedReceipt$.next(effect.receipt)
          }),
          demultiplex(sockets.observe),
          pack({ version, maxMessageBytes, allocate: arena.allocate }),
          tap(message => channel.send(message)),
          ignoreElements(),
        ),
        transition$,
      ),
    )
    /** The last frames: the other side stops sending, and its programs learn at once that what they have is incomplete. */
    const sendFailures = (ids: readonly number[]): void => {
      if (ids.length === 0) return
      const command = agreement.rst ? 'rst' : 'fin'
      const frames = ids.map((streamId): Frame => ({ command, streamId }))
      try {
        channel.send(encodeFrames(frames, version))
      } catch (error) {
        // It is the channel that is over; then nobody receives this.
        if (!isLighthouseError(error, 'channel-closed')) throw error
      }
    }

    return event$.pipe(
      keepAlive({ tick: { type: 'tick' } as const, scheduler }),
      multiplex(config, credit && (() => credit.bytes())),
      perform,
      tap(() => {
        arena.reset()
        sockets.admit()
      }),
      map(({ state }) => state),
      connect(state$ => sessionReports$({ state$, reset$: sockets.reset$, receipt$: receivedReceipt$, scheduler })),
      catchError((error: unknown) => {
        const reason = toInternalError(error)
        sendFailures(sockets.reset(explain?.(reason) ?? reason))
        return throwError(() => error)
      }),
      finalize(() => sendFailures(sockets.reset(stopped()))),
    )
  })
}
