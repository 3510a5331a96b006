import { isRecord } from '../json.js'
import type { SignedReceipt } from '../coins/receipt.js'

/** A block of the ledger with its hash, as one line of `GET /v1/ledger` or of an exported file says it. */
export interface LedgerEntry {
  readonly seq: number
  readonly prev_hash: string
  /** Milliseconds since 1970. */
  readonly time: number
  readonly kind: 'grant' | 'transfer'
  readonly from: string | null
  readonly to: string
  readonly bytes: number
  readonly receipt: SignedReceipt | null
  readonly hash: string
}

/** What the first block names as its predecessor. */
export const genesisHash = '0'.repeat(128)

/** Largest line in bytes. A transfer has about 850; what is longer is not a ledger. */
export const maxLedgerLineBytes = 16_384

/** The one text of an entry: members in the protocol's order, no white space, without the line break. */
export function ledgerLineText(entry: LedgerEntry): string {
  const { seq, prev_hash, time, kind, from, to, bytes, receipt, hash } = entry
  return JSON.stringify({ seq, prev_hash, time, kind, from, to, bytes, receipt: receipt && membersOf(receipt), hash })
}

function membersOf({ hub_key, session, seeder, consumer, bytes, signature }: SignedReceipt): SignedReceipt {
  return { hub_key, session, seeder, consumer, bytes, signature }
}

const isText = (value: unknown): value is string => typeof value === 'string'

const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function isReceipt(value: unknown): value is SignedReceipt {
  if (!isRecord(value)) return false
  const { hub_key, session, seeder, consumer, bytes, signature } = value
  return [hub_key, session, seeder, consumer, signature].every(isText) && isAmount(bytes)
}

function isEntry(value: unknown): value is LedgerEntry {
  if (!isRecord(value)) return false
  const { seq, prev_hash, time, kind, from, to, bytes, receipt, hash } = value
  if (![seq, time, bytes].every(isAmount) || ![prev_hash, to, hash].every(isText)) return false
  return (
    (kind === 'grant' || kind === 'transfer') &&
    (from === null || isText(from)) &&
    (receipt === null || isReceipt(receipt))
  )
}

/**
 * A line, without its line break, as an entry, or undefined when it is not exactly the text that `ledgerLineText` makes:
 * unknown, missing or doubled members, another order, white space and numbers in another spelling are all refused, so that
 * not one byte can change without being seen. Strings are taken as they stand: whether keys and hashes are what they
 * should be is for whoever follows the chain.
 */
export function parseLedgerLine(text: string): LedgerEntry | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isEntry(value) && ledgerLineText(value) === text ? value : undefined
}
