import { map, type Observable, type SchedulerLike, timer } from 'rxjs'
import type { CryptoPort, MonotonicClock } from '../../ports.js'
import { fingerprint } from '../../protocol/peer/fingerprint.js'
import type { CarryStats, PeerStats } from '../../protocol/peer/stats.js'
import type { PeerState } from './peer-state.js'

/** How often figures are taken while somebody watches them. */
const statsPeriodMs = 1_000

export interface PeerStatsOptions {
  readonly identity: { readonly nickname: string; readonly fingerprint: string }
  readonly crypto: Pick<CryptoPort, 'sha256'>
  readonly state: () => PeerState
  /** What the process uses. */
  readonly figures: () => Pick<PeerStats, 'activeResources' | 'memory'>
  /** How many are live. */
  readonly subscriptions: () => number
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

/** What this process carries: at once, then every second while subscribed. Its uptime counts from this call. Never completes. */
export function createPeerStats$(options: PeerStatsOptions): Observable<PeerStats> {
  const { identity, crypto, state, figures, subscriptions, clock, scheduler } = options
  const startedMs = clock.now()
  return timer(0, statsPeriodMs, scheduler).pipe(
    map(() => {
      const { hub, coins, udp, attempts, connections: open } = state()
      const connections = [...open.values()]
      const sum = (pick: (stats: CarryStats) => number): number =>
        connections.reduce((total, stats) => total + pick(stats), 0)
      return {
        nickname: identity.nickname,
        fingerprint: identity.fingerprint,
        hub,
        coins,
        udp,
        subscriptions: subscriptions(),
        attempts: attempts.size,
        connections: connections.map(each => ({ ...each, fingerprint: fingerprint(each.pubKey, crypto.sha256) })),
        streams: sum(({ streams }) => streams),
        bufferedBytes: sum(({ bufferedBytes }) => bufferedBytes),
        uptimeMs: clock.now() - startedMs,
        ...figures(),
      }
    }),
  )
}
