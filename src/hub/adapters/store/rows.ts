import type { LedgerLine } from '../../protocol/settlement/ledger.js'
import type { SessionState } from '../../protocol/settlement/settlement.js'

/** A block as the tables of both databases hold it; the receipt as JSON text, whose member order is part of the hash. */
export interface BlockRow extends Omit<LedgerLine, 'from' | 'to' | 'receipt'> {
  readonly payer: string | null
  readonly payee: string
  readonly receipt: string | null
}

export function toLine({ payer, payee, receipt, ...row }: BlockRow): LedgerLine {
  return { ...row, from: payer, to: payee, receipt: receipt === null ? null : JSON.parse(receipt) }
}

/** The opposite of `toLine`. */
export function toRow({ from, to, receipt, ...line }: LedgerLine): BlockRow {
  return { ...line, payer: from, payee: to, receipt: receipt === null ? null : JSON.stringify(receipt) }
}

/** A session as both databases show it: the table's columns and, where it is settled, the hash of its last block. */
export interface SessionRow {
  readonly session: string
  readonly consumer: string
  readonly seeder: string
  readonly answered: boolean | number
  readonly settled: number
  readonly seq: number | null
  readonly hash: string | null
}

/** Sessions with the block that settled last, for its hash. Ends where a condition can follow. */
export const selectSessions =
  'SELECT s.session, s.consumer, s.seeder, s.answered, s.settled, b.seq, b.hash ' +
  'FROM sessions s LEFT JOIN blocks b ON b.seq = s.last_seq'

export function toSession({ session, consumer, seeder, answered, settled, seq, hash }: SessionRow): SessionState {
  const last = seq === null || hash === null ? undefined : { seq, hash }
  return { session, consumer, seeder, isAnswered: Boolean(answered), settledBytes: settled, last }
}
