import type { Observable } from 'rxjs'
import type { KnownKeys } from '../../ports/known-keys.js'
import type { PeerFacts, ProbeEvent } from '../../protocol/doctor/probe.js'
import type { Tunnel } from '../../protocol/tunnels/tunnels.js'
import type { ByteSocket } from '../../ports.js'
import type { Sites } from '../../ports/sites.js'
import type { Balance, PeerStats } from '../../protocol/peer/stats.js'

/** What the proxy asks of the peer behind it. The composition root makes it out of the peer's streams. */
export interface ProxyBackend {
  readonly identity: { readonly nickname: string; readonly fingerprint: string }
  /** A client that presents it may stop the peer, write off debts and see what it was given. */
  readonly controlToken: string
  /** Newest first, then once a second while subscribed. */
  readonly stats$: Observable<PeerStats>
  /** Emits the tunnel to that peer once, reused or made within 20 s; errors are LighthouseErrors. Unsubscribing drops the wish. */
  connect$(nickname: string): Observable<Tunnel>
  /** Carries a local connection to that peer as a stream; it is reset with the reason when that fails. */
  carry(nickname: string, socket: ByteSocket): void
  /** Names beside its own under which the proxy is reached, in lower case. */
  readonly allowedHosts: readonly string[]
  /** What pages of other peers may do. */
  readonly sites: Sites
  /** Asks the hub now; emits the wallet once. */
  balance$(): Observable<Balance>
  /** Writes off what that peer owes here; emits once how many bytes that was. Errors are LighthouseErrors. */
  forgive$(nickname: string): Observable<number>
  /** What it remembers of other peers. */
  readonly keys: KnownKeys
  /** What it has been given, once: as soon as its sign-in is decided, within 4 s. */
  readonly facts$: Observable<PeerFacts>
  /** Connects to that peer anew to see whether it can. A failure on the way is the last event; errors are LighthouseErrors. */
  probe$(nickname: string): Observable<ProbeEvent>
  /** A client with the control token asks the peer to stop. */
  requestStop(): void
}
