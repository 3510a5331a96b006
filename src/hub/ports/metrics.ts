import type { ReceiptRefusal } from '../../protocol/coins/receipt.js'
import type { LimitName } from './limits.js'
import type { HubStore, RegistrationResult } from './store.js'

/** How a request to register ended. */
export type RegistrationOutcome =
  RegistrationResult['type'] | 'malformed' | 'bad-signature' | 'invite-needed' | 'registration-closed' | 'rate-limited'

/** What is counted. Implementations keep their own registry. */
export interface HubMetrics {
  registration(outcome: RegistrationOutcome): void
  /** So many invites were made. */
  invites(count: number): void
  login(outcome: 'authenticated' | 'refused' | 'replaced'): void
  signal(outcome: string): void
  /** `repeated`: settled before, nothing moved. */
  receipt(outcome: 'settled' | 'repeated' | ReceiptRefusal): void
  /** A session moved on: a block was written. */
  settlement(): void
  /** One durable transaction: how many receipts stood in it, and how long it took. */
  settlementBatch(figures: { readonly receipts: number; readonly seconds: number }): void
  /** Something was refused by a limit of this name. */
  limited(limit: LimitName): void
  /** The database failed at this. */
  storeError(operation: keyof HubStore): void
  /** The text of `GET /metrics`, and its MIME type. */
  text(): Promise<{ readonly type: string; readonly body: string }>
}
