import { parseCoins } from './amount.js'
import { isRecord } from '../json.js'
import { isBase64Of, isBlockHash, isPublicKey, isSession } from '../signaling/signal.js'

/** What a consumer says: "in this session I have received `bytes` from you". Only the highest of a session counts. */
export interface Receipt {
  readonly hub_key: string
  readonly session: string
  readonly seeder: string
  readonly consumer: string
  /** Cumulative payload bytes, from 1. */
  readonly bytes: number
}

/** A receipt with the consumer's signature over `receiptText`. */
export interface SignedReceipt extends Receipt {
  readonly signature: string
}

/** The hub's word that a session is settled up to `bytes`: what both parties get as `settled`. */
export interface Settlement {
  readonly session: string
  /** Cumulative, as in the receipt that was settled. */
  readonly bytes: number
  /** The wallet of whom it is sent to, as text with six decimals. */
  readonly coins: string
  /** To the seeder: the wallet of the consumer. Not signed, and missing from hubs of earlier versions. */
  readonly consumer_coins?: string
  /** The block of the ledger that moved the last of them, and its hash. */
  readonly seq: number
  readonly hash: string
  /** The hub's, over `settledText`. */
  readonly signature: string
}

/** Whether two settlements are the same, whatever the balances in them were when each was sent. */
export function isSameSettlement(one: Settlement, other: Settlement): boolean {
  return one.session === other.session && one.bytes === other.bytes && one.seq === other.seq && one.hash === other.hash
}

/** The codes with which the hub refuses a receipt. */
export const receiptRefusals = [
  'malformed',
  'bad-signature',
  'not-a-party',
  'unknown-session',
  'no-coins',
  'rate-limited',
  'unavailable',
] as const
/** One of these. */
export type ReceiptRefusal = (typeof receiptRefusals)[number]

/** The hub's acknowledgement of a receipt; not before it is durable. */
export type ReceiptAck =
  { readonly settled: Settlement } | { readonly error: { readonly code: ReceiptRefusal; readonly message: string } }

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

/** A receipt as received, unknown members dropped, or undefined when it is not one. The signature is not checked here. */
export function parseReceipt(value: unknown): SignedReceipt | undefined {
  if (!isRecord(value)) return undefined
  const { hub_key, session, seeder, consumer, bytes, signature } = value
  if (!isPublicKey(hub_key) || !isPublicKey(seeder) || !isPublicKey(consumer) || seeder === consumer) return undefined
  if (!isSession(session) || !isCount(bytes) || !isBase64Of(signature, 64)) return undefined
  return { hub_key, session, seeder, consumer, bytes, signature }
}

/** A settlement as received, unknown members dropped, or undefined when it is not one. The signature is not checked here. */
export function parseSettlement(value: unknown): Settlement | undefined {
  if (!isRecord(value)) return undefined
  const { session, bytes, coins, seq, hash, signature, consumer_coins: consumer } = value
  if (!isSession(session) || !isCount(bytes) || !isCount(seq) || !isBase64Of(signature, 64)) return undefined
  if (typeof coins !== 'string' || parseCoins(coins) === undefined) return undefined
  if (!isBlockHash(hash)) return undefined
  const settlement = { session, bytes, coins, seq, hash, signature }
  const isTold = typeof consumer === 'string' && parseCoins(consumer) !== undefined
  return isTold ? { ...settlement, consumer_coins: consumer } : settlement
}

/** The acknowledgement of a receipt as received, or undefined when it is not one. */
export function parseReceiptAck(value: unknown): ReceiptAck | undefined {
  if (!isRecord(value)) return undefined
  const settled = parseSettlement(value.settled)
  if (settled !== undefined) return { settled }
  if (!isRecord(value.error)) return undefined
  const { code, message } = value.error
  const known = receiptRefusals.find(refusal => refusal === code)
  return known && { error: { code: known, message: typeof message === 'string' ? message.slice(0, 500) : '' } }
}
