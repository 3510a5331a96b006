import {
  catchError,
  concat,
  connect,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  Subject,
  takeUntil,
  tap,
  timer,
} from 'rxjs'
import type { MonotonicClock } from '../../ports.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import { type Place, placeFor, type PlaceLimits } from '../../protocol/serving/places.js'
import type { CarryReport, CarryStats } from '../../protocol/peer/stats.js'
import { goneSeconds, repairSeconds, suspectSeconds } from '../../protocol/tunnels/replace.js'
import type { SessionPayment } from '../coins/session-payment.js'
import { carry$ } from '../mux/carry.js'
import type { ConnectionEvent } from '../signaling/connection.js'
import type { Offer } from '../../protocol/signaling/signal.js'
import { type OpenConnection, whileOpen } from '../signaling/while-open.js'
import type { Dial } from './open-share.js'

/** On how many connections a peer serves. */
export const servedLimits: PlaceLimits = {
  total: 200,
  unpaid: 160,
  making: 32,
  // More than one happens while an old one lingers, or is being noticed as dead.
  perKey: 4,
  makingPerKey: 2,
  // Longer than the pauses in which somebody reads a page.
  restMs: 10_000,
}

export interface SeedingOptions {
  /** Offers for this peer, hot. */
  readonly offer$: Observable<Offer>
  readonly answer$: (offer: Offer) => Observable<ConnectionEvent>
  /** Connects a stream of that key to what is shared. Without it nothing is: every offer is turned away. */
  readonly dial: Dial | undefined
  /** Whether the hub has the peer with this key: once, or nothing where nobody can tell. Default: nobody can. */
  readonly isOnline$?: (pubKey: string) => Observable<boolean>
  /** Why this key gets no connection now. Default: it does. */
  readonly refusal?: (pubKey: string) => string | undefined
  /** Whether this key has paid this peer. Such keys find a place where others do not. Default: none has. */
  readonly hasPaid?: (pubKey: string) => boolean
  /** Notifies the offerer why it is refused. */
  readonly refuse: (offer: Offer, reason: string) => void
  /** How a connection is paid for, once it is open. Default: it is not. */
  readonly payment?: (open: OpenConnection) => SessionPayment
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

export type SeedingReport =
  | CarryReport
  | { readonly type: 'ended'; readonly pubKey: string; readonly session: string; readonly reason: LighthouseError }

/** Errors when the other side of this connection has been silent for a while and the hub does not have it either. */
function untilGone$(
  open: OpenConnection,
  report$: Observable<CarryReport>,
  { isOnline$ = () => EMPTY, scheduler }: SeedingOptions,
): Observable<never> {
  return report$.pipe(
    filter(report => report.type === 'stats' && report.stats.silentSeconds >= goneSeconds),
    // Other implementations may send nothing for ten seconds.
    filter(() => open.agreement.rst),
    exhaustMap(() =>
      concat(isOnline$(open.pubKey), timer(repairSeconds.between * 1000, scheduler).pipe(ignoreElements())),
    ),
    filter(isOnline => !isOnline),
    map(() => {
      throw new LighthouseError(
        'peer-silent',
        'nothing came from the other side, and the hub does not know it any more',
      )
    }),
  )
}

/** A connection in its place, and how to end it from here. */
interface Served {
  place: Place
  readonly end$: Subject<never>
}

/**
 * The serving side: answers offers, and connects every stream that the other side opens to what is shared.
 *
 * Runs while subscribed; never completes, never errors: a bad peer costs its one connection. At most 200 connections, of which
 * 32 are being made, 4 are of one key and 160 of keys that have not paid. `placeFor` says which one goes for another; an
 * offer for which none does is turned away. Buffers nothing.
 */
export function seeding$(options: SeedingOptions): Observable<SeedingReport> {
  const { offer$, answer$, dial, refusal: unwanted, hasPaid = () => false, refuse, payment, clock, scheduler } = options
  return defer(() => {
    const served = new Map<string, Served>()

    const refusal = ({ session, from }: Offer): string | undefined => {
      if (dial === undefined) return 'this peer shares nothing'
      return served.has(session) ? 'this session exists already' : unwanted?.(from)
    }
    /** Whether there is a place for that key, for which another connection may have had to go. */
    const makeRoom = (pubKey: string): boolean => {
      const places = [...served.values()].map(({ place }) => place)
      const decision = placeFor({ pubKey, places, limits: servedLimits, hasPaid, nowMs: clock.now() })
      if (decision.type === 'instead') {
        const message = 'no places were left, and this connection was ended for another one'
        served.get(decision.session)!.end$.error(new LighthouseError('too-many-connections', message))
      }
      return decision.type !== 'full'
    }

    const serve$ = (offer: Offer): Observable<SeedingReport> => {
      const { session, from: pubKey } = offer
      const start = { session, pubKey, open: false, streams: 0, silent: false, sinceMs: clock.now() }
      const entry: Served = { place: start, end$: new Subject() }
      served.set(session, entry)
      const note = (open: OpenConnection, { streams, silentSeconds }: CarryStats): void => {
        const { place } = entry
        // Other implementations may send nothing for ten seconds.
        const silent = open.agreement.rst && silentSeconds >= suspectSeconds
        const sinceMs = place.open && place.streams === streams ? place.sinceMs : clock.now()
        entry.place = { ...place, open: true, streams, silent, sinceMs }
      }
      return answer$(offer).pipe(
        whileOpen((open, later$) =>
          carry$({
            open,
            event$: later$,
            role: 'seeder',
            nickname: undefined,
            tunnelPort: undefined,
            socket$: NEVER,
            dial: () => dial!(pubKey),
            payment: payment?.(open),
            clock,
            scheduler,
          }).pipe(
            tap(report => {
              if (report.type === 'stats') note(open, report.stats)
            }),
            connect(report$ => merge(untilGone$(open, report$, options), report$)),
          ),
        ),
        takeUntil(entry.end$),
        catchError((error: unknown) =>
          of<SeedingReport>({ type: 'ended', pubKey, session, reason: toInternalError(error) }),
        ),
        finalize(() => served.delete(session)),
      )
    }

    return offer$.pipe(
      mergeMap(offer => {
        const reason = refusal(offer)
        if (reason === undefined && makeRoom(offer.from)) return serve$(offer)
        refuse(offer, reason ?? 'this peer is serving as many as it can; try again later')
        return EMPTY
      }),
    )
  })
}
