import type { SignedReceipt } from '../../protocol/coins/receipt.js'
import type { ChainState, LedgerLine } from '../protocol/settlement/ledger.js'
import type { SessionParties, SettleResult } from '../protocol/settlement/settlement.js'

/** An Ed25519 key pair, base64; the private key in NaCl's form, seed ‖ public key. */
export interface KeyPair {
  readonly pubKey: string
  readonly privKey: string
}

/** What became of a registration. `both` is taken when this key has this name already. */
export type RegistrationResult =
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
  }): Promise<RegistrationResult>
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
