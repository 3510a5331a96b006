import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../../ports.js'
import type { SessionTable } from '../protocol/session-table.js'
import type { TokenBuckets } from '../protocol/token-buckets.js'
import type { HubLogger, HubMetrics, HubSocket, HubStore, KeyPair } from '../ports.js'

/** What the streams of one hub share. */
export interface HubContext {
  readonly store: HubStore
  readonly keys: KeyPair
  readonly crypto: Pick<CryptoPort, 'sign' | 'verify' | 'randomId'>
  readonly sessions: SessionTable<HubSocket>
  readonly signalLimits: TokenBuckets
  readonly iceServersFor: (pubKey: string) => readonly IceServer[]
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
  readonly metrics: HubMetrics
}
