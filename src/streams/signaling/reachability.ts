import {
  BehaviorSubject,
  concat,
  filter,
  forkJoin,
  map,
  merge,
  type Observable,
  of,
  type SchedulerLike,
  startWith,
  Subject,
  switchMap,
  tap,
  throttleTime,
} from 'rxjs'
import type { IceServer, NetworkPort } from '../../ports.js'
import { isLighthouseError } from '../../protocol/errors.js'
import { reachOf, type UdpReach, udpServers } from '../../protocol/signaling/udp-reach.js'

/** How often failures lead to the question at the most: others can cause them. */
const failurePeriodMs = 10_000

export interface ReachabilityOptions {
  readonly network: Pick<NetworkPort, 'asksUdp$'>
  /** Emits when this machine's network has changed, hot. */
  readonly networkChange$: Observable<unknown>
  /** The peer's own servers. */
  readonly iceServers: readonly IceServer[]
  /** With the hub's servers, at each sign-in. */
  readonly hubConnection$: Observable<{ readonly iceServers: readonly IceServer[] } | undefined>
  readonly scheduler: SchedulerLike
}

/** Whether UDP gets through, or that somebody is being asked. */
export interface UdpReport {
  readonly type: 'udp'
  readonly udp: UdpReach | 'asking'
}

export interface Reachability {
  /** The newest, first `unknown`; and the same in a word. */
  readonly udp$: Observable<UdpReport['udp']>
  readonly udp: () => UdpReport['udp']
  /** Asks while subscribed; never completes by itself. */
  readonly report$: Observable<UdpReport>
  /** Hears what became of connections: of one that failed too. */
  note(report: { readonly type: string; readonly reason?: unknown }): void
}

/**
 * Whether UDP gets through, asked of every STUN and TURN server over UDP: at each sign-in, when the network of this machine has
 * changed, and when an attempt got no answer or failed, then every 10 s at the most.
 *
 *     hubConnection$   ---s------------
 *     note          -----------f----
 *     report$       ---a-o-----a---b      asking, open, asking, blocked
 *
 * Buffers nothing.
 */
export function createReachability({
  network,
  networkChange$,
  iceServers,
  hubConnection$,
  scheduler,
}: ReachabilityOptions): Reachability {
  const udp$ = new BehaviorSubject<UdpReport['udp']>('unknown')
  const failed$ = new Subject<void>()
  const occasion$ = merge(networkChange$, failed$.pipe(throttleTime(failurePeriodMs, scheduler)))
  const ask$ = (servers: readonly IceServer[]): Observable<UdpReach> => {
    const questions = udpServers(servers).map(server => network.asksUdp$(server))
    return questions.length === 0 ? of(reachOf([])) : forkJoin(questions).pipe(map(reachOf))
  }
  return {
    udp$,
    udp: () => udp$.value,
    report$: hubConnection$.pipe(
      filter(hub => hub !== undefined),
      map(hub => [...iceServers, ...hub.iceServers]),
      switchMap(servers =>
        occasion$.pipe(
          startWith(undefined),
          switchMap(() => concat(of('asking' as const), ask$(servers))),
        ),
      ),
      tap(udp => udp$.next(udp)),
      map(udp => ({ type: 'udp', udp })),
    ),
    note({ type, reason }) {
      if (type === 'ended' && isLighthouseError(reason, 'connect-timeout', 'webrtc-failed')) failed$.next()
    },
  }
}
