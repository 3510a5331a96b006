import type { LedgerLine } from '../../protocol/settlement/ledger.js'

/** A block as the tables of both databases hold it; the receipt as JSON text, whose member order is part of the hash. */
export interface BlockRow extends Omit<LedgerLine, 'from' | 'to' | 'receipt'> {
  readonly payer: string | null
  readonly payee: string
  readonly receipt: string | null
}

export function toLine({ seq, prev_hash, time, kind, payer, payee, bytes, receipt, hash }: BlockRow): LedgerLine {
  return {
    seq,
    prev_hash,
    time,
    kind,
    from: payer,
    to: payee,
    bytes,
    receipt: receipt === null ? null : JSON.parse(receipt),
    hash,
  }
}

/** The opposite of `toLine`. */
export function toRow({ seq, prev_hash, time, kind, from, to, bytes, receipt, hash }: LedgerLine): BlockRow {
  const text = receipt === null ? null : JSON.stringify(receipt)
  return { seq, prev_hash, time, kind, payer: from, payee: to, bytes, receipt: text, hash }
}
