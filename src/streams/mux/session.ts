import {
  concat,
  connect,
  defer,
  distinctUntilChanged,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  pairwise,
  type SchedulerLike,
  startWith,
  Subject,
  take,
  tap,
  throwError,
  timer,
  withLatestFrom,
  zip,
} from 'rxjs'
import { deframeBatch } from '../../operators/deframe.js'
import { keepAlive } from '../../operators/keep-alive.js'
import { meter } from '../../operators/meter.js'
import { multiplex } from '../../operators/multiplex.js'
import { tally } from '../../operators/tally.js'
import type { ByteChannel, ByteSocket, MonotonicClock } from '../../ports.js'
import { concat as join } from '../../protocol/bytes.js'
import { isLighthouseError, LighthouseError } from '../../protocol/errors.js'
import { defaultMuxConfig } from '../../protocol/mux/config.js'
import { isHeldByCredit } from '../../protocol/mux/schedule.js'
import type { MuxConfig, MuxEffect, MuxEvent, MuxState } from '../../protocol/mux/state.js'
import { encodeFrame, type FramedReceipt, type MuxAgreement } from '../../protocol/mux/frame.js'
import { Arena } from './arena.js'
import { createStreamSockets, type StreamReset } from './stream-sockets.js'

/**
 * How long the side that opens streams waits for the greeting of one that said it would greet. Messages that arrive too early
 * there come after those that follow them: a request before its SYN, which is then lost (docs/DECISIONS.md).
 */
const greetingMs = 200

/** Streams that are reset are told together, so that a flood of them is a line in a log each 10 s and not one each. */
const resetReportMs = 10_000

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
  /** Newest round trip of the path, in milliseconds: the receive windows grow with it. */
  readonly roundTripMs$: Observable<number>
  /** How many payload bytes the other side may be sent in all. Default: no limit. */
  readonly credit?: SessionCredit | undefined
  /** Receipts for the other side, where RCP was agreed. Default: none. */
  readonly receipt$?: Observable<FramedReceipt> | undefined
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

/** What a session reports. Bytes are payload; rates a second. */
export type SessionEvent =
  | { readonly type: 'streams'; readonly open: number }
  /** Payload bytes in all: handed to the channel, received, and of these to be paid for now. Whenever one has grown. */
  | {
      readonly type: 'account'
      readonly sentBytes: number
      readonly receivedBytes: number
      readonly countedBytes: number
    }
  /** Whether data waits for credit and for nothing else. */
  | { readonly type: 'held'; readonly on: boolean }
  /** Streams that were reset for reasons of one code, the newest of which this is: at once, then at most every 10 s. */
  | ({ readonly type: 'resets'; readonly count: number } & StreamReset)
  /** A receipt that the other side sent. Not checked. */
  | { readonly type: 'receipt'; readonly receipt: FramedReceipt }
  | {
      readonly type: 'traffic'
      readonly receivedBytes: number
      readonly sentBytes: number
      readonly receiveRate: number
      readonly sendRate: number
      readonly bufferedBytes: number
      /** Whole seconds since anything arrived. */
      readonly silentSeconds: number
    }

function perSecond(state$: Observable<MuxState>, bytesOf: (state: MuxState) => number, scheduler: SchedulerLike) {
  return state$.pipe(
    map(bytesOf),
    startWith(0),
    pairwise(),
    map(([before, after]) => after - before),
    meter({ scheduler }),
  )
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
 * the window. Emits the number of open streams, the bytes to account for and whether it waits for credit when they
 * change, receipts as they come, streams that were reset counted by reason, and traffic once a second.
 */
export function session$(options: SessionOptions): Observable<SessionEvent> {
  const { channel, role, agreement, socket$, dial, roundTripMs$, credit, receipt$, clock, scheduler } = options
  const arena = new Arena()
  const waits = role === 'client' && agreement.greet === true
  const config: MuxConfig = {
    ...defaultMuxConfig(role, agreement),
    acceptStreams: dial !== undefined,
    channelBytes: waits ? 0 : channel.highWaterBytes,
    maxMessageBytes: Math.min(channel.maxMessageBytes, defaultMuxConfig(role, agreement).maxMessageBytes),
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

    /** The last words: the other side stops sending, and tells its programs at once that what they have is incomplete. */
    const sayFailed = (ids: readonly number[]): void => {
      const command = agreement.rst ? 'rst' : 'fin'
      const frames = ids.map(streamId => encodeFrame({ command, streamId }, agreement.version))
      if (frames.length === 0) return
      try {
        channel.send(join(frames))
      } catch (error) {
        // It is the channel that is over; then there is nobody to tell.
        if (!isLighthouseError(error, 'channel-closed')) throw error
      }
    }
    const received$ = new Subject<SessionEvent>()
    const perform = (effect: MuxEffect): void => {
      switch (effect.type) {
        case 'send':
          return channel.send(effect.message)
        case 'receipt':
          return received$.next({ type: 'receipt', receipt: effect.receipt })
        case 'fail':
          throw effect.error
        default:
          return sockets.perform(effect)
      }
    }

    return event$.pipe(
      keepAlive({ tick: { type: 'tick' } as const, scheduler }),
      multiplex(config, credit && (() => credit.bytes())),
      tap(({ effects }) => {
        effects.forEach(perform)
        arena.reset()
        sockets.admit()
      }),
      map(({ state }) => state),
      connect(state$ =>
        merge(
          // Before the others: it has something to tell when the connection errors.
          merge(sockets.reset$, state$.pipe(ignoreElements())).pipe(
            tally(({ local, reason }) => `${local} ${reason.code}`, { everyMs: resetReportMs, scheduler }),
            map(({ newest, count }): SessionEvent => ({ type: 'resets', count, ...newest })),
          ),
          received$,
          // Before the number of streams: the last bytes of one that ends are known when its end is.
          state$.pipe(
            distinctUntilChanged(
              (a, b) =>
                a.sentBytes === b.sentBytes && a.receivedBytes === b.receivedBytes && a.countedBytes === b.countedBytes,
            ),
            map(({ sentBytes, receivedBytes, countedBytes }): SessionEvent => ({
              type: 'account',
              sentBytes,
              receivedBytes,
              countedBytes,
            })),
          ),
          state$.pipe(
            map(state => state.streams.size),
            distinctUntilChanged(),
            map((open): SessionEvent => ({ type: 'streams', open })),
          ),
          state$.pipe(
            map(isHeldByCredit),
            distinctUntilChanged(),
            map((on): SessionEvent => ({ type: 'held', on })),
          ),
          zip(
            perSecond(state$, state => state.receivedBytes, scheduler),
            perSecond(state$, state => state.sentBytes, scheduler),
          ).pipe(
            withLatestFrom(state$),
            map(([[received, sent], state]): SessionEvent => ({
              type: 'traffic',
              receivedBytes: received.total,
              sentBytes: sent.total,
              receiveRate: received.perSecond,
              sendRate: sent.perSecond,
              bufferedBytes: state.queuedBytes,
              silentSeconds: state.ticksSinceReceived,
            })),
          ),
        ),
      ),
      finalize(() => {
        sayFailed(sockets.abort())
      }),
    )
  })
}
