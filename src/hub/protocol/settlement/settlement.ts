import type { ReceiptRefusal, SignedReceipt } from '../../../protocol/coins/receipt.js'
import { type BlockHash, type ChainState, type LedgerLine, transferBlock } from './ledger.js'

/** The parties of a session: the consumer made the offer, the seeder answers it. */
export interface SessionParties {
  readonly session: string
  readonly consumer: string
  readonly seeder: string
}

/** What a store knows of a session. */
export interface SessionState extends SessionParties {
  /** The answer was forwarded: receipts count. */
  readonly isAnswered: boolean
  /** What is settled of it so far; 0 before the first settlement. */
  readonly settledBytes: number
  /** The block that moved the last of it; undefined before the first. */
  readonly last: ChainState | undefined
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

/** All that a batch of receipts is judged by: the sessions that it names and the wallets of their parties. */
export interface SettlementBasis {
  readonly chain: ChainState
  readonly sessions: ReadonlyMap<string, SessionState>
  /** Bytes by public key. */
  readonly wallets: ReadonlyMap<string, number>
}

/** What a batch changes, to be written as a whole or not at all. */
export interface SettlementPlan {
  /** In the order of the receipts. */
  readonly results: readonly SettleResult[]
  /** New blocks, in order. */
  readonly lines: readonly LedgerLine[]
  /** Sessions that moved, as they are afterwards. */
  readonly sessions: readonly SessionState[]
  /** Wallets that moved, and what is in them afterwards. */
  readonly wallets: ReadonlyMap<string, number>
}

type Refused = Extract<SettleResult, { type: 'refused' }>
type Outcome = Refused | { readonly session: SessionState; readonly last: ChainState; readonly moved: boolean }

const refused = (code: Refused['code']): Refused => ({ type: 'refused', code })

/**
 * Judges receipts one after the other, each by what those before it have left: what a receipt is ahead of its session
 * moves from consumer to seeder as one block. A receipt that is refused changes nothing. Signatures, and that `bytes` is
 * a whole number from 1, are the caller's to check.
 */
export function planSettlement(
  basis: SettlementBasis,
  receipts: readonly SignedReceipt[],
  timeMs: number,
  hash: BlockHash,
): SettlementPlan {
  const sessions = new Map(basis.sessions)
  const wallets = new Map(basis.wallets)
  const moved = new Map<string, SessionState>()
  const lines: LedgerLine[] = []
  let { chain } = basis

  const judge = (receipt: SignedReceipt): Outcome => {
    const { consumer, seeder, bytes } = receipt
    const known = sessions.get(receipt.session)
    if (known === undefined || !known.isAnswered) return refused('unknown-session')
    if (known.consumer !== consumer || known.seeder !== seeder) return refused('not-a-party')
    const consumerBytes = wallets.get(consumer)
    const seederBytes = wallets.get(seeder)
    // Who has no wallet can neither pay nor be paid.
    if (consumerBytes === undefined || seederBytes === undefined) return refused('not-a-party')
    const difference = bytes - known.settledBytes
    if (difference <= 0) {
      return known.last === undefined ? refused('unknown-session') : { session: known, last: known.last, moved: false }
    }
    if (difference > consumerBytes) return refused('no-coins')
    const block = transferBlock(chain, { bytes: difference, time: timeMs, receipt })
    const line: LedgerLine = { ...block, hash: hash(block) }
    chain = { seq: line.seq, hash: line.hash }
    lines.push(line)
    wallets.set(consumer, consumerBytes - difference)
    wallets.set(seeder, seederBytes + difference)
    const session = { ...known, settledBytes: bytes, last: chain }
    sessions.set(session.session, session)
    moved.set(session.session, session)
    return { session, last: chain, moved: true }
  }
  const outcomes = receipts.map(judge)

  const walletOf = (key: string): number => wallets.get(key) ?? 0
  return {
    results: outcomes.map(outcome => {
      if ('type' in outcome) return outcome
      const { settledBytes: bytes, consumer, seeder } = outcome.session
      const consumerBytes = walletOf(consumer)
      const seederBytes = walletOf(seeder)
      return { type: 'settled', moved: outcome.moved, bytes, ...outcome.last, consumerBytes, seederBytes }
    }),
    lines,
    sessions: [...moved.values()],
    wallets: new Map(
      [...moved.values()].flatMap(({ consumer, seeder }) => [consumer, seeder]).map(key => [key, walletOf(key)]),
    ),
  }
}
