import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../../ports.js'
import type { TargetLimits } from '../protocol/limits/target-limits.js'
import type { PartyLimits } from '../protocol/party-limits.js'
import type { TokenBuckets } from '../protocol/token-buckets.js'
import type { HubBus, HubLogger, HubMetrics, HubStore, KeyPair } from '../ports.js'
import type { SettlementService } from './settlement.js'

/** What the streams of one hub share. */
export interface HubContext {
  readonly store: HubStore
  readonly keys: KeyPair
  readonly crypto: Pick<CryptoPort, 'sign' | 'verify' | 'randomId'>
  readonly bus: HubBus
  /** Logins and signals by key; offers and receipts, which cost more, by address too. */
  readonly loginLimits: TokenBuckets
  readonly signalLimits: TokenBuckets
  readonly offerLimits: PartyLimits
  /** Offers by whom they are for. */
  readonly targetLimits: TargetLimits
  readonly receiptLimits: PartyLimits
  readonly settlement: Pick<SettlementService, 'submit'>
  readonly iceServersFor: (pubKey: string) => readonly IceServer[]
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
  readonly metrics: HubMetrics
}
