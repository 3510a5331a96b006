import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../../../ports.js'
import type { HubBus } from '../../ports/bus.js'
import type { RateLimiter } from '../../ports/limits.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubMetrics } from '../../ports/metrics.js'
import type { HubStore, KeyPair } from '../../ports/store.js'
import type { PartyRateLimiter } from '../limits/party-rate-limiter.js'
import type { TargetRateLimiter } from '../limits/target-rate-limiter.js'
import type { SettlementService } from '../settlement/settlement.js'

/** What the streams of one hub share. */
export interface HubContext {
  readonly store: HubStore
  readonly keys: KeyPair
  readonly crypto: Pick<CryptoPort, 'sign' | 'verify' | 'randomId'>
  readonly bus: HubBus
  /** Logins and signals by key; offers and receipts, which cost more, by address too. */
  readonly loginLimits: Pick<RateLimiter, 'take'>
  readonly signalLimits: Pick<RateLimiter, 'take'>
  readonly offerLimits: PartyRateLimiter
  /** Offers by whom they are for. */
  readonly targetLimits: TargetRateLimiter
  readonly receiptLimits: PartyRateLimiter
  readonly settlement: Pick<SettlementService, 'submit'>
  readonly iceServersFor: (pubKey: string) => readonly IceServer[]
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
  readonly metrics: HubMetrics
}
