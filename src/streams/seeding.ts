import { catchError, defer, EMPTY, finalize, mergeMap, NEVER, type Observable, of, type SchedulerLike } from 'rxjs'
import type { ByteSocket, MonotonicClock } from '../ports.js'
import { type LighthouseError, toInternalError } from '../protocol/errors.js'
import type { Signal } from '../protocol/signal.js'
import type { SessionAccount } from './account.js'
import { carry$, type CarryReport } from './carry.js'
import type { ConnectionEvent } from './connection.js'
import { type OpenConnection, whileOpen } from './while-open.js'

/** Connections on which this peer serves, those being made included. */
export const maxServed = 200

/** Of these, how many may be in the making at once: each holds a WebRTC connection for up to 20 s. */
export const maxServedAttempts = 32

/** Connections of one key: more than one happens while an old one lingers, or is being noticed as dead. */
export const maxServedPerKey = 8

export type Offer = Signal & { readonly type: 'offer' }

export interface SeedingOptions {
  /** Offers for this peer, hot. */
  readonly offer$: Observable<Offer>
  readonly answer$: (offer: Offer) => Observable<ConnectionEvent>
  /** Connects a stream of that key to what is shared. Without it nothing is: every offer is turned away. */
  readonly dial: ((pubKey: string) => ByteSocket) | undefined
  /** Why this key gets no connection now. Default: it does. */
  readonly refusal?: (pubKey: string) => string | undefined
  /** Tells the offerer why it is turned away. */
  readonly refuse: (offer: Offer, reason: string) => void
  /** The account of a connection, once it is open. Default: nothing is counted. */
  readonly account?: (open: OpenConnection) => SessionAccount
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

export type SeedingReport =
  | CarryReport
  | { readonly type: 'ended'; readonly pubKey: string; readonly session: string; readonly reason: LighthouseError }

/**
 * The serving side: answers offers, and connects every stream that the other side opens to what is shared.
 *
 * Runs while subscribed; never completes, never errors: a bad peer costs its one connection. At most 200 connections, 32 in
 * the making and 8 of one key; an offer beyond is turned away. Buffers nothing.
 */
export function seeding$(options: SeedingOptions): Observable<SeedingReport> {
  const { offer$, answer$, dial, refusal: unwanted, refuse, account, clock, scheduler } = options
  return defer(() => {
    const served = new Map<string, { readonly pubKey: string; open: boolean }>()

    const refusal = (offer: Offer): string | undefined => {
      if (dial === undefined) return 'this peer shares nothing'
      if (served.has(offer.session)) return 'this session exists already'
      const all = [...served.values()]
      const full =
        all.length >= maxServed ||
        all.filter(({ open }) => !open).length >= maxServedAttempts ||
        all.filter(({ pubKey }) => pubKey === offer.from).length >= maxServedPerKey
      return full ? 'this peer serves as many as it can; try again later' : unwanted?.(offer.from)
    }

    const serve$ = (offer: Offer): Observable<SeedingReport> => {
      const { session, from: pubKey } = offer
      const entry = { pubKey, open: false }
      served.set(session, entry)
      return answer$(offer).pipe(
        whileOpen((open, later$) => {
          entry.open = true
          return carry$({
            open,
            event$: later$,
            role: 'seeder',
            nickname: undefined,
            tunnelPort: undefined,
            socket$: NEVER,
            dial: () => dial!(pubKey),
            account: account?.(open),
            clock,
            scheduler,
          })
        }),
        catchError((error: unknown) =>
          of<SeedingReport>({ type: 'ended', pubKey, session, reason: toInternalError(error) }),
        ),
        finalize(() => served.delete(session)),
      )
    }

    return offer$.pipe(
      mergeMap(offer => {
        const reason = refusal(offer)
        if (reason === undefined) return serve$(offer)
        refuse(offer, reason)
        return EMPTY
      }),
    )
  })
}
