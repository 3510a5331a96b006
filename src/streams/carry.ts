import { connect, filter, map, merge, type Observable, scan, type SchedulerLike, startWith } from 'rxjs'
import type { ByteChannel, ByteSocket, MonotonicClock } from '../ports.js'
import type { ConnectionState } from '../protocol/connection-state.js'
import type { ConnectionStats } from '../protocol/stats.js'
import type { ConnectionEvent } from './connection.js'
import { type SessionEvent, session$ } from './session.js'

type OpenState = Extract<ConnectionState<ByteChannel>, { type: 'open' }>

export interface CarryOptions {
  readonly open: OpenState
  /** The same connection's later events: its path. */
  readonly event$: Observable<ConnectionEvent>
  readonly role: ConnectionStats['role']
  readonly nickname: string | undefined
  readonly tunnelPort: number | undefined
  readonly socket$: Observable<ByteSocket>
  readonly dial?: () => ByteSocket
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

/**
 * Runs the session of an open connection and says, whenever it changes, what it carries. Starts, ends and errors as
 * `session$` does. Buffers nothing.
 */
export function carry$(options: CarryOptions): Observable<ConnectionStats> {
  const { open, event$, role, nickname, tunnelPort, socket$, dial, clock, scheduler } = options
  const initial: ConnectionStats = {
    session: open.session,
    nickname,
    pubKey: open.pubKey,
    role,
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
      return merge(
        path$,
        session$({
          channel: open.channel,
          role: role === 'consumer' ? 'client' : 'server',
          agreement: open.agreement,
          socket$,
          ...(dial && { dial }),
          roundTripMs$,
          clock,
          scheduler,
        }),
      )
    }),
    scan((stats, event): ConnectionStats => apply(stats, event), initial),
    startWith(initial),
  )
}

function apply(
  stats: ConnectionStats,
  event: SessionEvent | Extract<ConnectionEvent, { type: 'path' }>,
): ConnectionStats {
  if (event.type === 'streams') return { ...stats, streams: event.open }
  if (event.type !== 'path' && event.type !== 'traffic') return stats
  if (event.type === 'path') return { ...stats, path: event.kind, roundTripMs: event.roundTripMs ?? stats.roundTripMs }
  const { type: _type, ...traffic } = event
  return { ...stats, ...traffic }
}
