import type { KeptSession, SessionKeys } from '../../../ports/receipts.js'
import type { Settlement, SignedReceipt } from '../../../protocol/coins/receipt.js'

/** A session as the store's table has it: its highest receipt beside its highest settlement, as far as there are any. */
export interface KeptRow extends SessionKeys {
  readonly id: number
  readonly hub_key: string
  readonly bytes: number
  readonly signature: string
  readonly settled_bytes: number
  readonly coins: string
  readonly seq: number
  readonly hash: string
  readonly hub_signature: string
  readonly owed_bytes: number
  /** Its receipts up to so many bytes are no longer due. */
  readonly given_up: number
}

/** Undefined where there is none. */
export function toReceipt(row: KeptRow): SignedReceipt | undefined {
  const { hub_key, session, seeder, consumer, bytes, signature } = row
  return bytes === 0 ? undefined : { hub_key, session, seeder, consumer, bytes, signature }
}

/** Undefined where there is none. */
export function toSettlement(row: KeptRow): Settlement | undefined {
  const { session, settled_bytes: bytes, coins, seq, hash, hub_signature: signature } = row
  return bytes === 0 ? undefined : { session, bytes, coins, seq, hash, signature }
}

export function toKept(row: KeptRow): KeptSession {
  const { session, seeder, consumer } = row
  return { session, seeder, consumer, receipt: toReceipt(row), settlement: toSettlement(row) }
}
