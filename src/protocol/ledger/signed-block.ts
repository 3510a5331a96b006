import { formatCoins } from '../coins/amount.js'
import { isSameSettlement, type Settlement, type SignedReceipt } from '../coins/receipt.js'
import type { LedgerHead } from '../signaling/signal.js'
import { headText, settledText } from '../signaling/signed-texts.js'
import { type Evidence, receiptStatement, type Statement, statementOf } from './evidence.js'
import type { LedgerEntry } from './ledger-line.js'

/** A block that a hub has signed for: as its head, or for a settlement. */
export interface SignedBlock extends Statement {
  readonly seq: number
  readonly hash: string
  readonly settlement?: Settlement
}

export function headBlock(hubKey: string, { seq, hash, signature }: LedgerHead): SignedBlock {
  return { by: hubKey, text: headText(seq, hash), signature, seq, hash }
}

export function settledBlock(hubKey: string, settlement: Settlement): SignedBlock {
  const { seq, hash, signature } = settlement
  return { by: hubKey, text: settledText(settlement), signature, seq, hash, settlement }
}

function evidence(
  kind: Evidence['kind'],
  message: string,
  signed: readonly Statement[],
  lines: readonly LedgerEntry[] = [],
) {
  return { kind, message, statements: signed.map(statementOf), lines }
}

/**
 * Why two of them cannot both be true, in words. A block settles one session up to one receipt, and a session is settled up to
 * more in a later block only.
 */
function contradiction(one: SignedBlock, other: SignedBlock): string | undefined {
  const { seq } = other
  const [first, second] = [one.settlement, other.settlement]
  if (one.seq === seq && one.hash !== other.hash) {
    if (first !== undefined && second !== undefined) return `it signed two different blocks ${seq} for settlements`
    return first === second
      ? `it signed two different blocks ${seq} as its head`
      : `what it signed as its head ${seq} is not the block that it signed for a settlement, which is missing`
  }
  if (first === undefined || second === undefined || isSameSettlement(first, second)) return undefined
  if (one.seq === seq) return `it signed two different settlements for one block ${seq}`
  const isInOrder = Math.sign(first.bytes - second.bytes) === Math.sign(one.seq - seq)
  if (first.session !== second.session || isInOrder) return undefined
  return `it signed blocks ${one.seq} and ${seq} for one session, which cannot both be right`
}

/** Two signed blocks that cannot both be true. */
export function fork(one: SignedBlock, other: SignedBlock): Evidence | undefined {
  const what = contradiction(one, other)
  const isHeadFirst = one.settlement === undefined || other.settlement !== undefined
  return what === undefined
    ? undefined
    : evidence('fork', `the hub has forked its ledger: ${what}`, isHeadFirst ? [one, other] : [other, one])
}

/** A block of the ledger that is not the one which the hub signed as its head. */
export function lineFork(entry: LedgerEntry, signed: SignedBlock): Evidence | undefined {
  if (entry.seq !== signed.seq || entry.hash === signed.hash) return undefined
  const message = `the hub has forked its ledger: its block ${entry.seq} is not the one that it signed as its head`
  return evidence('fork', message, [signed], [entry])
}

/** What the hub shows as its head now is behind a block that it had signed before it was asked. */
export function rollback(shown: SignedBlock | undefined, signed: SignedBlock): Evidence | undefined {
  if (shown !== undefined && shown.seq >= signed.seq) return undefined
  const before = `it signed block ${signed.seq} ${signed.settlement === undefined ? 'as its head' : 'for a settlement'}`
  const now = shown === undefined ? 'an empty ledger' : `block ${shown.seq} as its head`
  // Heads carry no time, so the order in which they were shown rests on the word of whoever saw them.
  const message = `the hub has rolled its ledger back: ${before}, and now shows ${now}; a hub that was restored from a backup looks the same, so ask its operator and compare with what other peers see`
  return evidence('rollback', message, shown === undefined ? [signed] : [signed, shown])
}

/** The ledger that the hub gives out ends before the head that it had signed. */
export function earlyEnd(seq: number, signed: SignedBlock): Evidence {
  const message = `the hub has rolled its ledger back: it signed block ${signed.seq} as its head, and its ledger ends with block ${seq}, as whoever asks for the next one can see`
  return evidence('rollback', message, [signed])
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
  const block = settledBlock(hubKey, settlement)
  return evidence('forged', message, receipt === undefined ? [block] : [block, receiptStatement(receipt)])
}
