import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../../ports.js'
import type { TokenBuckets } from '../protocol/token-buckets.js'
import type { HubBus, HubLogger, HubMetrics, HubStore, KeyPair } from '../ports.js'

/** What the streams of one hub share. */
export interface HubContext {
  readonly store: HubStore
  readonly keys: KeyPair
  readonly crypto: Pick<CryptoPort, 'sign' | 'verify' | 'randomId'>
  readonly bus: HubBus
  readonly signalLimits: TokenBuckets
  readonly iceServersFor: (pubKey: string) => readonly IceServer[]
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
  readonly metrics: HubMetrics
}
