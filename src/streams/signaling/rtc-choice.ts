import {
  connect,
  defer,
  filter,
  map,
  type Observable,
  of,
  ReplaySubject,
  type SchedulerLike,
  switchMap,
  take,
  timeout,
} from 'rxjs'
import type { RtcPort, RtcSignal } from '../../ports.js'
import { needsTcpRelay, type UdpReach } from '../../protocol/signaling/udp-reach.js'

/** How long a connection waits for a question that is under way, which takes 0.8 s at the most, and a look-up of names. */
const patienceMs = 2_000

export interface RtcChoice {
  readonly usual: RtcPort
  /** Can use TURN over TCP and TLS. */
  readonly overTcp: RtcPort
  /** Newest first, replayed. */
  readonly udp$: Observable<UdpReach | 'asking'>
  readonly scheduler: SchedulerLike
}

/**
 * A WebRTC implementation that is one of two, chosen for each connection as it is made: the one that can relay over TCP where
 * UDP does not get through and there is such a relay, else the usual one. Waits for an answer that is being asked for, and
 * holds what arrives from the other side meanwhile.
 */
export function chosenRtc({ usual, overTcp, udp$, scheduler }: RtcChoice): RtcPort {
  const known$ = defer(() =>
    udp$.pipe(
      filter(udp => udp !== 'asking'),
      timeout({ first: patienceMs, scheduler, with: () => of<UdpReach>('unknown') }),
      take(1),
    ),
  )
  return {
    name: 'auto',
    connect$(options) {
      const { iceServers, relayOnly = false, remote$ } = options
      const needsIt = (udp: UdpReach): boolean => needsTcpRelay(iceServers, { relayOnly, udp })
      if (!needsIt('blocked')) return usual.connect$(options)
      return remote$.pipe(
        connect(
          later$ =>
            known$.pipe(
              map(udp => (needsIt(udp) ? overTcp : usual)),
              switchMap(rtc => rtc.connect$({ ...options, remote$: later$ })),
            ),
          { connector: () => new ReplaySubject<RtcSignal>() },
        ),
      )
    },
  }
}
