/**
 * The world as the hub sees it. No implementation here.
 */
import type { Observable } from 'rxjs'
import type { SignalAck } from '../protocol/signal.js'
import type { ChainState, LedgerLine } from './protocol/ledger.js'

/** An Ed25519 key pair, base64; the private key in NaCl's form, seed ‖ public key. */
export interface KeyPair {
  readonly pubKey: string
  readonly privKey: string
}

/** What became of a registration. `both` is taken when this key has this name already. */
export type Registration =
  | { readonly type: 'registered'; readonly line: LedgerLine }
  | { readonly type: 'taken'; readonly what: 'nickname' | 'key' | 'both' }

/**
 * Names, wallets, the ledger and the hub's key. Every call is atomic, and durable when its promise resolves. Errors are
 * `store-failed`.
 */
export interface HubStore {
  /** The hub's key pair; the first call keeps what `generate` makes, and every later one returns that. */
  keyPair(generate: () => KeyPair): Promise<KeyPair>
  /** Name, wallet and grant in one transaction; of two that race for a name or key one is registered. */
  register(request: {
    readonly nickname: string
    readonly pubKey: string
    readonly grantBytes: number
    readonly timeMs: number
  }): Promise<Registration>
  resolve(nickname: string): Promise<string | undefined>
  /** Bytes in the wallet, or undefined when nobody registered the key. */
  balance(pubKey: string): Promise<number | undefined>
  /** The newest block's number and hash; undefined while the ledger is empty. */
  head(): Promise<ChainState | undefined>
  /** At most `limit` blocks after number `seq`, in order. */
  blocksAfter(seq: number, limit: number): Promise<readonly LedgerLine[]>
  /** Resolves when the store can be read and written now. */
  check(): Promise<void>
}

/** A signal as it came over a socket, with the way to acknowledge it. */
export interface IncomingSignal {
  readonly message: unknown
  acknowledge(ack: SignalAck): void
}

/** One connection of the signaling server. */
export interface HubSocket {
  /** What the peer said on connecting. */
  readonly auth: unknown
  /** Not buffered: what arrives without a subscriber is dropped. */
  readonly signal$: Observable<IncomingSignal>
  /** Emits once and completes when the connection is over. */
  readonly closed$: Observable<void>
  /** Sends the challenge on subscription and emits what the peer acknowledges it with, once. */
  challenge$(body: object): Observable<unknown>
  /** False when the other side reads so slowly that too much is waiting; then nothing is sent. */
  send(event: 'authenticated' | 'refused' | 'replaced' | 'signal', body: object): boolean
  /** Ends the connection after what was sent. Harmless when over. */
  close(): void
}

/** What is counted. Implementations keep their own registry. */
export interface HubMetrics {
  registration(outcome: 'registered' | 'taken' | 'malformed' | 'bad-signature' | 'rate-limited'): void
  login(outcome: 'authenticated' | 'refused' | 'replaced'): void
  signal(outcome: string): void
  /** The text of `GET /metrics`, and its MIME type. */
  text(): Promise<{ readonly type: string; readonly body: string }>
}

/** Where the hub says what happens: pino's shape. Never keys in private, session descriptions or addresses of files. */
export interface HubLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
