import {
  catchError,
  concat,
  connect,
  filter,
  map,
  merge,
  type Observable,
  of,
  type SchedulerLike,
  switchMap,
  takeUntil,
  throwError,
} from 'rxjs'
import type { MonotonicClock, TcpPort } from '../../ports.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { TunnelConnection, TunnelConnectionEffect, TunnelConnectionEvent } from '../../protocol/tunnels/tunnels.js'
import type { SessionPayment } from '../coins/session-payment.js'
import type { ConnectionEvent } from '../signaling/connection.js'
import { carry$ } from '../mux/carry.js'
import { type OpenConnection, whileOpen } from '../signaling/while-open.js'

export interface TunnelConnectionOptions {
  /** A fresh connection to that peer, as `offerConnection$` makes it. */
  readonly offer$: (nickname: string) => Observable<ConnectionEvent>
  readonly listen$: TcpPort['listen$']
  /** How a connection is paid for, once it is open. Default: it is not. */
  readonly payment?: (open: OpenConnection) => SessionPayment
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

/**
 * Performs the effects of one connection: makes it, listens on the given port, and carries streams. Emits what happens on it.
 * Starts at once; completes after `close` or with `ended`; never errors. Buffers nothing.
 */
export function tunnelConnection$(
  connection: TunnelConnection,
  effect$: Observable<TunnelConnectionEffect>,
  { offer$, listen$, payment, clock, scheduler }: TunnelConnectionOptions,
): Observable<TunnelConnectionEvent> {
  const { nickname } = connection

  const listenOn$ = (port: number, open: OpenConnection, event$: Observable<ConnectionEvent>) =>
    listen$({ port, host: '127.0.0.1' }).pipe(
      catchError((error: unknown) => of({ type: 'failed' as const, reason: toInternalError(error) })),
      connect(listener$ => {
        const socket$ = listener$.pipe(
          filter(event => event.type === 'socket'),
          map(({ socket }) => socket),
        )
        const carryOn$ = (tunnelPort: number): Observable<TunnelConnectionEvent> =>
          carry$({
            open,
            event$,
            role: 'consumer',
            nickname,
            tunnelPort,
            socket$,
            payment: payment?.(open),
            clock,
            scheduler,
          }).pipe(map(report => ({ type: 'carried', connection, report })))
        return listener$.pipe(
          filter(event => event.type !== 'socket'),
          switchMap((event): Observable<TunnelConnectionEvent> =>
            event.type === 'failed'
              ? of({ type: 'listener-failed', connection, reason: event.reason })
              : concat(of({ type: 'listening' as const, connection, port: event.port }), carryOn$(event.port)),
          ),
        )
      }),
    )

  const over$ = throwError(() => new LighthouseError('channel-closed', `the connection to ${nickname} is over`))
  return concat(
    offer$(nickname).pipe(
      whileOpen((open, later$) =>
        merge(
          effect$.pipe(
            filter(effect => effect.type === 'listen'),
            switchMap(({ port }) => listenOn$(port, open, later$)),
          ),
          of({ type: 'opened' as const, connection, session: open.session }),
        ),
      ),
    ),
    over$,
  ).pipe(
    takeUntil(effect$.pipe(filter(({ type }) => type === 'close'))),
    catchError((error: unknown) => of({ type: 'ended' as const, connection, reason: toInternalError(error) })),
  )
}
