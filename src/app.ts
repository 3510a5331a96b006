/**
 * The composition root of a peer, and the package's main entry.
 */
import { type Observable, type SchedulerLike, throwError } from 'rxjs'
import type {
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
import type { Identity } from './protocol/metadata.js'
import type { HubState, PeerStats } from './protocol/stats.js'

export type { Tunnel }

/** What a peer shares: a folder through its data server, or any TCP service of this machine. */
export type Share =
  | { readonly type: 'folder'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }

/** The loopback ports. 0 lets the system choose. */
export interface PeerPorts {
  readonly proxy: number
  readonly tunnels: readonly number[]
  readonly data: number
}

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
  /** Reuses the live tunnel to that peer or makes one within 20 s; emits it once and completes. Errors are LighthouseErrors. */
  connect$(nickname: string): Observable<Tunnel>
}

/** Cold: each subscription starts a peer; unsubscribing frees every port, socket, timer and connection. */
export function createPeer$(_options: PeerOptions): Observable<Peer> {
  return throwError(() => new LighthouseError('invalid-option', 'under construction'))
}
