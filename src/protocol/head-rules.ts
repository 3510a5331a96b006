import { type Evidence, headStatement, settlementStatement } from './evidence.js'
import type { LedgerEntry } from './ledger-line.js'
import type { Settlement } from './receipt.js'
import type { LedgerHead } from './signal.js'

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

/** Two settlements in one block. A block settles one session up to one receipt. */
export function settlementsFork(hubKey: string, first: Settlement, second: Settlement): Evidence | undefined {
  if (first.seq !== second.seq) return undefined
  const { session, bytes, seq } = second
  if (first.hash === second.hash && first.session === session && first.bytes === bytes) return undefined
  const what =
    first.hash === second.hash
      ? `two different settlements for one block ${seq}`
      : `two different blocks ${seq} for settlements`
  const message = `the hub has forked its ledger: it signed ${what}`
  const statements = [settlementStatement(hubKey, first), settlementStatement(hubKey, second)]
  return { kind: 'fork', message, statements, lines: [] }
}

/** Heads have no time in them, so that the order in which they were shown rests on the word of whoever saw it. */
const afterRollback =
  'an old answer, out of a cache on the way, would look the same, so ask the hub again and compare with what other peers see'

/** What the hub shows now is behind a head that it had signed before it was asked. */
export function headRollback(hubKey: string, shown: LedgerHead | undefined, signed: LedgerHead): Evidence | undefined {
  if (shown !== undefined && shown.seq >= signed.seq) return undefined
  const now = `shows ${shown === undefined ? 'an empty ledger' : `block ${shown.seq} as its head`}; ${afterRollback}`
  const message = `the hub has rolled its ledger back: it signed block ${signed.seq} as its head, and now ${now}`
  const statements = [signed, ...(shown === undefined ? [] : [shown])].map(head => headStatement(hubKey, head))
  return { kind: 'rollback', message, statements, lines: [] }
}

/** What the hub shows now is behind a settlement that it had signed before it was asked. */
export function settlementRollback(hubKey: string, shown: LedgerHead, settled: Settlement): Evidence | undefined {
  if (shown.seq >= settled.seq) return undefined
  const message = `the hub has rolled its ledger back: it signed block ${settled.seq} for a settlement, and now shows block ${shown.seq} as its head; ${afterRollback}`
  const statements = [settlementStatement(hubKey, settled), headStatement(hubKey, shown)]
  return { kind: 'rollback', message, statements, lines: [] }
}

/** The ledger that the hub gives out ends before the head that it had signed. */
export function earlyEnd(hubKey: string, seq: number, signed: LedgerHead): Evidence {
  const message = `the hub has rolled its ledger back: it signed block ${signed.seq} as its head, and its ledger ends with block ${seq}, as whoever asks for the next one can see`
  return { kind: 'rollback', message, statements: [headStatement(hubKey, signed)], lines: [] }
}

/** The ledger that the hub gives out does not go on from what it was before. */
export function rewritten(seq: number, entry: LedgerEntry | undefined, isBlock: boolean): Evidence {
  const what = isBlock
    ? 'what it gives out there does not follow from what was there before'
    : 'what it gives out there is not a block'
  const message = `the hub has forked its ledger before block ${seq}: ${what}`
  return { kind: 'fork', message, statements: [], lines: entry === undefined ? [] : [entry] }
}

/** A head that is not the block with its number that the hub gave out before. */
export function headAgainstLine(hubKey: string, head: LedgerHead, entry: LedgerEntry | undefined): Evidence {
  const message = `the hub has forked its ledger: what it signed as its head ${head.seq} is not the block ${head.seq} that it gave out before`
  return { kind: 'fork', message, statements: [headStatement(hubKey, head)], lines: entry === undefined ? [] : [entry] }
}

/** A settlement for another block than the one with its number that the hub vouched for before. */
export function settlementAgainstLine(hubKey: string, settlement: Settlement): Evidence {
  const { seq, session } = settlement
  const message = `the hub signed that block ${seq} settles session ${session}, and its ledger has another block in that place`
  return { kind: 'missing', message, statements: [settlementStatement(hubKey, settlement)], lines: [] }
}

/** A block that is not the one whose hash the hub signed as a head. */
export function lineFork(hubKey: string, entry: LedgerEntry, signed: LedgerHead): Evidence | undefined {
  if (entry.seq !== signed.seq || entry.hash === signed.hash) return undefined
  const message = `the hub has forked its ledger: its block ${entry.seq} is not the one that it signed as its head`
  return { kind: 'fork', message, statements: [headStatement(hubKey, signed)], lines: [entry] }
}
