/**
 * Receipts that are really signed, and what a hub may make of them, written down once more and as plainly as it goes: no
 * batches, no database, and a signature is good when it is on the list of those that were made.
 */
import { blockHash } from '../../src/hub/adapters/store/block-hash.js'
import { type ChainState, emptyChain, type LedgerLine, verifyNext } from '../../src/hub/protocol/settlement/ledger.js'
import type { SignedReceipt } from '../../src/protocol/coins/receipt.js'

/** A receipt on its way to a hub. */
export interface Attempt {
  readonly receipt: SignedReceipt
  /** The key that signed in on the socket. */
  readonly sender: string
}

/** A hub's acknowledgement, in short: up to where the session is settled, or why not. */
export type Answer =
  { readonly bytes: number; readonly seq: number; readonly hash: string } | { readonly refused: string }

interface Session {
  readonly consumer: string
  readonly seeder: string
  readonly answered: boolean
  settled: number
}

const base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const base64url = `${base64.slice(0, 62)}-_`

export const fields = ['hub_key', 'session', 'seeder', 'consumer', 'bytes', 'signature'] as const

/** The same receipt with one bit of one field changed. `place` is any number. */
export function flipped(receipt: SignedReceipt, field: (typeof fields)[number], place: number): SignedReceipt {
  // Up to the largest number that a receipt may have.
  if (field === 'bytes') return { ...receipt, bytes: Number(BigInt(receipt.bytes) ^ (1n << BigInt(place % 53))) }
  const [text, alphabet] = [receipt[field], field === 'session' ? base64url : base64]
  const length = text.replace(/=*$/, '').length
  // The last one more often than the others: it has bits to spare.
  const at = place % 5 === 0 ? length - 1 : Math.floor(place / 6) % length
  const changed = alphabet[alphabet.indexOf(text[at]!) ^ (1 << (place % 6))]!
  return { ...receipt, [field]: text.slice(0, at) + changed + text.slice(at + 1) }
}

/** Base64 has spare bits at its end, which nobody may set: else there were two texts for one key or signature. */
const isCanonical = (text: string): boolean => Buffer.from(text, 'base64').toString('base64') === text

const textOf = ({ hub_key, session, seeder, consumer, bytes }: SignedReceipt): string =>
  [hub_key, session, seeder, consumer, bytes].join(' ')

export class ReceiptModel {
  readonly wallets = new Map<string, number>()
  readonly sessions = new Map<string, Session>()
  granted = 0
  chain: ChainState = emptyChain
  /** What was signed and by whom, by signature. */
  readonly #signed = new Map<string, { readonly text: string; readonly by: string }>()

  constructor(private readonly hubKey: string) {}

  sign(receipt: SignedReceipt, by: string): void {
    this.#signed.set(receipt.signature, { text: textOf(receipt), by })
  }

  /** Why it can never be settled, whatever is in the wallets; undefined when it can. */
  flaw({ receipt, sender }: Attempt): string | undefined {
    const { hub_key, session, seeder, consumer, bytes, signature } = receipt
    if (hub_key !== this.hubKey || seeder === consumer || bytes < 1) return 'malformed'
    if (![seeder, consumer, signature].every(isCanonical)) return 'malformed'
    if (sender !== consumer && sender !== seeder) return 'not-a-party'
    const made = this.#signed.get(signature)
    if (made?.text !== textOf(receipt) || made.by !== consumer) return 'bad-signature'
    const known = this.sessions.get(session)
    if (known?.answered !== true) return 'unknown-session'
    return known.consumer === consumer && known.seeder === seeder ? undefined : 'not-a-party'
  }

  /** What is missing in the wallet for it now. */
  shortage({ session, consumer, bytes }: SignedReceipt): number {
    return bytes - this.sessions.get(session)!.settled - this.wallets.get(consumer)!
  }

  /** Takes the next block of the hub's ledger. Throws what is wrong with it. */
  take(line: LedgerLine): void {
    const step = verifyNext(this.chain, line, blockHash)
    if ('problem' in step) throw new Error(step.problem)
    this.chain = step.chain
    const { from, to, bytes } = line
    if (from === null) {
      this.granted += bytes
      this.wallets.set(to, (this.wallets.get(to) ?? 0) + bytes)
      return
    }
    const receipt = line.receipt as unknown as SignedReceipt
    const flaw = this.flaw({ receipt, sender: from })
    if (flaw !== undefined) throw new Error(`block ${line.seq} settles what is ${flaw}`)
    const session = this.sessions.get(receipt.session)!
    if (from !== session.consumer || to !== session.seeder) throw new Error(`block ${line.seq} pays somebody else`)
    if (bytes !== receipt.bytes - session.settled || bytes < 1) throw new Error(`block ${line.seq} pays a byte twice`)
    if (this.shortage(receipt) > 0) throw new Error(`block ${line.seq} leaves a wallet below zero`)
    session.settled = receipt.bytes
    this.wallets.set(from, this.wallets.get(from)! - bytes)
    this.wallets.set(to, this.wallets.get(to)! + bytes)
  }

  /** What would come of one that comes alone. */
  foresee(attempt: Attempt): string | number {
    const flaw = this.flaw(attempt)
    if (flaw !== undefined) return flaw
    const { receipt } = attempt
    return this.shortage(receipt) > 0
      ? 'no-coins'
      : Math.max(receipt.bytes, this.sessions.get(receipt.session)!.settled)
  }
}
