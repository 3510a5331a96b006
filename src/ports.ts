/**
 * The world as the streams see it: what adapters provide and streams receive as arguments. No implementation here.
 */
import type { RegistrationPolicy } from './protocol/peer/registration-policy.js'
import type { Observable } from 'rxjs'
import type { ReceiptAck, SignedReceipt } from './protocol/coins/receipt.js'
import type { LighthouseError } from './protocol/errors.js'
import type { LedgerHead, Signal, SignalAck } from './protocol/signaling/signal.js'

/** Monotonic milliseconds with any origin; a wall clock that jumps must not end connections. */
export interface MonotonicClock {
  /** Milliseconds, never fewer than before. */
  now(): number
}

/**
 * A reliable, ordered channel of messages whose boundaries mean nothing: a WebRTC data channel, or a TCP connection or a
 * pair in memory that behave alike.
 */
export interface ByteChannel {
  /** Largest message `send` takes, in bytes. */
  readonly maxMessageBytes: number
  /** How many bytes may be handed over and not yet drained. The sender keeps to it; `send` does not check. */
  readonly highWaterBytes: number
  /**
   * Messages as they arrive, buffered by the implementation until the first subscription (one only).
   * Completes when the other side closed, errors with `channel-closed` or `webrtc-failed`.
   */
  readonly message$: Observable<Uint8Array>
  /** Bytes that have left the channel's own buffer since the last emission. Their sum never passes what was sent. */
  readonly drained$: Observable<number>
  /** Hands a message over, of which a copy is made before it returns. Throws `channel-closed` when it cannot. */
  send(message: Uint8Array): void
}

/** What happens on one TCP connection. */
export type SocketEvent =
  | { readonly type: 'chunk'; readonly bytes: Uint8Array }
  /** The other program will send no more. It may still read. */
  | { readonly type: 'end' }
  /** So many of the bytes written have been consumed: the operating system has them. */
  | { readonly type: 'consumed'; readonly bytes: number }

/** What becomes of bytes given to `write`: `retained` until they are consumed, or `copied`, so that they may be overwritten. */
export type WriteResult = 'retained' | 'copied'

/** One end of a TCP connection, accepted or dialled. Writing may begin before a dialled one is connected. */
export interface ByteSocket {
  /** Starts to read on subscription (one only). Completes when both directions ended, errors when the connection broke. */
  readonly event$: Observable<SocketEvent>
  /** Writes `bytes`, which must not be overwritten while they are retained. */
  write(bytes: Uint8Array): WriteResult
  /** No more writes: the other program sees the end after all that was written. */
  end(): void
  /**
   * Ends at once with a reset, so that the other program cannot take it for an end. Harmless when over.
   *
   * @param reason why, for a program that can be told.
   */
  reset(reason?: LighthouseError): void
  /** Stops reading. Pressure reaches the program behind the socket. */
  pause(): void
  /** Reads again. */
  resume(): void
}

/** A session description or a candidate of the local WebRTC implementation, validated before it gets here. */
export type RtcSignal =
  | { readonly type: 'offer' | 'answer'; readonly sdp: string }
  | {
      readonly type: 'candidate'
      readonly candidate: string
      readonly sdpMid: string | null
      readonly sdpMLineIndex: number | null
    }

/** How bytes travel between the peers. */
export type PathKind = 'host' | 'srflx' | 'prflx' | 'relay' | 'unknown'

/** What happens on one WebRTC connection. */
export type RtcEvent =
  /**
   * Comes first: the implementation that this connection uses. `greets` where it may mix up what arrives first on a channel
   * that the other side has opened, so that the other side has to wait until it is greeted.
   */
  | { readonly type: 'engine'; readonly name: string; readonly greets: boolean }
  | { readonly type: 'signal'; readonly signal: RtcSignal }
  | { readonly type: 'open'; readonly channel: ByteChannel }
  | { readonly type: 'path'; readonly kind: PathKind; readonly roundTripMs: number | undefined }

/** An ICE server, as RTCIceServer. */
export interface IceServer {
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

/** One side of a connection to be made. */
export interface RtcOptions {
  readonly initiator: boolean
  readonly iceServers: readonly IceServer[]
  /** Only candidates of TURN servers, so that the other side learns no address. Default false. */
  readonly relayOnly?: boolean
  /** What arrives from the other side. */
  readonly remote$: Observable<RtcSignal>
}

/**
 * A WebRTC implementation. Cold: subscribing makes a connection, unsubscribing destroys it with all it holds.
 * Completes when the other side closed an open connection; errors with `webrtc-failed`.
 */
export interface RtcPort {
  readonly name: string
  /** Makes one connection, on subscription. */
  connect$(options: RtcOptions): Observable<RtcEvent>
}

/** The network of this machine. */
export interface NetworkPort {
  /** The addresses of its interfaces, without loopback, in a fixed order. */
  addresses(): readonly string[]
  /**
   * Whether a server answers a STUN binding question over UDP. Asks on subscription, again where nothing comes, emits once within
   * a second and completes. Never errors.
   */
  asksUdp$(server: { readonly host: string; readonly port: number }): Observable<boolean>
}

/** What a signaling transport delivers on one connection to the hub. */
export type SignalTransportEvent =
  | {
      readonly type: 'challenge'
      readonly challenge: unknown
      readonly hubKey: unknown
      readonly signature: unknown
      /** Sends the signature of the challenge. */
      readonly respond: (signature: string) => void
    }
  | {
      readonly type: 'authenticated'
      readonly coins: unknown
      readonly iceServers: unknown
      readonly head: unknown
      readonly connection: SignalConnection
    }
  | { readonly type: 'signal'; readonly message: unknown }
  | { readonly type: 'settled'; readonly message: unknown }
  | { readonly type: 'replaced' }

/** The sending half of an authenticated connection to the hub. */
export interface SignalConnection {
  /** Emits the hub's acknowledgement once and completes; errors with `hub-unreachable` when the connection ends before. Sends on subscription. */
  send$(signal: Signal): Observable<SignalAck>
  /** Gives the hub a receipt. Emits its acknowledgement once and completes; errors like `send$`. Sends on subscription. */
  settle$(receipt: SignedReceipt): Observable<ReceiptAck>
}

/** Cold: each subscription is one connection. Completes never by itself; errors with `hub-unreachable` when it is lost. */
export interface SignalTransport {
  /** Signs in with this key, which it shows by `respond`. */
  connect$(pubKey: string): Observable<SignalTransportEvent>
}

/** The hub's HTTP routes that a peer needs. Each observable asks once on subscription; errors with `hub-unreachable` or `hub-protocol`. */
export interface HubClient {
  /** The public key, or undefined when nobody has that nickname. */
  resolve$(nickname: string): Observable<string | undefined>
  /** Bytes in a wallet, or undefined when the hub does not know the key. */
  balance$(pubKey: string): Observable<number | undefined>
  /** Gives a nickname to a key, which signed for it. Completes when it is registered. */
  register$(request: {
    readonly pubKey: string
    readonly nickname: string
    readonly signature: string
    /** A code from the hub's operator, where the hub asks for one. */
    readonly invite?: string
  }): Observable<void>
  /** Whether the hub is there, whose it is, and who may register: anybody, who has a code, nobody; undefined where it does not say. */
  health$(): Observable<{ readonly hubKey: string; readonly registration?: RegistrationPolicy | undefined }>
  /** The hub's key and the newest head that it signs (unchecked), undefined while its ledger is empty. Errors when it cannot read it. */
  head$(): Observable<{ readonly hubKey: string; readonly head: LedgerHead | undefined }>
  /**
   * The lines of the ledger after a block, as they arrive: each emission is what one piece of the answer completed, so an
   * observer that works synchronously is not overrun, and unsubscribing ends the answer. Completes at its end, which need
   * not be the ledger's. Lines have at most 16 KiB, and nothing of them is checked; a longer one, or an answer that ends in the
   * middle of one, errors with `hub-protocol`.
   */
  ledger$(after: number): Observable<readonly string[]>
}

/** Signing, checking, digests, randomness and the packing of descriptions. */
export interface CryptoPort {
  /** Ed25519 by a private key in NaCl's form (base64 of seed ‖ public key). Base64 of 64 bytes. */
  sign(privKey: string, text: string): string
  /** False for anything malformed too. */
  verify(pubKey: string, text: string, signature: string): boolean
  /** Base64. */
  sha256(text: string): string
  /** base64url of `bytes` fresh random bytes. */
  randomId(bytes: number): string
  /** A fresh Ed25519 pair, private key in NaCl's form. */
  generateKeyPair(): { readonly pubKey: string; readonly privKey: string }
  /** gzip, then base64. */
  packSdp(sdp: string): string
  /** Undefined when it is not that, or unpacks to more than 64 KiB. */
  unpackSdp(packed: string): string | undefined
}

/** Keys remembered on first use. */
export interface TrustStore {
  /** The key that is remembered for this name. */
  known(kind: 'hub' | 'peer', name: string): string | undefined
  /** Remembers this key, in place of another one. Throws `store-failed`. */
  remember(kind: 'hub' | 'peer', name: string, key: string): void
  /** Throws `store-failed`. */
  forget(kind: 'hub' | 'peer', name: string): void
}

/** Connections of this machine's TCP. */
export interface TcpPort {
  /** Opens a listener; emits its port once it is bound and then every connection. Unsubscribing closes it and frees the port. Errors with `port-in-use` or `address-unavailable`. */
  listen$(options: { readonly port: number; readonly host: string }): Observable<TcpListenEvent>
  /** Dials at once; a failure arrives on `event$`. */
  dial(options: {
    readonly host: string
    readonly port: number
    /** Called with the local port when the connection is made, and again, `open` false, when it is over. */
    readonly onLocalPort?: (port: number, open: boolean) => void
  }): ByteSocket
}

/**
 * The addresses behind which other peers' shares lie. Opens one; emits its port once it is bound, and then everything that is
 * to be carried to that peer. Unsubscribing closes it and frees the port. Errors with `port-in-use` or `address-unavailable`.
 */
export interface TunnelPort {
  listen$(options: { readonly port: number; readonly nickname: string }): Observable<TcpListenEvent>
}

/** What a listener emits. */
export type TcpListenEvent =
  { readonly type: 'listening'; readonly port: number } | { readonly type: 'socket'; readonly socket: ByteSocket }
