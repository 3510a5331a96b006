/** A peer whose bytes cost nothing: the parts of `createPeer$` without the accounts, to show what those cost. */
import { BehaviorSubject, filter, map, merge, NEVER, Observable, share, Subject, switchMap, tap } from 'rxjs'
import { nodeTcp } from '../src/adapters/tcp/tcp.node.js'
import { environmentOf, type PeerOptions } from '../src/peer-options.js'
import type { RtcPort } from '../src/ports.js'
import type { Tunnel } from '../src/protocol/tunnels/tunnels.js'
import type { Offer } from '../src/protocol/signaling/signal.js'
import type { HubState } from '../src/protocol/peer/stats.js'
import { answerConnection$, type ConnectionOptions, offerConnection$ } from '../src/streams/signaling/connection.js'
import { peerState$ } from '../src/streams/peer/peer-state.js'
import { seeding$ } from '../src/streams/serving/seeding.js'
import { type HubConnection, signaling$, signedIn$ } from '../src/streams/signaling/signaling.js'
import { createTunnels } from '../src/streams/tunnels/tunnels.js'

/** What the bench needs of a peer, counted or not. */
export interface BenchPeer {
  readonly state$: Observable<HubState>
  connect$(nickname: string): Observable<Tunnel>
}

/**
 * Emits the peer once and runs it until unsubscribed. The same streams in the same order as in a whole peer; left out are
 * accounts, receipts, the proxy and the data server.
 */
export function uncountedPeer$(options: PeerOptions & { readonly rtc: RtcPort }): Observable<BenchPeer> {
  return new Observable(subscriber => {
    const environment = environmentOf(options, options.rtc)
    const { share: shared, ports, clock, scheduler } = environment
    const hubConnection$ = new BehaviorSubject<HubConnection | undefined>(undefined)
    const hubState$ = new BehaviorSubject<HubState>({ type: 'connecting', attempt: 1 })
    const hubAccess = { hubConnection$, hubState$, wanted$: new Subject<void>() }
    const signaling = signaling$({ ...environment, ...hubAccess, random: Math.random }).pipe(share())
    const signal$ = signaling.pipe(
      filter(event => event.type === 'signal'),
      map(({ signal }) => signal),
    )
    const optionsOf = (hubConnection: HubConnection): ConnectionOptions => ({ ...environment, hubConnection, signal$ })
    const tunnels = createTunnels({
      offer$: name =>
        signedIn$(hubAccess, scheduler).pipe(
          switchMap(hubConnection => offerConnection$(optionsOf(hubConnection), name)),
        ),
      listen$: ({ port }) => nodeTcp.listen$({ port, host: '127.0.0.1' }),
      ports: ports.tunnels,
      clock,
      scheduler,
    })
    const served$ = seeding$({
      offer$: signal$.pipe(filter((signal): signal is Offer => signal.type === 'offer')),
      answer$: offer =>
        hubConnection$.value === undefined ? NEVER : answerConnection$(optionsOf(hubConnection$.value), offer),
      dial: shared?.type === 'tcp' ? () => nodeTcp.dial({ host: shared.host, port: shared.port }) : undefined,
      refuse: (_offer, reason) => subscriber.error(new Error(reason)),
      clock,
      scheduler,
    })
    const heard$ = signaling.pipe(
      tap(event => {
        if (event.type === 'hub-connection') hubConnection$.next(event.hub)
        if (event.type === 'state') hubState$.next(event.state)
      }),
    )
    const report$ = merge(heard$, tunnels.report$, served$)
    subscriber.add(peerState$(report$).subscribe({ error: error => subscriber.error(error) }))
    subscriber.next({ state$: hubState$, connect$: name => tunnels.connect$(name) })
  })
}
