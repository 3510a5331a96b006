import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../../../ports.js'
import type { HubBus } from '../../ports/bus.js'
import type { HubLimiters } from '../limits/hub-limiters.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubMetrics } from '../../ports/metrics.js'
import type { HubStore, KeyPair } from '../../ports/store.js'
import type { SettlementService } from '../settlement/settlement.js'

/** What the streams of one hub share. */
export interface HubContext {
  readonly store: HubStore
  readonly keys: KeyPair
  readonly crypto: Pick<CryptoPort, 'sign' | 'verify' | 'randomId'>
  readonly bus: HubBus
  readonly limiters: HubLimiters
  readonly settlement: Pick<SettlementService, 'submit'>
  readonly iceServersFor: (pubKey: string) => readonly IceServer[]
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
  readonly metrics: HubMetrics
}
