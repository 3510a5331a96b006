import type { ErrorCode, LighthouseError } from '../errors.js'
import type { UdpReach } from '../signaling/udp-reach.js'

/** How the peer stands with its hub. */
export type HubState =
  | { readonly type: 'connecting'; readonly attempt: number }
  | { readonly type: 'authenticated' }
  /** Tried again after `retryInMs`. */
  | { readonly type: 'waiting'; readonly retryInMs: number; readonly code: ErrorCode; readonly message: string }
  /** Over for good until the peer is started again: replaced by a newer session, or the hub's key changed. */
  | { readonly type: 'stopped'; readonly code: ErrorCode; readonly message: string }

/** What is in the wallet, in bytes. */
export interface Balance {
  readonly bytes: number
  /** When the hub reported it (wall clock, milliseconds), if it is unreachable now; undefined if it just did. */
  readonly asOfMs: number | undefined
}

/** One WebRTC connection as `/stats` shows it. Bytes are payload bytes; rates are bytes a second. */
export interface ConnectionStats {
  readonly session: string
  /** Nickname of the other side where it is known, else undefined (the side that answers knows a key only). */
  readonly nickname: string | undefined
  readonly pubKey: string
  /** Of that key, as people compare it. */
  readonly fingerprint: string
  /** `consumer` made the offer and has a tunnel; `seeder` answered and dials what it shares. */
  readonly role: 'consumer' | 'seeder'
  /** The WebRTC implementation that carries it on this side. */
  readonly engine: string
  readonly tunnelPort: number | undefined
  readonly streams: number
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly receiveRate: number
  readonly sendRate: number
  readonly bufferedBytes: number
  /** Whole seconds since anything arrived, keep-alives included. */
  readonly silentSeconds: number
  readonly path: 'host' | 'srflx' | 'prflx' | 'relay' | 'unknown'
  readonly roundTripMs: number | undefined
}

/** What a connection knows of itself. */
export type CarryStats = Omit<ConnectionStats, 'fingerprint'>

/** Reports of a connection that carries streams: its figures, and streams that were reset, counted by reason. */
export type CarryReport =
  | { readonly type: 'stats'; readonly stats: CarryStats }
  | {
      readonly type: 'resets'
      /** The other peer: its nickname where this one made the connection, else its key. */
      readonly with: string
      readonly session: string
      readonly reason: LighthouseError
      readonly count: number
    }

/** What this process carries. */
export interface PeerStats {
  readonly nickname: string
  /** Of this peer's own key, as people compare it. */
  readonly fingerprint: string
  readonly hub: HubState
  /** Wallet in bytes; undefined until the hub has reported it. */
  readonly coins: number | undefined
  /** Whether UDP gets out of this network and back, as a STUN or TURN server was asked last. */
  readonly udp: UdpReach
  /** Node's own count of what keeps the process alive. */
  readonly activeResources: number
  /** Live subscriptions to connections, attempts and streams. */
  readonly subscriptions: number
  readonly attempts: number
  readonly connections: readonly ConnectionStats[]
  readonly streams: number
  readonly bufferedBytes: number
  readonly memory: { readonly rss: number; readonly heapUsed: number; readonly external: number }
  readonly uptimeMs: number
}
