import { type Observable, of } from 'rxjs'
import type { ReceiptRefusal, Settlement, SignedReceipt } from '../../protocol/coins/receipt.js'
import type { Wallet } from '../../protocol/coins/wallet.js'
import { type LighthouseError, toLighthouseError } from '../../protocol/errors.js'

/** The store cannot be read or written: what it was asked for did not happen. */
export interface StoreFailure {
  readonly type: 'receipts-failed'
  readonly reason: LighthouseError
}

/** The hub will not take it, today or tomorrow. */
export interface ReceiptRefused {
  readonly type: 'receipt-refused'
  readonly receipt: SignedReceipt
  readonly code: ReceiptRefusal
  readonly message: string
}

/** What the hub acknowledged. Its signature was checked. */
export interface Settled {
  readonly type: 'settled'
  readonly settlement: Settlement
}

/** What happens to this peer's coins otherwise than by what the hub says of itself. */
export type PaymentEvent =
  /** Signed by this peer, or given to it and not brought to the hub in time. It is kept. */
  | { readonly type: 'receipt'; readonly receipt: SignedReceipt }
  /** What a key may be sent has grown; it has paid so much in all. */
  | { readonly type: 'credit'; readonly consumer: string; readonly paidBytes: number }
  | { readonly type: 'looked-up'; readonly balanceBytes: number; readonly asked: Wallet }
  | Settled
  | ReceiptRefused
  | StoreFailure

/** What the store threw, as an event. */
export function storeFailure(error: unknown): StoreFailure {
  return { type: 'receipts-failed', reason: toLighthouseError('store-failed', error, 'receipts') }
}

/** For `catchError`: what the store cannot do is reported, and the peer goes on. */
export function storeFailure$(error: unknown): Observable<StoreFailure> {
  return of(storeFailure(error))
}
