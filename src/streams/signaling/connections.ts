import { type BehaviorSubject, defer, EMPTY, filter, type Observable, type SchedulerLike, switchMap } from 'rxjs'
import type { HubState } from '../../protocol/peer/stats.js'
import type { Offer, Signal } from '../../protocol/signaling/signal.js'
import { sayBye } from './bye.js'
import { answerConnection$, type ConnectionEvent, type ConnectionOptions, offerConnection$ } from './connection.js'
import { keyOf$ } from './key-of.js'
import { type HubConnection, signedIn$ } from './signaling.js'

export interface ConnectionsOptions {
  /** What a connection through that hub needs. */
  readonly through: (hubConnection: HubConnection) => ConnectionOptions
  /** Every signal for this peer, hot. */
  readonly signal$: Observable<Signal>
  readonly hubConnection$: BehaviorSubject<HubConnection | undefined>
  readonly hubState$: Observable<HubState>
  readonly scheduler: SchedulerLike
}

/** Connections through the hub to which the peer is signed in at the time. */
export interface Connections {
  /** Connects to a peer by nickname. Errors as `signedIn$` does where there is no hub. */
  readonly offer$: (nickname: string) => Observable<ConnectionEvent>
  /** Offers of others, as they arrive. */
  readonly incoming$: Observable<Offer>
  /** Answers an offer. Empty where the hub is away by now. */
  readonly answer$: (offer: Offer) => Observable<ConnectionEvent>
  /** Turns an offer away. */
  readonly refuse: (offer: Offer, reason: string) => void
  /** The key behind a nickname; errors as `offer$` does. */
  readonly keyOf$: (nickname: string) => Observable<string>
}

export function createConnections({
  through,
  signal$,
  hubConnection$,
  hubState$,
  scheduler,
}: ConnectionsOptions): Connections {
  const signedInTo$ = <T>(work$: (options: ConnectionOptions) => Observable<T>): Observable<T> =>
    signedIn$(hubState$, hubConnection$, scheduler).pipe(switchMap(hubConnection => work$(through(hubConnection))))
  return {
    offer$: nickname => signedInTo$(options => offerConnection$(options, nickname)),
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
    keyOf$: nickname => signedInTo$(options => keyOf$(options, nickname)),
  }
}
