import { formatCoins } from '../coins/amount.js'
import { type Evidence, headStatement, receiptStatement, settlementStatement } from './evidence.js'
import type { LedgerEntry } from './ledger-line.js'
import { isSameSettlement, type Settlement, type SignedReceipt } from '../coins/receipt.js'
import type { LedgerHead } from '../signaling/signal.js'

/** Two heads with one number and different hashes. */
export function headFork(hubKey: string, head: LedgerHead, kept: readonly LedgerHead[]): Evidence | undefined {
  const other = kept.find(each => each.seq === head.seq && each.hash !== head.hash)
  if (other === undefined) return undefined
  const message = `the hub has forked its ledger: it signed two different blocks ${head.seq} as its head`
  return { kind: 'fork', message, statements: [headStatement(hubKey, other), headStatement(hubKey, head)], lines: [] }
}

/** A head and a settlement with one number and different hashes. */
export function settlementFork(hubKey: string, head: LedgerHead, settlement: Settlement): Evidence | undefined {
  if (head.seq !== settlement.seq || head.hash === settlement.hash) return undefined
  const message = `the hub has forked its ledger: what it signed as its head ${head.seq} is not the block that it signed for a settlement, which is missing`
  return {
    kind: 'fork',
    message,
    statements: [headStatement(hubKey, head), settlementStatement(hubKey, settlement)],
    lines: [],
  }
}

/**
 * Two settlements that cannot both be true. A block settles one session up to one receipt, and a session is settled up to more
 * in a later block only.
 */
export function settlementsFork(hubKey: string, first: Settlement, second: Settlement): Evidence | undefined {
  if (isSameSettlement(first, second)) return undefined
  const { session, bytes, seq, hash } = second
  const isInOrder = Math.sign(first.bytes - bytes) === Math.sign(first.seq - seq)
  if (first.seq !== seq && (first.session !== session || isInOrder)) return undefined
  const what =
    first.seq !== seq
      ? `blocks ${first.seq} and ${seq} for one session, which cannot both be right`
      : first.hash === hash
        ? `two different settlements for one block ${seq}`
        : `two different blocks ${seq} for settlements`
  const message = `the hub has forked its ledger: it signed ${what}`
  const statements = [settlementStatement(hubKey, first), settlementStatement(hubKey, second)]
  return { kind: 'fork', message, statements, lines: [] }
}

/** A settlement that charges a session for more than the highest receipt that is kept of it. */
export function beyondReceipt(
  hubKey: string,
  settlement: Settlement,
  receipt: SignedReceipt | undefined,
): Evidence | undefined {
  const { session, bytes, seq } = settlement
  const signedBytes = receipt?.bytes ?? 0
  if (bytes <= signedBytes) return undefined
  const message = `the hub signed that block ${seq} settles session ${session} up to ${formatCoins(bytes)} coins, and the highest receipt that you keep of it is for ${formatCoins(signedBytes)}; "lighthouse-peer ledger verify --mine" shows whether you signed for more`
  const statements = [
    settlementStatement(hubKey, settlement),
    ...(receipt === undefined ? [] : [receiptStatement(receipt)]),
  ]
  return { kind: 'forged', message, statements, lines: [] }
}

/** Heads carry no time, so the order in which they were shown rests on the word of whoever saw them. */
function shows(head: LedgerHead | undefined): string {
  const what = head === undefined ? 'an empty ledger' : `block ${head.seq} as its head`
  return `shows ${what}; a hub that was restored from a backup looks the same, so ask its operator and compare with what other peers see`
}

/** What the hub shows now is behind a head that it had signed before it was asked. */
export function headRollback(hubKey: string, shown: LedgerHead | undefined, signed: LedgerHead): Evidence | undefined {
  if (shown !== undefined && shown.seq >= signed.seq) return undefined
  const message = `the hub has rolled its ledger back: it signed block ${signed.seq} as its head, and now ${shows(shown)}`
  const statements = [signed, ...(shown === undefined ? [] : [shown])].map(head => headStatement(hubKey, head))
  return { kind: 'rollback', message, statements, lines: [] }
}

/** What the hub shows now is behind a settlement that it had signed before it was asked. */
export function settlementRollback(
  hubKey: string,
  shown: LedgerHead | undefined,
  settled: Settlement,
): Evidence | undefined {
  if (shown !== undefined && shown.seq >= settled.seq) return undefined
  const message = `the hub has rolled its ledger back: it signed block ${settled.seq} for a settlement, and now ${shows(shown)}`
  const statements = [
    settlementStatement(hubKey, settled),
    ...(shown === undefined ? [] : [headStatement(hubKey, shown)]),
  ]
  return { kind: 'rollback', message, statements, lines: [] }
}

/** The ledger that the hub gives out ends before the head that it had signed. */
export function earlyEnd(hubKey: string, seq: number, signed: LedgerHead): Evidence {
  const message = `the hub has rolled its ledger back: it signed block ${signed.seq} as its head, and its ledger ends with block ${seq}, as whoever asks for the next one can see`
  return { kind: 'rollback', message, statements: [headStatement(hubKey, signed)], lines: [] }
}

/** A block that is not the one whose hash the hub signed as a head. */
export function lineFork(hubKey: string, entry: LedgerEntry, signed: LedgerHead): Evidence | undefined {
  if (entry.seq !== signed.seq || entry.hash === signed.hash) return undefined
  const message = `the hub has forked its ledger: its block ${entry.seq} is not the one that it signed as its head`
  return { kind: 'fork', message, statements: [headStatement(hubKey, signed)], lines: [entry] }
}
