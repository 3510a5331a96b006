import { filter, map, type Observable, of, type SchedulerLike, take, timeout } from 'rxjs'
import type { IceServer } from '../../ports.js'
import type { PeerFacts } from '../../protocol/doctor/probe.js'
import type { HubState } from '../../protocol/peer/stats.js'

/** How long a sign-in that is under way is waited for. */
const signInLimitMs = 4_000

export interface FactsOptions {
  readonly iceServers: readonly IceServer[]
  readonly ports: PeerFacts['ports']
  readonly share: Exclude<PeerFacts['share'], null> | undefined
  readonly relayOnly: boolean
  readonly scheduler: SchedulerLike
}

/** What the peer has been given, once: as soon as it has signed in or knows that it cannot, after 4 s in any case. */
export function peerFacts$(
  { iceServers, ports, share, relayOnly, scheduler }: FactsOptions,
  state$: Observable<HubState>,
  handedOut: () => readonly IceServer[],
): Observable<PeerFacts> {
  return state$.pipe(
    filter(({ type }) => type !== 'connecting'),
    timeout({ first: signInLimitMs, scheduler, with: () => of<HubState>({ type: 'connecting', attempt: 1 }) }),
    take(1),
    map(hub => ({ hub, iceServers: [...iceServers, ...handedOut()], ports, share: share ?? null, relayOnly })),
  )
}
