import type { SignedReceipt } from './receipt.js'

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

function receiptText(receipt: SignedReceipt | null): string {
  if (receipt === null) return 'null'
  const { hub_key, session, seeder, consumer, bytes, signature } = receipt
  return `{"hub_key":"${hub_key}","session":"${session}","seeder":"${seeder}","consumer":"${consumer}","bytes":${bytes},"signature":"${signature}"}`
}

/**
 * The one text of an entry: members in the protocol's order, no white space, without the line break. Says nothing of use for
 * an entry whose strings would need escapes; no valid one has any.
 */
export function ledgerLineText(entry: LedgerEntry): string {
  const { seq, prev_hash, time, kind, from, to, bytes, receipt, hash } = entry
  const payer = from === null ? 'null' : `"${from}"`
  return `{"seq":${seq},"prev_hash":"${prev_hash}","time":${time},"kind":"${kind}","from":${payer},"to":"${to}","bytes":${bytes},"receipt":${receiptText(receipt)},"hash":"${hash}"}`
}

/** A place in a text that moves on as what is expected there is found. */
class Cursor {
  at = 0
  constructor(readonly text: string) {}

  skip(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false
    this.at += literal.length
    return true
  }

  /** What stands up to the next quotation mark, which is skipped. */
  quoted(): string | undefined {
    const end = this.text.indexOf('"', this.at)
    if (end < 0) return undefined
    const value = this.text.slice(this.at, end)
    this.at = end + 1
    return value
  }

  /** A whole number from 0 in its only spelling, or -1. */
  amount(): number {
    const start = this.at
    let value = 0
    for (;;) {
      const digit = this.text.charCodeAt(this.at) - 48
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
      this.at += 1
    }
    const digits = this.at - start
    const isOtherSpelling = digits === 0 || (digits > 1 && this.text.charCodeAt(start) === 48)
    return isOtherSpelling || value > Number.MAX_SAFE_INTEGER ? -1 : value
  }
}

function readReceipt(cursor: Cursor): SignedReceipt | undefined {
  const hub_key = cursor.quoted()
  const session = cursor.skip(',"session":"') ? cursor.quoted() : undefined
  const seeder = cursor.skip(',"seeder":"') ? cursor.quoted() : undefined
  const consumer = cursor.skip(',"consumer":"') ? cursor.quoted() : undefined
  const bytes = cursor.skip(',"bytes":') ? cursor.amount() : -1
  const signature = cursor.skip(',"signature":"') ? cursor.quoted() : undefined
  if (hub_key === undefined || session === undefined || seeder === undefined || consumer === undefined) return undefined
  if (bytes < 0 || signature === undefined || !cursor.skip('}')) return undefined
  return { hub_key, session, seeder, consumer, bytes, signature }
}

/**
 * A line, without its line break, as an entry, or undefined when it is not exactly the text that `ledgerLineText` makes:
 * unknown, missing or doubled members, another order, white space and numbers in another spelling are all refused, so that
 * not one byte can change without being seen. Strings are taken as they stand: whether keys and hashes are what they
 * should be is for whoever follows the chain. By hand, since it is what verifying a ledger spends its time with; the
 * strings are slices of `text` and keep it alive.
 */
export function parseLedgerLine(text: string): LedgerEntry | undefined {
  const cursor = new Cursor(text)
  const seq = cursor.skip('{"seq":') ? cursor.amount() : -1
  const prev_hash = cursor.skip(',"prev_hash":"') ? cursor.quoted() : undefined
  const time = cursor.skip(',"time":') ? cursor.amount() : -1
  const kind = cursor.skip(',"kind":"grant"') ? 'grant' : cursor.skip(',"kind":"transfer"') ? 'transfer' : undefined
  const from = cursor.skip(',"from":null') ? null : cursor.skip(',"from":"') ? cursor.quoted() : undefined
  const to = cursor.skip(',"to":"') ? cursor.quoted() : undefined
  const bytes = cursor.skip(',"bytes":') ? cursor.amount() : -1
  if (!cursor.skip(',"receipt":')) return undefined
  const receipt = cursor.skip('null') ? null : cursor.skip('{"hub_key":"') ? readReceipt(cursor) : undefined
  const hash = cursor.skip(',"hash":"') ? cursor.quoted() : undefined
  if (seq < 0 || time < 0 || bytes < 0 || kind === undefined || receipt === undefined) return undefined
  if (prev_hash === undefined || from === undefined || to === undefined || hash === undefined) return undefined
  if (!cursor.skip('}') || cursor.at !== text.length) return undefined
  return { seq, prev_hash, time, kind, from, to, bytes, receipt, hash }
}
