/**
 * The world as the hub sees it. No implementation here.
 */
import type { Observable } from 'rxjs'
import type { ReceiptAck, ReceiptRefusal, SignedReceipt } from '../protocol/receipt.js'
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

/** The parties of a session: the consumer made the offer, the seeder answers it. */
export interface SessionParties {
  readonly session: string
  readonly consumer: string
  readonly seeder: string
}

/** What became of one receipt of a batch. */
export type SettleResult =
  | {
      readonly type: 'settled'
      /** False when it was settled before, this receipt or a higher one: nothing moved now. */
      readonly moved: boolean
      /** What the session is settled up to now, and the block that moved the last of it. */
      readonly bytes: number
      readonly seq: number
      readonly hash: string
      /** Wallets after the batch. */
      readonly consumerBytes: number
      readonly seederBytes: number
    }
  | { readonly type: 'refused'; readonly code: Extract<ReceiptRefusal, 'not-a-party' | 'unknown-session' | 'no-coins'> }

/**
 * Sessions and what of them is settled. Every call is atomic, and durable when its promise resolves. Errors are
 * `store-failed`.
 */
export interface SettlementStore {
  /** An offer was forwarded. False, and nothing is changed, when the ID belongs to a session with other parties. */
  recordOffer(request: SessionParties & { readonly timeMs: number }): Promise<boolean>
  /** The answer was forwarded: from now on receipts of this session count. False when no such offer was recorded. */
  recordAnswer(request: SessionParties & { readonly timeMs: number }): Promise<boolean>
  /**
   * Settles receipts whose signatures were checked, one after the other, in one transaction with one sync: the
   * difference to what the session is settled up to moves from consumer to seeder as one block. Results in the order of
   * the receipts. A receipt that is refused changes nothing and costs the others nothing.
   */
  settle(receipts: readonly SignedReceipt[], timeMs: number): Promise<readonly SettleResult[]>
  /** Forgets sessions whose last offer, answer or settlement was before; their receipts are unknown from then on. */
  pruneSessions(beforeMs: number): Promise<number>
}

/** Single-use codes that let somebody register. Only their digests are kept. */
export interface InviteStore {
  addInvite(request: { readonly codeHash: string; readonly timeMs: number }): Promise<void>
  /** Codes not used yet. */
  openInvites(): Promise<number>
}

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

/** A receipt as it came over a socket, of at most 1,024 bytes, with the way to acknowledge it. */
export interface IncomingReceipt {
  readonly message: unknown
  acknowledge(ack: ReceiptAck): void
}

/** One connection of the signaling server. */
export interface HubSocket {
  /** What the peer said on connecting. */
  readonly auth: unknown
  /** Not buffered: what arrives without a subscriber is dropped. */
  readonly signal$: Observable<IncomingSignal>
  /** Not buffered either. Ends with the socket. */
  readonly receipt$: Observable<IncomingReceipt>
  /** Emits once and completes when the connection is over. */
  readonly closed$: Observable<void>
  /** Sends the challenge on subscription and emits what the peer acknowledges it with, once. */
  challenge$(body: object): Observable<unknown>
  /** False when the other side reads so slowly that too much is waiting; then nothing is sent. */
  send(event: 'authenticated' | 'refused' | 'replaced' | 'signal' | 'settled', body: object): boolean
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
