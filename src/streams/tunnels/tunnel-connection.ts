import {
  catchError,
  concat,
  distinctUntilChanged,
  EMPTY,
  expand,
  filter,
  map,
  merge,
  type Observable,
  of,
  type SchedulerLike,
  skip,
  switchMap,
  takeUntil,
  throwError,
  timer,
} from 'rxjs'
import type { ByteSocket, MonotonicClock } from '../../ports.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { TunnelConnection, TunnelConnectionEffect, TunnelConnectionEvent } from '../../protocol/tunnels/tunnels.js'
import type { SessionPayment } from '../coins/session-payment.js'
import type { ConnectionEvent } from '../signaling/connection.js'
import { carry$ } from '../mux/carry.js'
import { type OpenConnection, whileOpen } from '../signaling/while-open.js'

export interface TunnelConnectionOptions {
  /** A fresh connection to that peer, as `offerConnection$` makes it; without a relay, if it is to be direct. */
  readonly offer$: (nickname: string, direct: boolean) => Observable<ConnectionEvent>
  /** Whether every connection is to be relayed, so that no shorter way is looked for. Default false. */
  readonly relayOnly?: boolean
  /** How a connection is paid for, once it is open. Default: it is not. */
  readonly payment?: (open: OpenConnection) => SessionPayment
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

/** When a relayed connection looks for a shorter way: twice as late each time. */
const firstSearchMs = 30_000
const lastSearchMs = 600_000

/** Emits when it is time to look for one, while the path is relayed. Completes when the connection is over. */
function search$(event$: Observable<ConnectionEvent>, scheduler: SchedulerLike): Observable<unknown> {
  const times$ = of(firstSearchMs).pipe(
    expand(ms => timer(ms, scheduler).pipe(map(() => Math.min(2 * ms, lastSearchMs)))),
    skip(1),
  )
  return event$.pipe(
    filter(event => event.type === 'path'),
    map(({ kind }) => kind === 'relay'),
    distinctUntilChanged(),
    switchMap(isRelayed => (isRelayed ? times$ : EMPTY)),
    // For the session to tell.
    catchError(() => EMPTY),
  )
}

/**
 * Performs the effects of one connection: makes it, and carries local connections as streams. Emits what happens on it.
 * Starts at once; completes with `ended`, also after `close`, with whose reason every stream's socket is reset; never errors.
 * Buffers nothing.
 *
 * @param socket$ local connections for it, from `carry` on.
 */
export function tunnelConnection$(
  connection: TunnelConnection,
  effect$: Observable<TunnelConnectionEffect<unknown>>,
  socket$: Observable<ByteSocket>,
  { offer$, relayOnly = false, payment, clock, scheduler }: TunnelConnectionOptions,
): Observable<TunnelConnectionEvent> {
  const { nickname, direct } = connection
  const closed$: Observable<never> = effect$.pipe(
    filter(effect => effect.type === 'close'),
    map(({ reason }) => {
      throw reason
    }),
  )
  const over$ = throwError(() => new LighthouseError('channel-closed', `the connection to ${nickname} is over`))
  const connected$ = offer$(nickname, direct).pipe(
    whileOpen((open, event$) =>
      merge(
        effect$.pipe(
          filter(effect => effect.type === 'carry'),
          switchMap(({ tunnel }) =>
            carry$({
              open,
              event$: merge(event$, closed$),
              role: 'consumer',
              nickname,
              tunnelPort: tunnel.port,
              socket$,
              payment: payment?.(open),
              clock,
              scheduler,
            }),
          ),
          map((report): TunnelConnectionEvent => ({ type: 'carried', connection, report })),
        ),
        (relayOnly ? EMPTY : search$(event$, scheduler)).pipe(map(() => ({ type: 'relayed' as const, connection }))),
        of({ type: 'opened' as const, connection, session: open.session }),
      ),
    ),
  )
  const carrying$ = effect$.pipe(filter(({ type }) => type === 'carry'))
  return merge(concat(connected$, over$), closed$.pipe(takeUntil(carrying$))).pipe(
    catchError((error: unknown) => of({ type: 'ended' as const, connection, reason: toInternalError(error) })),
  )
}
