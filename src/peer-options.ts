/**
 * What a peer takes and gives: its options, checked and completed, and the running peer.
 */
import { asyncScheduler, type Observable, type SchedulerLike } from 'rxjs'
import { nodeCrypto } from './adapters/crypto/crypto.node.js'
import { fetchHubClient } from './adapters/hub/http-client.js'
import { nodeNetwork } from './adapters/machine/network.node.js'
import { socketIoTransport } from './adapters/hub/socket-io.client.js'
import type {
  CryptoPort,
  HubClient,
  IceServer,
  MonotonicClock,
  NetworkPort,
  RtcPort,
  SignalTransport,
  TrustStore,
} from './ports.js'
import type { SiteStore } from './ports/sites.js'
import type { ReceiptStore } from './ports/receipts.js'
import { fingerprint } from './protocol/peer/fingerprint.js'
import { hubUrl, type Identity } from './protocol/peer/metadata.js'
import { defaultPortBase, type PeerPorts, portBlock } from './protocol/peer/port-block.js'
import type { SpendingLimits } from './protocol/coins/spending.js'
import type { HubState, PeerStats } from './protocol/peer/stats.js'
import type { Tunnel } from './protocol/tunnels/tunnels.js'
import type { PeerEvent } from './streams/peer/peer-event.js'
import type { Share } from './streams/serving/open-share.js'
import { createMemorySites } from './streams/peer/sites.js'
import { createMemoryTrust } from './streams/signaling/trust.js'

/** Everything a peer touches. Only `identity` is needed. */
export interface PeerOptions {
  readonly identity: Identity
  /** Default: nothing is shared; streams of others are refused. */
  readonly share?: Share
  /** Folder with the peer's own files. They are never served, wherever in the share they are reached. Default: there are none. */
  readonly home?: string
  /** Default: 42000, 42001 to 42010, 42011. */
  readonly ports?: PeerPorts
  /**
   * The WebRTC implementation. Default: node-datachannel, wrtc for connections that only a relay over TCP can carry, and wrtc
   * for all of them where node-datachannel has no binary.
   */
  readonly rtc?: RtcPort
  readonly network?: NetworkPort
  readonly transport?: SignalTransport
  readonly hub?: Pick<HubClient, 'resolve$' | 'balance$' | 'ledger$'>
  readonly crypto?: CryptoPort
  /** Default: remembered as long as the subscription lives. */
  readonly trust?: TrustStore
  /** Receipts, settlements and debts. Default: as long as the subscription lives; what is not settled then is lost. */
  readonly receipts?: ReceiptStore
  /** What this peer may spend, in bytes. Default: all that is in the wallet. */
  readonly spending?: SpendingLimits
  /** Added to those the hub hands out. Default: none. */
  readonly iceServers?: readonly IceServer[]
  /** Default false. */
  readonly relayOnly?: boolean
  /**
   * Names beside its own under which the tunnels are reached, where their ports are forwarded: `NAME:PORT` as programs ask for it,
   * or `NAME` with any port. Default: none.
   */
  readonly allowedHosts?: readonly string[]
  /** What was said about the sites of other peers. Default: remembered as long as the peer runs. */
  readonly sites?: SiteStore
  /** Who presents it to the proxy's control routes may stop the peer. Default: a fresh random one. */
  readonly controlToken?: string
  readonly scheduler?: SchedulerLike
  readonly clock?: MonotonicClock
}

/** A running peer. Its observables replay their newest value and complete when the peer stops. */
export interface Peer {
  /** The fingerprint is what people compare of the key. */
  readonly identity: { readonly nickname: string; readonly pubKey: string; readonly fingerprint: string }
  /** URLs of the listeners; `data` is undefined when no folder is shared. */
  readonly addresses: { readonly proxy: string; readonly data: string | undefined }
  readonly controlToken: string
  readonly state$: Observable<HubState>
  readonly tunnels$: Observable<readonly Tunnel[]>
  /** Wallet in bytes, as reported by the hub. */
  readonly coins$: Observable<number>
  /** Once a second while subscribed. */
  readonly stats$: Observable<PeerStats>
  /** Emits when somebody with the control token asked the peer to stop. Whoever subscribed to the peer decides. */
  readonly stopRequested$: Observable<void>
  /** What happens, for a log: the hub's state, tunnels that open, connections that end and why. */
  readonly event$: Observable<PeerEvent>
  /** Reuses the live tunnel to that peer or makes one within 20 s; emits it once and completes. Errors are LighthouseErrors. */
  connect$(nickname: string): Observable<Tunnel>
  /**
   * Writes off what that peer owes here, so that it is served again as before. What broken connections lost on
   * the way stays a debt that nobody signs for. Cold; asks the hub who that is, emits once how many bytes were owed, and
   * completes. Errors are LighthouseErrors.
   */
  forgive$(nickname: string): Observable<number>
}

/** What one subscription of `createPeer$` uses, with the defaults filled in. Receipts come beside it, since they have to be opened. */
export type Environment = Required<Omit<PeerOptions, 'share' | 'home' | 'receipts'>> & {
  readonly self: Peer['identity']
  readonly share: Share | undefined
  readonly home: string | undefined
}

/** The options with their defaults. */
export function environmentOf(options: PeerOptions, rtc: RtcPort): Environment {
  const { identity, crypto = nodeCrypto } = options
  const url = hubUrl(identity.host)
  const { nickname, pubKey } = identity
  return {
    identity,
    self: { nickname, pubKey, fingerprint: fingerprint(pubKey, crypto.sha256) },
    rtc,
    network: options.network ?? nodeNetwork,
    crypto,
    share: options.share,
    home: options.home,
    ports: options.ports ?? portBlock(defaultPortBase),
    transport: options.transport ?? socketIoTransport(url),
    hub: options.hub ?? fetchHubClient(url),
    trust: options.trust ?? createMemoryTrust(),
    spending: options.spending ?? {},
    iceServers: options.iceServers ?? [],
    relayOnly: options.relayOnly ?? false,
    sites: options.sites ?? createMemorySites(),
    allowedHosts: (options.allowedHosts ?? []).map(name => name.toLowerCase()),
    controlToken: options.controlToken ?? crypto.randomId(32),
    scheduler: options.scheduler ?? asyncScheduler,
    clock: options.clock ?? performance,
  }
}
