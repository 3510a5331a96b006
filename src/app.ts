/**
 * The composition root of a peer, and the package's main entry.
 */
import {
  BehaviorSubject,
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  ReplaySubject,
  share,
  startWith,
  Subject,
  switchMap,
  takeUntil,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs'
import { type FolderServer, folderServer$ } from './adapters/share/data-server.node.js'
import { processFigures } from './adapters/machine/process-figures.node.js'
import type { Balance, ProxyBackend } from './adapters/proxy/backend.js'
import { proxyServer$ } from './adapters/proxy/server.express.js'
import { receiptStore$ } from './adapters/store/receipts/receipt-store.node.js'
import { memoryPath } from './adapters/store/sqlite/file.node.js'
import { nodeTcp } from './adapters/tcp/tcp.node.js'
import { type Engines, loadEngines } from './adapters/webrtc/load.node.js'
import { type Environment, environmentOf, type Peer, type PeerEvent, type PeerOptions } from './peer-options.js'
import { verifyPeerOptions } from './peer-options-rules.js'
import type { ByteSocket } from './ports.js'
import type { ReceiptStore } from './ports/receipts.js'
import { isLighthouseError, LighthouseError, toInternalError } from './protocol/errors.js'
import { isNickname } from './protocol/peer/nickname.js'
import { type PeerPorts, portBlock } from './protocol/peer/port-block.js'
import type { PeerStats } from './protocol/peer/stats.js'
import type { Tunnel } from './protocol/tunnels/tunnels.js'
import { createAccounts } from './streams/coins/accounts.js'
import { answerConnection$, type ConnectionOptions, keyOf$, offerConnection$ } from './streams/signaling/connection.js'
import { statementAudit$ } from './streams/ledger/statement-audit.js'
import { payable$, unpayable } from './streams/coins/payable.js'
import { type PeerReport, type PeerState, peerState$ } from './streams/peer-state.js'
import { type Offer, seeding$ } from './streams/serving/seeding.js'
import { fairDial, folderDials, serviceDials } from './streams/serving/fair-dial.js'
import { type HubSession, signaling$, signedIn$ } from './streams/signaling/signaling.js'
import { createReachability } from './streams/signaling/reachability.js'
import { chosenRtc } from './streams/signaling/rtc-choice.js'
import { createTunnels } from './streams/tunnels/tunnels.js'
import { usingValue$ } from './streams/using-value.js'

export type { Peer, PeerEvent, PeerOptions, Share } from './peer-options.js'
export { type PeerPorts, portBlock, type Tunnel }

/** How long the wallet is asked for before the last one known is told: less than the 5 s that the command waits. */
const balancePatienceMs = 3_000

function hubAway(): LighthouseError {
  return new LighthouseError('hub-unreachable', 'the hub did not answer in time; it is tried again by itself')
}

function statsOf(state: PeerState, nickname: string, subscriptions: number, uptimeMs: number): PeerStats {
  const connections = [...state.connections.values()]
  const sum = (pick: (stats: (typeof connections)[number]) => number): number =>
    connections.reduce((total, stats) => total + pick(stats), 0)
  return {
    nickname,
    hub: state.hub,
    coins: state.coins,
    udp: state.udp,
    subscriptions,
    attempts: state.attempts.size,
    connections,
    streams: sum(({ streams }) => streams),
    bufferedBytes: sum(({ bufferedBytes }) => bufferedBytes),
    uptimeMs,
    ...processFigures(),
  }
}

function toEvent(report: PeerReport): PeerEvent | undefined {
  if (report.type === 'state') return { type: 'hub', state: report.state }
  if (report.type === 'tunnel') return { type: 'tunnel', tunnel: report.tunnel }
  if (report.type === 'receipts-failed' || report.type === 'evidence' || report.type === 'defect') return report
  if (report.type === 'resets') return { ...report, type: 'streams-reset' }
  if (report.type === 'left-out') return { type: 'evidence-left-out', hub: report.hub, kind: report.kind }
  if (report.type === 'unchecked') return { type: 'ledger-unchecked', hub: report.hub, reason: report.reason }
  if (report.type === 'receipt-refused') {
    const { receipt, code, message } = report
    return { type: 'receipt-refused', session: receipt.session, code, message }
  }
  if (report.type !== 'ended') return undefined
  return { type: 'ended', with: 'nickname' in report ? report.nickname : report.pubKey, reason: report.reason }
}

/** One running peer: the pieces put together, for one subscription. */
function run$(environment: Environment, { overTcp, missing }: Engines, store: ReceiptStore): Observable<Peer> {
  const { identity, share: shared, home, ports, hub, controlToken, scheduler, clock } = environment
  const { nickname, pubKey } = identity
  const startedAt = clock.now()
  let subscriptions = 0
  const counted = <T>(source: Observable<T>): Observable<T> =>
    defer(() => {
      subscriptions++
      return source.pipe(finalize(() => subscriptions--))
    })

  const defect$ = new Subject<LighthouseError>()
  /** Hands on what is ours; anything else is a defect, which is told. */
  const known = (error: unknown): LighthouseError => {
    const reason = toInternalError(error)
    if (reason !== error) defect$.next(reason)
    return reason
  }
  /** Runs one part of the peer: a defect ends that part, and none of the others. */
  const apart = <T>(part$: Observable<T>): Observable<T> =>
    part$.pipe(
      catchError((error: unknown) => {
        if (isLighthouseError(error)) throw error
        known(error)
        return EMPTY
      }),
    )

  const stop$ = new ReplaySubject<void>(1)
  /** Connections end first: what they sign then is brought, and what cannot be kept is told. */
  const closing$ = new Subject<void>()
  const over$ = new ReplaySubject<void>(1)
  const session$ = new BehaviorSubject<HubSession | undefined>(undefined)
  const signaling = signaling$({ ...environment, random: Math.random }).pipe(counted, share())
  const signal$ = signaling.pipe(
    filter(event => event.type === 'signal'),
    map(({ signal }) => signal),
  )
  const { crypto, spending: limits } = environment
  const accounts = createAccounts({ identity, crypto, store, limits, hubSession$: session$, hub, scheduler })
  const audit$ = statementAudit$({ identity, crypto, store, session$, signal$, settled$: accounts.settled$ }).pipe(
    counted,
  )
  const iceServers$ = session$.pipe(
    filter(session => session !== undefined),
    map(({ iceServers }) => [...environment.iceServers, ...iceServers]),
  )
  const reachability = createReachability({ ...environment, iceServers$ })
  const { udp$ } = reachability
  const usual = environment.rtc
  const connectionOptions = (hubSession: HubSession): ConnectionOptions => ({
    ...environment,
    rtc: overTcp === undefined ? usual : chosenRtc({ usual, overTcp, udp$, scheduler }),
    hubSession,
    signal$,
    head: () => store.newestHead(hubSession.hubKey),
    objection: other => unpayable(accounts, other),
  })

  const state$ = new BehaviorSubject<PeerState | undefined>(undefined)
  const known$ = state$.pipe(filter(state => state !== undefined))
  const hubState$ = known$.pipe(
    map(state => state.hub),
    distinctUntilChanged(),
    takeUntil(over$),
  )

  const tunnels = createTunnels({
    offer$: name =>
      signedIn$(hubState$, session$, scheduler).pipe(
        switchMap(hubSession => offerConnection$(connectionOptions(hubSession), name)),
        counted,
      ),
    listen$: nodeTcp.listen$,
    ports: ports.tunnels,
    account: ({ hubKey, session, pubKey: seeder }) => accounts.paid({ hubKey, session, seeder }),
    unpayable: () => unpayable(accounts),
    clock,
    scheduler,
  })
  const balance$ = accounts.lookUp$(
    hub.balance$(pubKey).pipe(
      map(bytes => {
        if (bytes === undefined)
          throw new LighthouseError('not-authenticated', 'the hub does not know this peer; register again')
        return bytes
      }),
    ),
  )
  /** The hub's answer, or what it said last where it is away. */
  const lastBalance$ = balance$.pipe(
    timeout({ first: balancePatienceMs, scheduler, with: () => throwError(hubAway) }),
    map((bytes): Balance => ({ bytes, asOfMs: undefined })),
    catchError((error: unknown) => {
      const { wallet } = accounts
      if (wallet === undefined || !isLighthouseError(error, 'hub-unreachable')) throw error
      return of({ bytes: wallet.bytes, asOfMs: wallet.atMs })
    }),
  )
  const keyIfConnected = (name: string): string | undefined =>
    [...(state$.value?.connections.values() ?? [])].find(({ nickname: other }) => other === name)?.pubKey
  /** For somebody else's nickname alone. */
  const withOther = <T>(name: string, work$: () => Observable<T>): Observable<T> =>
    defer(() => {
      if (!isNickname(name))
        throw new LighthouseError('malformed-nickname', `"${name}" is no nickname: only the letters a to z`)
      if (name === nickname) throw new LighthouseError('own-nickname', `"${name}" is you`, { nickname })
      return work$()
    }).pipe(catchError((error: unknown) => throwError(() => known(error))))
  const connect$ = (name: string): Observable<Tunnel> =>
    withOther(name, () =>
      payable$(accounts, balance$, keyIfConnected(name)).pipe(mergeMap(() => tunnels.connect$(name).pipe(counted))),
    )
  const forgive$ = (name: string): Observable<number> =>
    withOther(name, () =>
      signedIn$(hubState$, session$, scheduler).pipe(
        switchMap(hubSession => keyOf$({ ...environment, hubSession }, name)),
        map(key => accounts.forgive(key)),
        counted,
      ),
    )

  /** Local TCP ports of the connections that streams of others dialled, and whose streams they are. */
  const dialledBy = new Map<number, string>()
  const dialTo =
    (host: string, port: number) =>
    (key: string): ByteSocket =>
      nodeTcp.dial({
        host,
        port,
        onLocalPort: (local, open) => {
          if (open) dialledBy.set(local, key)
          else dialledBy.delete(local)
        },
      })
  const refuse = ({ session, from: to }: Offer, reason: string): void => {
    // A courtesy: whether it arrives changes nothing here.
    session$.value?.connection
      .send$({ type: 'bye', session, from: pubKey, to, payload: { reason } })
      .pipe(catchError(() => EMPTY))
      .subscribe()
  }
  const serve$ = (dial: ((key: string) => ByteSocket) | undefined): Observable<PeerReport> =>
    seeding$({
      offer$: signal$.pipe(filter((signal): signal is Offer => signal.type === 'offer')),
      answer$: offer => {
        const hubSession = session$.value
        if (hubSession === undefined) return EMPTY
        return answerConnection$(connectionOptions(hubSession), offer).pipe(counted)
      },
      dial,
      refusal: key => accounts.refusal(key),
      hasPaid: key => accounts.hasPaid(key),
      refuse,
      account: ({ hubKey, session, pubKey: consumer }) => accounts.served({ hubKey, session, consumer }),
      clock,
      scheduler,
    })

  const snapshot$ = timer(0, 1000, scheduler).pipe(
    mergeMap(() => (state$.value === undefined ? EMPTY : of(state$.value))),
    map(state => statsOf(state, nickname, subscriptions, clock.now() - startedAt)),
    takeUntil(over$),
    counted,
  )
  const backend: ProxyBackend = {
    identity: { nickname, pubKey },
    controlToken,
    stats$: snapshot$,
    connect$,
    endOf: tunnels.endOf,
    balance$: () => lastBalance$.pipe(catchError((error: unknown) => throwError(() => known(error)))),
    forgive$,
    requestStop: () => stop$.next(),
  }

  const data$: Observable<FolderServer | undefined> =
    shared?.type === 'folder'
      ? folderServer$({ path: shared.path, home, port: ports.data, fromPeer: port => dialledBy.get(port) })
      : of(undefined)

  const running$ = data$.pipe(
    switchMap(data =>
      proxyServer$({ port: ports.proxy, peer: backend, dataUrl: data?.url }).pipe(
        switchMap(proxy => {
          const dial =
            data !== undefined
              ? fairDial(dialTo('127.0.0.1', data.port), folderDials)
              : shared?.type === 'tcp'
                ? fairDial(dialTo(shared.host, shared.port), serviceDials)
                : undefined
          const report$ = merge(
            defect$.pipe(map((reason): PeerReport => ({ type: 'defect', reason }))),
            signaling.pipe(
              tap(event => {
                try {
                  accounts.heard(event)
                } catch (error) {
                  if (isLighthouseError(error)) throw error
                  // The connection to the hub is not at fault, and goes on.
                  known(error)
                }
                if (event.type === 'session') session$.next(event.session)
              }),
            ),
            apart(accounts.report$),
            apart(audit$),
            apart(serve$(dial)).pipe(takeUntil(closing$)),
            apart(tunnels.report$).pipe(takeUntil(closing$)),
            apart(reachability.report$).pipe(takeUntil(closing$)),
          ).pipe(
            tap(report => reachability.note(report)),
            share(),
          )
          const event$ = report$.pipe(
            map(toEvent),
            filter(event => event !== undefined),
            startWith(...(missing === undefined ? [] : [{ type: 'engine-missing' as const, reason: missing }])),
            takeUntil(over$),
          )
          const peer: Peer = {
            identity: { nickname, pubKey },
            addresses: { proxy: proxy.url, data: data?.url },
            controlToken,
            state$: hubState$,
            tunnels$: known$.pipe(map(tunnelsOf), distinctUntilChanged(sameTunnels), takeUntil(over$)),
            coins$: known$.pipe(
              map(state => state.coins),
              filter(coins => coins !== undefined),
              distinctUntilChanged(),
              takeUntil(over$),
            ),
            stats$: snapshot$,
            stopRequested$: stop$.pipe(takeUntil(over$)),
            event$,
            connect$,
            forgive$,
          }
          return merge(
            peerState$(report$).pipe(
              tap(state => state$.next(state)),
              ignoreElements(),
            ),
            of(peer),
          )
        }),
      ),
    ),
    finalize(() => {
      over$.next()
      state$.complete()
    }),
  )
  return new Observable(subscriber => {
    // Before anything else goes; `finalize` would come after.
    subscriber.add(() => closing$.next())
    return running$.subscribe(subscriber)
  })
}

function tunnelsOf(state: PeerState): readonly Tunnel[] {
  return [...state.connections.values()].flatMap(({ nickname, tunnelPort }) =>
    nickname === undefined || tunnelPort === undefined
      ? []
      : [{ nickname, host: '127.0.0.1' as const, port: tunnelPort }],
  )
}

function sameTunnels(a: readonly Tunnel[], b: readonly Tunnel[]): boolean {
  return (
    a.length === b.length &&
    a.every((tunnel, index) => tunnel.port === b[index]!.port && tunnel.nickname === b[index]!.nickname)
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
 * const subscription = createPeer$({ identity, share: { type: 'folder', path: 'films' } }).subscribe(peer => {
 *   peer.connect$('bob').subscribe(tunnel => console.log(`http://${tunnel.host}:${tunnel.port}/`))
 * })
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
