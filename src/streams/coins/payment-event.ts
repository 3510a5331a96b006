import type { Observer } from 'rxjs'
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
  /** What it would have moved. */
  readonly moreBytes: number
  readonly code: ReceiptRefusal
  readonly message: string
}

/** What the hub acknowledged. Its signature was checked. */
export interface Settled {
  readonly type: 'settled'
  readonly settlement: Settlement
}

/** The hub has not answered for a second, or says that it cannot settle now. */
export interface HubSilent {
  readonly type: 'hub-silent'
}

/** What happens to this peer's coins, besides what the hub sends unasked. */
export type PaymentEvent =
  /** Signed by this peer, or given to it and not brought to the hub in time. It is kept. */
  | { readonly type: 'receipt'; readonly receipt: SignedReceipt }
  /** What a key may be sent has grown; it has paid so much in all. */
  | { readonly type: 'credit'; readonly consumer: string; readonly paidBytes: number }
  | { readonly type: 'looked-up'; readonly bytes: number; readonly asked: Wallet }
  | Settled
  | ReceiptRefused
  | HubSilent
  | StoreFailure

/** What the store threw, as an event: that is reported, and the peer goes on. */
export function storeFailure(error: unknown): StoreFailure {
  return { type: 'receipts-failed', reason: toLighthouseError('store-failed', error, 'receipts') }
}

/** Does something with the store for which no connection can be ended. Where it fails that is an event, and undefined is returned. */
export function attempt<T>(event$: Pick<Observer<PaymentEvent>, 'next'>, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    event$.next(storeFailure(error))
    return undefined
  }
}
