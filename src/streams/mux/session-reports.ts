import {
  distinctUntilChanged,
  ignoreElements,
  map,
  merge,
  type Observable,
  pairwise,
  type SchedulerLike,
  startWith,
  withLatestFrom,
  zip,
} from 'rxjs'
import { meter } from '../../operators/meter.js'
import { tally } from '../../operators/tally.js'
import type { FramedReceipt } from '../../protocol/mux/frame.js'
import { isAwaitingCredit } from '../../protocol/mux/schedule.js'
import type { MuxState } from '../../protocol/mux/state.js'
import type { StreamReset } from './stream-sockets.js'

/** Streams that are reset are reported together, so that a flood of them is a line in a log each 10 s and not one each. */
const resetReportMs = 10_000

/** What a multiplexed connection carries. Bytes are payload; rates a second. */
export type MuxReport =
  | { readonly type: 'streams'; readonly open: number }
  /** Streams that were reset for reasons of one code, the newest of which this is: at once, then at most every 10 s. */
  | ({ readonly type: 'resets'; readonly count: number } & StreamReset)
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

/** What a session reports: also what paying needs. */
export type SessionEvent =
  | MuxReport
  /** Payload bytes in all: handed to the channel, received, and of these to be paid for now. Whenever one has grown. */
  | {
      readonly type: 'bytes'
      readonly sentBytes: number
      readonly receivedBytes: number
      readonly payableBytes: number
    }
  /** Whether data waits for credit and for nothing else. */
  | { readonly type: 'awaiting-credit'; readonly on: boolean }
  /** A receipt that the other side sent. Not checked. */
  | { readonly type: 'receipt'; readonly receipt: FramedReceipt }

/** Whether it reports what is carried: the rest is for paying. */
export function isMuxReport(event: SessionEvent): event is MuxReport {
  return event.type === 'streams' || event.type === 'traffic' || event.type === 'resets'
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

function bytes$(state$: Observable<MuxState>): Observable<SessionEvent> {
  return state$.pipe(
    distinctUntilChanged(
      (a, b) => a.sentBytes === b.sentBytes && a.receivedBytes === b.receivedBytes && a.payableBytes === b.payableBytes,
    ),
    map(({ sentBytes, receivedBytes, payableBytes }) => ({ type: 'bytes', sentBytes, receivedBytes, payableBytes })),
  )
}

function traffic$(state$: Observable<MuxState>, scheduler: SchedulerLike): Observable<SessionEvent> {
  return zip(
    perSecond(state$, state => state.receivedBytes, scheduler),
    perSecond(state$, state => state.sentBytes, scheduler),
  ).pipe(
    withLatestFrom(state$),
    map(([[received, sent], state]) => ({
      type: 'traffic',
      receivedBytes: received.total,
      sentBytes: sent.total,
      receiveRate: received.perSecond,
      sendRate: sent.perSecond,
      bufferedBytes: state.queuedBytes,
      silentSeconds: state.ticksSinceReceived,
    })),
  )
}

/**
 * What is reported of a session, from the states of its multiplexer, which must be hot. Starts, ends and errors with them;
 * before an error it reports the resets that were not reported yet. Buffers nothing but their count.
 */
export function sessionReports$(options: {
  readonly state$: Observable<MuxState>
  readonly reset$: Observable<StreamReset>
  readonly receipt$: Observable<FramedReceipt>
  readonly scheduler: SchedulerLike
}): Observable<SessionEvent> {
  const { state$, reset$, receipt$, scheduler } = options
  return merge(
    // Before the others: it has something to report when the connection errors.
    merge(reset$, state$.pipe(ignoreElements())).pipe(
      tally(({ local, reason }) => `${local} ${reason.code}`, { everyMs: resetReportMs, scheduler }),
      map(({ newest, count }): SessionEvent => ({ type: 'resets', count, ...newest })),
    ),
    receipt$.pipe(map((receipt): SessionEvent => ({ type: 'receipt', receipt }))),
    // Before the number of streams: the last bytes of one that ends are known when its end is.
    bytes$(state$),
    state$.pipe(
      map(state => state.streams.size),
      distinctUntilChanged(),
      map((open): SessionEvent => ({ type: 'streams', open })),
    ),
    state$.pipe(
      map(isAwaitingCredit),
      distinctUntilChanged(),
      map((on): SessionEvent => ({ type: 'awaiting-credit', on })),
    ),
    traffic$(state$, scheduler),
  )
}
