import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../../ports.js'
import type { TokenBuckets } from '../protocol/token-buckets.js'
import type { HubBus, HubLogger, HubMetrics, HubStore, KeyPair } from '../ports.js'
import type { SettlementService } from './settlement.js'

/** What the streams of one hub share. */
export interface HubContext {
  readonly store: HubStore
  readonly keys: KeyPair
  readonly crypto: Pick<CryptoPort, 'sign' | 'verify' | 'randomId'>
  readonly bus: HubBus
  /** All signals by key, and offers among them, which cost more. */
  readonly signalLimits: TokenBuckets
  readonly offerLimits: TokenBuckets
  readonly receiptLimits: TokenBuckets
  readonly settlement: Pick<SettlementService, 'submit'>
  readonly iceServersFor: (pubKey: string) => readonly IceServer[]
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
  readonly metrics: HubMetrics
}
