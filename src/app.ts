/**
 * The composition root of a peer, and the package's main entry.
 */
import {
  asyncScheduler,
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
  type Observable,
  of,
  ReplaySubject,
  type SchedulerLike,
  share,
  Subject,
  switchMap,
  takeUntil,
  tap,
  throwError,
  timer,
} from 'rxjs'
import { nodeCrypto } from './adapters/crypto.node.js'
import { type FolderServer, folderServer$ } from './adapters/data-server.node.js'
import { fetchHubClient } from './adapters/hub-http.js'
import { processFigures } from './adapters/process-figures.node.js'
import type { ProxyBackend } from './adapters/proxy-backend.js'
import { proxyServer$ } from './adapters/proxy.express.js'
import { loadRtc } from './adapters/simple-peer.node.js'
import { socketIoTransport } from './adapters/socket-io.client.js'
import { nodeTcp } from './adapters/tcp.node.js'
import type {
  ByteSocket,
  CryptoPort,
  HubClient,
  IceServer,
  MonotonicClock,
  RtcPort,
  SignalTransport,
  TrustStore,
  Tunnel,
} from './ports.js'
import { LighthouseError } from './protocol/errors.js'
import { hubUrl, type Identity } from './protocol/metadata.js'
import { isNickname } from './protocol/nickname.js'
import { defaultPortBase, type PeerPorts, portBlock } from './protocol/port-block.js'
import type { HubState, PeerStats } from './protocol/stats.js'
import { answerConnection$, type ConnectionOptions, offerConnection$ } from './streams/connection.js'
import { type PeerReport, type PeerState, peerState$ } from './streams/peer-state.js'
import { type Offer, seeding$ } from './streams/seeding.js'
import { type HubSession, signaling$, signedIn$ } from './streams/signaling.js'
import { createMemoryTrust } from './streams/trust.js'
import { createTunnels } from './streams/tunnels.js'

export { type PeerPorts, portBlock, type Tunnel }

/** What a peer shares: a folder through its data server, or any TCP service of this machine. */
export type Share =
  | { readonly type: 'folder'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }

/** Everything a peer touches. Only `identity` is needed. */
export interface PeerOptions {
  readonly identity: Identity
  /** Default: nothing is shared; streams of others are refused. */
  readonly share?: Share
  /** Default: 42000, 42001 to 42010, 42011. */
  readonly ports?: PeerPorts
  /** Default: `wrtc`. */
  readonly rtc?: RtcPort
  readonly transport?: SignalTransport
  readonly hub?: HubClient
  readonly crypto?: CryptoPort
  /** Default: remembered as long as the subscription lives. */
  readonly trust?: TrustStore
  /** Added to those the hub hands out. Default: none. */
  readonly iceServers?: readonly IceServer[]
  /** Default false. */
  readonly relayOnly?: boolean
  /** Who presents it to the proxy's control routes may stop the peer. Default: a fresh random one. */
  readonly controlToken?: string
  readonly scheduler?: SchedulerLike
  readonly clock?: MonotonicClock
}

/** What a log would want to hear of. */
export type PeerEvent =
  | { readonly type: 'hub'; readonly state: HubState }
  | { readonly type: 'tunnel'; readonly tunnel: Tunnel }
  | {
      readonly type: 'ended'
      /** Who was at the other end: a nickname where this peer made the connection, else a key. */
      readonly with: string
      readonly reason: LighthouseError
    }

/** A running peer. Its observables replay their newest value and complete when the peer stops. */
export interface Peer {
  readonly identity: { readonly nickname: string; readonly pubKey: string }
  /** URLs of the listeners; `data` is undefined when no folder is shared. */
  readonly addresses: { readonly proxy: string; readonly data: string | undefined }
  readonly controlToken: string
  readonly state$: Observable<HubState>
  readonly tunnels$: Observable<readonly Tunnel[]>
  /** Wallet in bytes, as the hub says. */
  readonly coins$: Observable<number>
  /** Once a second while subscribed. */
  readonly stats$: Observable<PeerStats>
  /** Emits when somebody with the control token asked the peer to stop. Whoever subscribed to the peer decides. */
  readonly stopRequested$: Observable<void>
  /** What happens, for a log: the hub's state, tunnels that open, connections that end and why. */
  readonly event$: Observable<PeerEvent>
  /** Reuses the live tunnel to that peer or makes one within 20 s; emits it once and completes. Errors are LighthouseErrors. */
  connect$(nickname: string): Observable<Tunnel>
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 65_535
}

function verify({ ports, share: shared }: { ports: PeerPorts; share: Share | undefined }): void {
  const invalid = (field: string, rule: string): never => {
    throw new LighthouseError('invalid-option', `option "${field}": ${rule}`, { field })
  }
  const all = [ports.proxy, ports.data, ...ports.tunnels]
  if (!all.every(isPort)) invalid('ports', 'each must be a whole number from 0 to 65535')
  if (ports.tunnels.length === 0) invalid('ports.tunnels', 'at least one')
  const fixed = all.filter(port => port !== 0)
  if (new Set(fixed).size !== fixed.length) invalid('ports', 'each port only once')
  if (shared?.type === 'tcp' && (!isPort(shared.port) || shared.port === 0))
    invalid('share.port', 'must be from 1 to 65535')
}

/** Everything one subscription of `createPeer$` uses, with the defaults filled in. */
interface Environment {
  readonly identity: Identity
  readonly share: Share | undefined
  readonly ports: PeerPorts
  readonly rtc: RtcPort
  readonly transport: SignalTransport
  readonly hub: HubClient
  readonly crypto: CryptoPort
  readonly trust: TrustStore
  readonly iceServers: readonly IceServer[]
  readonly relayOnly: boolean
  readonly controlToken: string
  readonly scheduler: SchedulerLike
  readonly clock: MonotonicClock
}

function environmentOf(options: PeerOptions, rtc: RtcPort): Environment {
  const { identity, crypto = nodeCrypto } = options
  const url = hubUrl(identity.host)
  return {
    identity,
    rtc,
    crypto,
    share: options.share,
    ports: options.ports ?? portBlock(defaultPortBase),
    transport: options.transport ?? socketIoTransport(url),
    hub: options.hub ?? fetchHubClient(url),
    trust: options.trust ?? createMemoryTrust(),
    iceServers: options.iceServers ?? [],
    relayOnly: options.relayOnly ?? false,
    controlToken: options.controlToken ?? crypto.randomId(32),
    scheduler: options.scheduler ?? asyncScheduler,
    clock: options.clock ?? performance,
  }
}

function statsOf(state: PeerState, nickname: string, subscriptions: number, uptimeMs: number): PeerStats {
  const connections = [...state.connections.values()]
  const sum = (pick: (stats: (typeof connections)[number]) => number): number =>
    connections.reduce((total, stats) => total + pick(stats), 0)
  return {
    nickname,
    hub: state.hub,
    coins: state.coins,
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
  if (report.type !== 'ended') return undefined
  return { type: 'ended', with: 'nickname' in report ? report.nickname : report.pubKey, reason: report.reason }
}

/** One running peer: the pieces put together, for one subscription. */
function run$(environment: Environment): Observable<Peer> {
  const { identity, share: shared, ports, hub, controlToken, scheduler, clock } = environment
  const { nickname, pubKey } = identity
  const startedAt = clock.now()
  let subscriptions = 0
  const counted = <T>(source: Observable<T>): Observable<T> =>
    defer(() => {
      subscriptions++
      return source.pipe(finalize(() => subscriptions--))
    })

  const stop$ = new ReplaySubject<void>(1)
  const over$ = new ReplaySubject<void>(1)
  const session$ = new BehaviorSubject<HubSession | undefined>(undefined)
  const asked$ = new Subject<PeerReport>()
  const signaling = signaling$({ ...environment, random: Math.random }).pipe(counted, share())
  const signal$ = signaling.pipe(
    filter(event => event.type === 'signal'),
    map(({ signal }) => signal),
  )
  const connectionOptions = (hubSession: HubSession): ConnectionOptions => ({ ...environment, hubSession, signal$ })

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
    clock,
    scheduler,
  })
  const connect$ = (name: string): Observable<Tunnel> => {
    if (!isNickname(name)) {
      return throwError(
        () => new LighthouseError('malformed-nickname', `"${name}" is no nickname: only the letters a to z`),
      )
    }
    if (name === nickname)
      return throwError(() => new LighthouseError('own-nickname', `"${name}" is you`, { nickname }))
    return tunnels.connect$(name).pipe(counted)
  }

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
      refuse,
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
    balance$: () =>
      hub.balance$(pubKey).pipe(
        map(bytes => {
          if (bytes === undefined)
            throw new LighthouseError('not-authenticated', 'the hub does not know this peer; register again')
          return bytes
        }),
        tap(bytes => asked$.next({ type: 'coins', bytes })),
      ),
    requestStop: () => stop$.next(),
  }

  const data$: Observable<FolderServer | undefined> =
    shared?.type === 'folder'
      ? folderServer$({ path: shared.path, port: ports.data, fromPeer: port => dialledBy.get(port) })
      : of(undefined)

  return data$.pipe(
    switchMap(data =>
      proxyServer$({ port: ports.proxy, peer: backend, dataUrl: data?.url }).pipe(
        switchMap(proxy => {
          const dial =
            data !== undefined
              ? dialTo('127.0.0.1', data.port)
              : shared?.type === 'tcp'
                ? dialTo(shared.host, shared.port)
                : undefined
          const report$ = merge(
            signaling.pipe(
              tap(event => {
                if (event.type === 'session') session$.next(event.session)
              }),
            ),
            serve$(dial),
            tunnels.report$,
            asked$,
          ).pipe(share())
          const event$ = report$.pipe(
            map(toEvent),
            filter(event => event !== undefined),
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
    verify({ ports: options.ports ?? portBlock(defaultPortBase), share: options.share })
    const rtc$ = options.rtc === undefined ? from(loadRtc('wrtc')) : of(options.rtc)
    return rtc$.pipe(switchMap(rtc => run$(environmentOf(options, rtc))))
  })
}
