import type { LedgerEntry } from './ledger-line.js'
import type { SignedReceipt } from '../coins/receipt.js'
import { receiptText } from '../signaling/signed-texts.js'

/** What a hub can be shown to have done to its ledger. */
export const evidenceKinds = [
  /** It signed two different histories. */
  'fork',
  /** It shows less than what it had signed before. */
  'rollback',
  /** A line that it signed for is not there. */
  'missing',
  /** A line is not what it signed for. */
  'changed',
  /** A line takes coins without the payer's signature, or by one that was used before. */
  'forged',
  /** A line gives coins that nothing covers. */
  'credit',
] as const
/** One of these. */
export type EvidenceKind = (typeof evidenceKinds)[number]

/** Something that somebody signed; anybody can check it. */
export interface Statement {
  /** Public key, base64. */
  readonly by: string
  readonly text: string
  readonly signature: string
}

/** What was detected, in words, with what proves it; docs/PROTOCOL.md section 5 says how well. */
export interface Evidence {
  readonly kind: EvidenceKind
  readonly message: string
  readonly statements: readonly Statement[]
  /** Lines of the ledger as the hub gave them out. */
  readonly lines: readonly LedgerEntry[]
}

/** A statement without what else is known of it. */
export function statementOf({ by, text, signature }: Statement): Statement {
  return { by, text, signature }
}

/** A receipt as its consumer's statement. */
export function receiptStatement(receipt: SignedReceipt): Statement {
  return { by: receipt.consumer, text: receiptText(receipt), signature: receipt.signature }
}
