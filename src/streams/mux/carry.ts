import {
  catchError,
  connect,
  EMPTY,
  filter,
  map,
  merge,
  type Observable,
  scan,
  type SchedulerLike,
  startWith,
  throwError,
} from 'rxjs'
import type { ByteSocket, MonotonicClock } from '../../ports.js'
import { toInternalError } from '../../protocol/errors.js'
import type { CarryReport, CarryStats } from '../../protocol/peer/stats.js'
import type { SessionPayment } from '../coins/session-payment.js'
import type { ConnectionEvent } from '../signaling/connection.js'
import { session$ } from './session.js'
import { isMuxReport, type MuxReport } from './session-reports.js'
import type { OpenConnection } from '../signaling/while-open.js'

export interface CarryOptions {
  readonly open: OpenConnection
  /** The same connection's later events: its path. */
  readonly event$: Observable<ConnectionEvent>
  readonly role: CarryStats['role']
  readonly nickname: string | undefined
  readonly tunnelPort: number | undefined
  readonly socket$: Observable<ByteSocket>
  readonly dial?: () => ByteSocket
  /** How it is paid for. Default: nothing is. */
  readonly payment?: SessionPayment | undefined
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

/**
 * Runs the session of an open connection and its payment, and reports, whenever it changes, what it carries, and which streams were
 * reset. Starts, ends and errors as `session$` does, or when it is not paid for. Buffers nothing.
 */
export function carry$(options: CarryOptions): Observable<CarryReport> {
  const { open, event$, role, nickname, tunnelPort, socket$, dial, payment, clock, scheduler } = options
  const initial: CarryStats = {
    session: open.session,
    nickname,
    pubKey: open.pubKey,
    role,
    engine: open.engine,
    tunnelPort,
    streams: 0,
    receivedBytes: 0,
    sentBytes: 0,
    receiveRate: 0,
    sendRate: 0,
    bufferedBytes: 0,
    silentSeconds: 0,
    path: 'unknown',
    roundTripMs: undefined,
  }
  return event$.pipe(
    filter(event => event.type === 'path'),
    connect(path$ => {
      const roundTripMs$ = path$.pipe(
        map(path => path.roundTripMs),
        filter(milliseconds => milliseconds !== undefined),
      )
      const carried$ = session$({
        channel: open.channel,
        role: role === 'consumer' ? 'client' : 'server',
        agreement: open.agreement,
        socket$,
        ...(dial && { dial }),
        credit: payment?.credit,
        explain: payment?.explain,
        receipt$: payment?.receipt$,
        roundTripMs$,
        clock,
        scheduler,
      })
      const paid$ = payment === undefined ? carried$ : carried$.pipe(payment.follow)
      // The session hears of the end, and tells its sockets why.
      return merge(path$.pipe(catchError(() => EMPTY)), paid$.pipe(filter(isMuxReport)))
    }),
    catchError((error: unknown) => throwError(() => toInternalError(error))),
    scan(
      ([stats], event): Carried => {
        if (event.type === 'resets') {
          const { type, reason, count } = event
          return [stats, { type, with: nickname ?? open.pubKey, session: open.session, reason, count }]
        }
        const changed = apply(stats, event)
        return [changed, { type: 'stats', stats: changed }]
      },
      [initial] as Carried,
    ),
    map(([, report]) => report!),
    startWith<CarryReport>({ type: 'stats', stats: initial }),
  )
}

/** What is carried by now, and the newest report. */
type Carried = readonly [CarryStats, CarryReport?]

function apply(
  stats: CarryStats,
  event: Exclude<MuxReport, { type: 'resets' }> | Extract<ConnectionEvent, { type: 'path' }>,
): CarryStats {
  if (event.type === 'streams') return { ...stats, streams: event.open }
  if (event.type === 'path') return { ...stats, path: event.kind, roundTripMs: event.roundTripMs ?? stats.roundTripMs }
  const { type: _type, ...traffic } = event
  return { ...stats, ...traffic }
}
