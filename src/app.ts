/**
 * The composition root of a peer, and the package's main entry.
 */
import {
  BehaviorSubject,
  connectable,
  defer,
  finalize,
  from,
  merge,
  Observable,
  of,
  ReplaySubject,
  share,
  Subject,
  switchMap,
  takeUntil,
  tap,
} from 'rxjs'
import { processFigures } from './adapters/machine/process-figures.node.js'
import { proxyServer$ } from './adapters/proxy/server.express.js'
import { folderServer$ } from './adapters/share/data-server.node.js'
import { receiptStore$ } from './adapters/store/receipts/receipt-store.node.js'
import { memoryPath } from './adapters/store/sqlite/file.node.js'
import { nodeTcp } from './adapters/tcp/tcp.node.js'
import { entrance } from './adapters/tunnels/entrance.node.js'
import { type Engines, loadEngines } from './adapters/webrtc/load.node.js'
import { type Environment, environmentOf, type Peer, type PeerOptions } from './peer-options.js'
import { verifyPeerOptions } from './peer-options-rules.js'
import type { ReceiptStore } from './ports/receipts.js'
import { consumption, unpayable } from './streams/coins/payable.js'
import { createPayments } from './streams/coins/payments.js'
import { statementAudit$ } from './streams/ledger/statement-audit.js'
import { createDefects } from './streams/peer/defects.js'
import { toPeerEvents } from './streams/peer/peer-event.js'
import { peerFacts$ } from './streams/peer/facts.js'
import { connectedKey, initialPeerState, recordState$, viewsOf } from './streams/peer/peer-state.js'
import { createPeerStats$ } from './streams/peer/peer-stats.js'
import { createRequests } from './streams/peer/requests.js'
import { fallenSilent$ } from './streams/peer/silence.js'
import { createSites } from './streams/peer/sites.js'
import { createSubscriptionCount } from './streams/peer/subscription-count.js'
import { type Dial, openShare$ } from './streams/serving/open-share.js'
import { seeding$ } from './streams/serving/seeding.js'
import { createConnections, signalsOf } from './streams/signaling/connections.js'
import { createReachability } from './streams/signaling/reachability.js'
import { watchNetwork } from './streams/signaling/network-change.js'
import { type HubConnection, signaling$ } from './streams/signaling/signaling.js'
import { throughHub } from './streams/signaling/through-hub.js'
import { createTunnels } from './streams/tunnels/tunnels.js'
import { beforeEnd } from './streams/before-end.js'
import { usingValue$ } from './streams/using-value.js'

/** One running peer: the pieces put together, for one subscription. */
function run$(environment: Environment, { overTcp, missing }: Engines, store: ReceiptStore): Observable<Peer> {
  const { identity, self, ports, hub, crypto, controlToken, allowedHosts, scheduler, clock } = environment
  const { counted, current: subscriptions } = createSubscriptionCount()
  const defects = createDefects()
  const stop$ = new ReplaySubject<void>(1)
  /** Connections end first: what they sign then is still brought to the hub, and what cannot be kept is reported. */
  const closing$ = new Subject<void>()
  const over$ = new ReplaySubject<void>(1)
  const state$ = new BehaviorSubject(initialPeerState)
  const views = viewsOf(state$)

  const hubConnection$ = new BehaviorSubject<HubConnection | undefined>(undefined)
  const network = watchNetwork(environment)
  const access = { ...environment, ...network, hubConnection$, hubState$: views.state$, wanted$: new Subject<void>() }
  const signaling = connectable(signaling$({ ...access, random: Math.random }).pipe(counted()))
  const signal$ = signalsOf(signaling)
  const kept = { identity, crypto, store }
  const limits = environment.spending
  const payments = createPayments({ ...kept, limits, hubConnection$, hubEvent$: signaling, hub, scheduler })
  const audit$ = statementAudit$({ ...kept, hubConnection$, signal$, settled$: payments.settled$ })
  const reachability = createReachability(access)
  const through = throughHub({
    ...environment,
    overTcp,
    reachability,
    signal$,
    newestHead: hubKey => store.newestHead(hubKey),
    objection: other => unpayable(payments, other),
  })
  const doubt$ = merge(network.networkChange$, fallenSilent$(state$, scheduler))
  const connections = createConnections({ ...access, through, signal$, doubt$ })
  const sites = createSites({ store: environment.sites, keyOf: name => connectedKey(state$.value, name), clock })
  const proxyPort$ = new ReplaySubject<number>(1)
  const payment = consumption(payments)
  const tunnels = createTunnels({
    ...access,
    offer$: (name, direct) => connections.offer$(name, direct).pipe(counted()),
    listen$: entrance({ proxyPort$, allowedHosts, sites }).listen$,
    ports: ports.tunnels,
    payment,
  })
  const shared$ = openShare$({
    share: environment.share,
    openFolder$: (path, fromPeer) => folderServer$({ path, home: environment.home, port: ports.data, fromPeer }),
    tcp: nodeTcp,
  })

  const common = { identity, state: () => state$.value, clock, scheduler }
  const requests = createRequests({ ...environment, ...common, payments, payment, connections, tunnels, defects })
  const { connect$, forgive$ } = requests
  const watched = { ...common, identity: self, crypto, subscriptions, figures: processFigures }
  const stats$ = createPeerStats$(watched).pipe(takeUntil(over$), counted())
  const shown = { identity: self, controlToken, stats$, connect$, forgive$ }
  const facts$ = peerFacts$(environment, views.state$, () => hubConnection$.value?.iceServers ?? [])
  const forProxy = { ...requests, carry: tunnels.carry, facts$, sites, allowedHosts }
  const backend = { ...shown, ...forProxy, requestStop: () => stop$.next() }

  /** The peer, once its listeners are open. */
  const peer$ = (addresses: Peer['addresses'], dial: Dial | undefined): Observable<Peer> => {
    const report$ = merge(
      defects.report$,
      payments.report$.pipe(defects.contained()),
      audit$.pipe(counted(), defects.contained()),
      seeding$({
        ...connections,
        ...payments,
        offer$: connections.incoming$,
        answer$: offer => connections.answer$(offer).pipe(counted()),
        dial,
        payment: payments.serve,
        clock,
        scheduler,
      }).pipe(defects.contained(), takeUntil(closing$)),
      connections.tried$,
      tunnels.report$.pipe(defects.contained(), takeUntil(closing$)),
      reachability.report$.pipe(defects.contained(), takeUntil(closing$)),
      signaling.pipe(
        tap(event => {
          if (event.type === 'hub-connection') hubConnection$.next(event.hub)
        }),
      ),
      // Last, when all of them listen.
      new Observable<never>(() => signaling.connect()),
    ).pipe(
      tap(report => reachability.note(report)),
      share(),
    )
    const peer: Peer = {
      ...shown,
      ...views,
      addresses,
      stopRequested$: stop$.pipe(takeUntil(over$)),
      event$: report$.pipe(toPeerEvents(missing), takeUntil(over$)),
    }
    return merge(recordState$(report$, state$), of(peer))
  }
  return shared$.pipe(
    switchMap(({ url: data, dial }) =>
      proxyServer$({ port: ports.proxy, peer: backend, dataUrl: data }).pipe(
        tap(({ port }) => proxyPort$.next(port)),
        switchMap(({ url: proxy }) => peer$({ proxy, data }, dial)),
      ),
    ),
    finalize(() => {
      over$.next()
      state$.complete()
    }),
    beforeEnd(() => closing$.next()),
  )
}

/**
 * A whole peer. Cold: each subscription starts one and emits it once its listeners are open; it signs in at the hub, and
 * comes back there, by itself. Unsubscribing frees every port, socket, timer and connection. Never completes by itself.
 *
 * Errors with `invalid-option`, `invalid-share` or `port-in-use` when it cannot start; after that nothing that happens on
 * the network ends it. It prints nothing and never ends the process.
 *
 * @example
 * import { createPeer$, portBlock, register$ } from 'lighthouse-peer'
 * import { createHub$ } from 'lighthouse-peer/hub'
 * import { first, switchMap } from 'rxjs'
 *
 * // A hub of its own; elsewhere there is one, and an identity that was registered there once.
 * createHub$({ port: 0, database: ':memory:' })
 *   .pipe(
 *     switchMap(({ url }) => register$({ host: url, nickname: 'alice' })),
 *     switchMap(identity => createPeer$({ identity, ports: portBlock(0), share: { type: 'folder', path: '.' } })),
 *     switchMap(peer => peer.state$),
 *     first(state => state.type === 'authenticated'),
 *   )
 *   .subscribe(state => console.log(state.type))
 * // → authenticated
 */
export function createPeer$(options: PeerOptions): Observable<Peer> {
  return defer(() => {
    verifyPeerOptions(options)
    const engines$ = options.rtc === undefined ? from(loadEngines()) : of<Engines>({ rtc: options.rtc })
    const { receipts } = options
    const receipts$ = receipts === undefined ? receiptStore$(memoryPath, options.identity.pubKey) : of(receipts)
    return usingValue$(receipts$, store =>
      engines$.pipe(switchMap(engines => run$(environmentOf(options, engines.rtc), engines, store))),
    )
  })
}
