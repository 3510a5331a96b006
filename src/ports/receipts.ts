import type { Receipt, Settlement, SignedReceipt } from '../protocol/coins/receipt.js'
import type { LedgerHead } from '../protocol/signaling/signal.js'

/** A session with the keys of its parties. */
export interface SessionKeys {
  readonly session: string
  readonly seeder: string
  readonly consumer: string
}

/** A payment session, with its highest receipt and settlement. */
export interface KeptSession extends SessionKeys {
  readonly receipt: SignedReceipt | undefined
  readonly settlement: Settlement | undefined
}

/** The payment sessions of a peer. */
export interface SessionStore {
  /** Keeps who the parties of a session are, so that settlements can be credited to them even where no receipt came here. */
  open(session: SessionKeys): void
  /** Undefined where nothing is kept of it. */
  session(session: string): KeptSession | undefined
  /**
   * Keeps the highest receipt of each session, signed by this peer or given to it. A lower one changes nothing, nor does
   * one of other parties.
   */
  keep(receipt: SignedReceipt): void
  /** What this consumer signed and is not settled, over all sessions at this hub, those given up left out. */
  unsettledBytes(consumer: string, hubKey: string): number
}

/** What a consumer signed and owes. */
export interface ConsumerStore extends SessionStore {
  /** This much was received in a session, of which the receipt leaves some unpaid. */
  owe(debt: Receipt): void
  /** Those of them at this hub that are not signed for up to their bytes, oldest first. */
  owed(hubKey: string): readonly Receipt[]
  /** Bytes signed since the minute of `sinceMs` (wall clock). */
  signedSince(sinceMs: number): number
  /** Bytes signed for one seeder since ever. */
  signedFor(seeder: string): number
}

/** What this peer has served to one consumer, in payload bytes since ever. */
export interface ConsumerAccount {
  /**
   * Sent, whether or not it arrived, less what was forgiven or has faded; after a crash up to 256 KiB, or an eighth of its window,
   * more than that.
   */
  readonly servedBytes: number
  /** Settled by the hub. */
  readonly paidBytes: number
  /** Since when what it owes has not faded, in milliseconds by the wall clock; 0 where it never owed. */
  readonly debtSinceMs: number
  /** What its wallet held when the hub told of it last, with a settlement; 0 where it never did, or a receipt was refused since. */
  readonly balanceBytes: number
}

/** What a seeder was paid and is owed. */
export interface SeederStore extends SessionStore {
  /** What this key was served and has paid. */
  account(consumer: string): ConsumerAccount
  /** Sets what this key was served in all, and since when its debt has not faded. Called ahead of sending. */
  serve(consumer: string, servedBytes: number, debtSinceMs: number): void
  /** Forgets the balance of this key: the hub did not settle a receipt of it. */
  doubt(consumer: string): void
}

/** By how many bytes a settlement is ahead of the one before. */
export interface Moved extends SessionKeys {
  readonly bytes: number
}

/** What is brought to the hub, and what came of it. */
export interface SettlingStore extends SessionStore {
  /**
   * Keeps a settlement whose signature was checked, and the consumer's balance with it. Returns what it moved: undefined, and
   * nothing is kept, when it is not ahead of the one before, or when nobody opened this session and no receipt of it is here: what
   * a hub pushes does not fill the store.
   */
  settle(settlement: Settlement): Moved | undefined
  /**
   * The highest receipts that are not settled up to their bytes, newest session first, a page at a time: at most `limit`, of
   * sessions that began before the one named `before`.
   */
  due(limit: number, before?: string): readonly SignedReceipt[]
  /**
   * As seeder, of keys that were served more than they have paid: their sessions among the newest thousand, newest first, without
   * those given up. Settled ones too: the hub may have settled more than this peer was notified of.
   */
  ofDebtors(): readonly KeptSession[]
  /** The hub will not settle this session as it is (it does not know it): its receipts so far are evidence, and no longer due. */
  giveUp(session: string): void
}

/** What hubs signed about their ledgers. */
export interface StatementStore {
  /** Keeps a head signed by this hub: of the 1,000 highest numbers, two different ones each. */
  keepHead(hubKey: string, head: LedgerHead): void
  /** Heads of this hub with that number (more than one is a fork). */
  headsAt(hubKey: string, seq: number): readonly LedgerHead[]
  /** The newest one, or the newest with a lower number than `before`. */
  newestHead(hubKey: string, before?: number): LedgerHead | undefined
  /** The settlements kept of all sessions, in the order of their blocks. */
  settlements(): Iterable<Settlement & { readonly receipt: SignedReceipt | undefined }>
  /** Those of the block with that number; more than one is a fork. */
  settlementsAt(seq: number): readonly Settlement[]
  /** The one of the highest block, of sessions that are not known to be another hub's. */
  newestSettlement(hubKey: string): Settlement | undefined
}

/**
 * What a peer keeps about coins: receipts, settlements, heads of the ledger, and who owes what. Synchronous; what is
 * stored survives the end of the process. Errors are thrown as `store-failed`.
 */
export interface ReceiptStore extends ConsumerStore, SeederStore, SettlingStore, StatementStore {}
