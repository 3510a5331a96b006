import {
  catchError,
  connect,
  defer,
  EMPTY,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  Subject,
  tap,
  timer,
} from 'rxjs'
import type { MonotonicClock } from '../../ports.js'
import type { ProbeEvent } from '../../protocol/doctor/probe.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { SessionPayment } from '../coins/session-payment.js'
import { carry$ } from '../mux/carry.js'
import type { ConnectionEvent } from '../signaling/connection.js'
import { type OpenConnection, whileOpen } from '../signaling/while-open.js'
import { askOnce } from './ask-once.js'

/** From the open connection to the first bytes of what is shared and a round trip. */
const answerLimitMs = 5_000

export interface ProbeOptions {
  readonly offer$: (nickname: string) => Observable<ConnectionEvent>
  readonly payment: (open: OpenConnection) => SessionPayment
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

type Timed = <Event extends object>(event: Event) => Event & { readonly ms: number }

function toProbe(event: ConnectionEvent, timed: Timed): readonly ProbeEvent[] {
  switch (event.type) {
    case 'offering':
    case 'connecting':
    case 'delivered':
    case 'answered':
    case 'open':
      return [timed({ type: 'phase', phase: event.type })]
    case 'path':
      return event.kind === 'unknown' ? [] : [timed({ ...event })]
    case 'candidates':
      return [timed({ ...event })]
    case 'resolving':
    case 'closed':
      return []
  }
}

/** Asks for the head of what lies at the root: HTTP gives no body for it, and anything else says at least that it is no HTTP. */
const question = 'HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nConnection: close\r\n\r\n'

/**
 * Connects to a peer anew, whatever connections to it there are, and asks once for the head of what it shares.
 *
 *     offering connecting delivered answered open path answer|
 *
 * Starts at once. Completes when the first bytes have come and the round trip of a direct path is known, or 5 s after the connection
 * opened; a failure is the last event. Costs the bytes of one HTTP response without a body. Unsubscribing ends the connection. Buffers nothing.
 */
export function probePeer$(options: ProbeOptions, nickname: string): Observable<ProbeEvent> {
  const { offer$, payment, clock, scheduler } = options
  return defer(() => {
    const startMs = clock.now()
    const timed: Timed = event => ({ ...event, ms: Math.round(clock.now() - startMs) })
    const finished = new LighthouseError('channel-closed', 'all was seen')
    const end$ = new Subject<never>()
    const { socket, answer$ } = askOnce(new TextEncoder().encode(question))
    const missing = new Set(['answer', 'round trip'])
    const seen = (what: string): void => {
      if (missing.delete(what) && missing.size === 0) end$.error(finished)
    }
    const carried$ = (open: OpenConnection, later$: Observable<ConnectionEvent>): Observable<ProbeEvent> =>
      merge(
        answer$.pipe(
          map(bytes => {
            const status = /^HTTP\/1\.\d (\d{3})/.exec(new TextDecoder('latin1').decode(bytes))?.[1]
            return timed({ type: 'answer' as const, status: status === undefined ? undefined : Number(status) })
          }),
        ),
        carry$({
          open,
          event$: merge(later$, end$),
          role: 'consumer',
          nickname,
          tunnelPort: undefined,
          socket$: of(socket),
          payment: payment(open),
          clock,
          scheduler,
        }).pipe(ignoreElements()),
        timer(answerLimitMs, scheduler).pipe(
          tap(() => end$.error(finished)),
          ignoreElements(),
        ),
      )
    return offer$(nickname).pipe(
      connect(event$ => merge(event$.pipe(mergeMap(event => toProbe(event, timed))), event$.pipe(whileOpen(carried$)))),
      tap(event => {
        if (event.type === 'answer') seen('answer')
        // A relay is often ready first, and left as soon as there is a better path.
        if (event.type === 'path' && event.kind !== 'relay' && event.roundTripMs !== undefined) seen('round trip')
      }),
      catchError((error: unknown) => {
        if (error === finished) return EMPTY
        const { code, message, details } = toInternalError(error)
        return of<ProbeEvent>(timed({ type: 'failed', code, message, next: details.next }))
      }),
    )
  })
}
