import {
  catchError,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  type SchedulerLike,
  switchMap,
} from 'rxjs'
import type { Identity } from '../../protocol/peer/metadata.js'
import type { Offer, Signal } from '../../protocol/signaling/signal.js'
import { sayBye } from './bye.js'
import { answerConnection$, type ConnectionEvent, type ConnectionOptions, offerConnection$ } from './connection.js'
import { keyOf$ } from './key-of.js'
import { type HubAccess, type HubConnection, signedIn$, type SignalingEvent } from './signaling.js'

/** The signals for this peer among what happens at its hub. */
export function signalsOf(event$: Observable<SignalingEvent>): Observable<Signal> {
  return event$.pipe(
    filter(event => event.type === 'signal'),
    map(({ signal }) => signal),
  )
}

export interface ConnectionsOptions extends HubAccess {
  /** What a connection through that hub needs. */
  readonly through: (hubConnection: HubConnection) => ConnectionOptions
  /** Every signal for this peer, hot. */
  readonly signal$: Observable<Signal>
  /** This peer's own. */
  readonly identity: Pick<Identity, 'pubKey'>
  /** Emits when the connection to the hub may be over without a sign of it, hot. */
  readonly doubt$: Observable<unknown>
  readonly scheduler: SchedulerLike
}

/** Connections through the hub to which the peer is signed in at the time. */
export interface Connections {
  /** Connects to a peer by nickname. Errors as `signedIn$` does where there is no hub. */
  readonly offer$: (nickname: string, direct?: boolean) => Observable<ConnectionEvent>
  /** Offers of others, as they arrive. */
  readonly incoming$: Observable<Offer>
  /** Answers an offer. Empty where the hub is away by now. */
  readonly answer$: (offer: Offer) => Observable<ConnectionEvent>
  /** Turns an offer away. */
  readonly refuse: (offer: Offer, reason: string) => void
  /** Whether the hub has that peer: once, or nothing where the hub does not answer. */
  readonly isOnline$: (pubKey: string) => Observable<boolean>
  /** Tries the hub connection whenever it is in doubt, while subscribed to. */
  readonly tried$: Observable<never>
  /** The key behind a nickname; errors as `offer$` does. */
  readonly keyOf$: (nickname: string) => Observable<string>
}

export function createConnections(options: ConnectionsOptions): Connections {
  const { through, signal$, hubConnection$, identity, doubt$, scheduler } = options
  const signedInTo$ = <T>(work$: (options: ConnectionOptions) => Observable<T>): Observable<T> =>
    signedIn$(options, scheduler).pipe(switchMap(hubConnection => work$(through(hubConnection))))
  const isOnline$ = (to: string): Observable<boolean> =>
    signedInTo$(({ crypto, hubConnection }) =>
      // Whoever gets it ignores it: there is no such session.
      hubConnection.socket.send$({
        type: 'bye',
        session: crypto.randomId(16),
        from: identity.pubKey,
        to,
        payload: { reason: '' },
      }),
    ).pipe(
      map(ack => 'delivered' in ack || ack.error.code !== 'offline'),
      catchError(() => EMPTY),
    )
  return {
    offer$: (nickname, direct = false) => signedInTo$(options => offerConnection$({ ...options, direct }, nickname)),
    incoming$: signal$.pipe(filter((signal): signal is Offer => signal.type === 'offer')),
    answer$: offer =>
      defer(() =>
        hubConnection$.value === undefined ? EMPTY : answerConnection$(through(hubConnection$.value), offer),
      ),
    refuse({ session, from: to }, reason) {
      const hubConnection = hubConnection$.value
      if (hubConnection === undefined) return
      const from = through(hubConnection).identity.pubKey
      sayBye(hubConnection.socket, { session, from, to }, reason)
    },
    isOnline$,
    tried$: doubt$.pipe(
      mergeMap(() => isOnline$(identity.pubKey)),
      ignoreElements(),
    ),
    keyOf$: nickname => signedInTo$(options => keyOf$(options, nickname)),
  }
}
