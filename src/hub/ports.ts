/**
 * The world as the hub sees it. No implementation here.
 */
import type { Observable } from 'rxjs'
import type { ReceiptAck, ReceiptRefusal, SignedReceipt } from '../protocol/coins/receipt.js'
import type { SignalAck } from '../protocol/signaling/signal.js'
import type { ChainState, LedgerLine } from './protocol/settlement/ledger.js'
import type { RateLimit } from './protocol/limits/rate-limit.js'
import type { SessionParties, SettleResult } from './protocol/settlement/settlement.js'

export type { SessionParties, SettleResult } from './protocol/settlement/settlement.js'

/** An Ed25519 key pair, base64; the private key in NaCl's form, seed ‖ public key. */
export interface KeyPair {
  readonly pubKey: string
  readonly privKey: string
}

/** What became of a registration. `both` is taken when this key has this name already. */
export type Registration =
  | { readonly type: 'registered'; readonly line: LedgerLine }
  | { readonly type: 'taken'; readonly what: 'nickname' | 'key' | 'both' }
  /** The invite is unknown, or somebody registered with it. A name or key that is taken is said first. */
  | { readonly type: 'refused'; readonly what: 'invite' }

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
  /**
   * Forgets sessions of which nothing was settled and whose last offer or answer was before; their receipts are unknown
   * from then on. Those that were never answered may go sooner (default: no sooner). One of which something was settled is
   * never forgotten: it would begin again from 0, and its receipts would be paid twice. At most `limit` of them (default:
   * all), since nothing else is written meanwhile. Returns how many.
   */
  pruneSessions(beforeMs: number, unansweredBeforeMs?: number, limit?: number): Promise<number>
}

/** Single-use codes that let somebody register. Only their digests are kept. */
export interface InviteStore {
  /** Keeps a code. Harmless when it is known; one that was used stays used. */
  addInvite(request: { readonly codeHash: string; readonly timeMs: number }): Promise<void>
  /** Codes not used yet. */
  openInvites(): Promise<number>
}

/**
 * Names, wallets, the ledger and the hub's key. Every call is atomic, and durable when its promise resolves. Errors are
 * `store-failed`.
 */
export interface HubStore extends SettlementStore, InviteStore {
  /** The hub's key pair; the first call keeps what `generate` makes, and every later one returns that. */
  keyPair(generate: () => KeyPair): Promise<KeyPair>
  /**
   * Name, wallet and grant in one transaction; of two that race for a name or key one is registered. With `inviteHash`
   * that code is used up in the same transaction, so of two that race for a code one is registered.
   */
  register(request: {
    readonly nickname: string
    readonly pubKey: string
    /** Over `registerText`, by that key; it was checked. Kept, so that a name that somebody changed is found. */
    readonly signature: string
    readonly grantBytes: number
    readonly timeMs: number
    readonly inviteHash?: string
  }): Promise<Registration>
  resolve(nickname: string): Promise<string | undefined>
  /** Bytes in the wallet, or undefined when nobody registered the key. */
  balance(pubKey: string): Promise<number | undefined>
  /** The newest block's number and hash; undefined while the ledger is empty. */
  head(): Promise<ChainState | undefined>
  /** At most `limit` blocks after number `seq`, in order. */
  blocksAfter(seq: number, limit: number): Promise<readonly LedgerLine[]>
  /** Resolves when the store can be read now and nothing forbids to write. Writes nothing. */
  check(): Promise<void>
  /**
   * Writes durably, in the place and order of everything else, and at least as much as so many registrations or settled
   * receipts do. Changes nothing by it.
   */
  probe(writes: number): Promise<void>
}

/** A signal as it came over a socket, with the way to acknowledge it. */
export interface IncomingSignal {
  readonly message: unknown
  acknowledge(ack: SignalAck): void
}

/** A receipt as it came over a socket, with the way to acknowledge it. */
export interface IncomingReceipt {
  readonly message: unknown
  acknowledge(ack: ReceiptAck): void
}

/** One connection of the signaling server. */
export interface HubSocket {
  /** What the peer said on connecting. */
  readonly auth: unknown
  /** Where its client is, as far as known. */
  readonly address: string
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
  /** It has signed in: it is not cut off to make room for others. */
  keep(): void
  /** Ends the connection after what was sent. Harmless when over. */
  close(): void
}

/** What the hub sends to a signed-in peer on behalf of others. */
export type BusEvent = 'signal' | 'settled'

/** What became of a message for a key: `congested` when its reader, or the way to it, holds too much already. */
export type Delivery = 'delivered' | 'offline' | 'congested'

/** A signed-in socket as the bus sees it. */
export interface BusSession {
  /** False when too much is waiting for the reader; then nothing is sent. */
  send(event: BusEvent, body: object): boolean
  /** A newer session of the same key has taken over: says so and ends the socket. Called at most once. */
  replace(): void
}

/** How the way to the other processes is. The last two count from the start. */
export interface BusState {
  readonly isConnected: boolean
  /** Questions to other processes that wait for an answer. */
  readonly pending: number
  /** Not asked, since too much was waiting. */
  readonly congested: number
  /** Not answered in time. */
  readonly timedOut: number
}

/**
 * Who is signed in, on whichever process of the hub, and the way to each. Where another process cannot be reached its
 * peers count as offline. No call rejects but `check`.
 */
export interface HubBus {
  /** Sessions on this process. */
  readonly size: number
  readonly state: BusState
  /**
   * Makes this the one live session of the key on all processes; older ones are told `replace`. Resolves when every
   * process that can be reached goes by it.
   */
  enter(pubKey: string, session: BusSession): Promise<void>
  /** Forgets the session; harmless when a newer one has replaced it. */
  leave(pubKey: string, session: BusSession): void
  /** In the order of the calls. Resolves within two seconds, with `offline` when no answer came by then. */
  deliver(pubKey: string, event: BusEvent, body: object): Promise<Delivery>
  /** Whether a process holds a session of the key now. */
  isSignedIn(pubKey: string): Promise<boolean>
  /** Resolves when the other processes can be reached now; rejects with `store-failed`. */
  check(): Promise<void>
}

/** A message of another process, or of this one, on a channel that was subscribed to. */
export interface BusMessage {
  readonly channel: string
  readonly text: string
}

/** One connection to what carries messages between the processes of a hub. Calls reject when it is over. */
export interface BusConnection {
  /** In the order in which they were published, across all publishers. Not buffered. */
  readonly message$: Observable<BusMessage>
  /** Resolves to how many connections it reached; when this one is subscribed, after its own copy was emitted or before. */
  publish(channel: string, text: string): Promise<number>
  subscribe(channels: readonly string[]): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** Resolves when the other side answers. */
  check(): Promise<void>
}

/** How a request to register ended. */
export type RegistrationOutcome =
  Registration['type'] | 'malformed' | 'bad-signature' | 'invite-needed' | 'registration-closed' | 'rate-limited'

/** What is limited by address or by key. */
export type LimitName =
  | 'registrations'
  | 'registrations-by-key'
  | 'lookups'
  | 'downloads'
  | 'connections'
  | 'handshakes'
  | 'sockets'
  | 'logins'
  | 'signals'
  | 'offers'
  | 'offers-by-address'
  | 'offers-by-target'
  | 'receipts'
  | 'receipts-by-address'
  /** Too much waits: of a peer's signals for the store, of all receipts to be settled, of what somebody else reads. */
  | 'waiting-signals'
  | 'pending-receipts'
  | 'congested-readers'

/** What a rate limiter says of one more time. */
export interface Taken {
  readonly allowed: boolean
  /** Times in this window, this one included, and refused ones. */
  readonly used: number
  readonly left: number
  /** Milliseconds until the window ends. */
  readonly resetMs: number
}

/** Counts what keys do. A limit belongs to the key, so that connecting again gains nothing. */
export interface RateLimiter {
  /** Never rejects for want of what counts: it is counted in this process then. */
  take(key: string): Promise<Taken>
  /** It was not done after all. */
  giveBack(key: string): Promise<void>
}

/** Makes rate limiters. Those of one name share their counts, over all processes of the hub that share a Redis. */
export type RateLimiters = (name: string, rate: RateLimit) => RateLimiter

/** What is counted. Implementations keep their own registry. */
export interface HubMetrics {
  registration(outcome: RegistrationOutcome): void
  /** So many invites were made. */
  invites(count: number): void
  login(outcome: 'authenticated' | 'refused' | 'replaced'): void
  signal(outcome: string): void
  /** `repeated`: settled before, nothing moved. */
  receipt(outcome: 'settled' | 'repeated' | ReceiptRefusal): void
  /** A session moved on: a block was written. */
  settlement(): void
  /** One durable transaction: how many receipts stood in it, and how long it took. */
  settlementBatch(figures: { readonly receipts: number; readonly seconds: number }): void
  /** Something was refused by a limit of this name. */
  limited(limit: LimitName): void
  /** The database failed at this. */
  storeError(operation: keyof HubStore): void
  /** The text of `GET /metrics`, and its MIME type. */
  text(): Promise<{ readonly type: string; readonly body: string }>
}

/** Where the hub says what happens: pino's shape. Never keys in private, session descriptions or addresses of files. */
export interface HubLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
