import { filter, map, type Observable, pairwise, type SchedulerLike, startWith, throttleTime } from 'rxjs'
import { repairSeconds, suspectSeconds } from '../../protocol/tunnels/replace.js'
import type { PeerState } from './peer-state.js'

/**
 * Emits when nothing has come on a connection for 2 s, at most every 3 s however many there are: it may be this peer that nobody
 * reaches any more. Starts, ends and errors with its source; buffers nothing.
 */
export function fallenSilent$(
  state$: Observable<Pick<PeerState, 'connections'>>,
  scheduler: SchedulerLike,
): Observable<unknown> {
  return state$.pipe(
    map(({ connections }) => [...connections.values()].filter(({ silentSeconds }) => silentSeconds >= suspectSeconds)),
    map(silent => new Set(silent.map(({ session }) => session))),
    startWith(new Set<string>()),
    pairwise(),
    filter(([before, now]) => [...now].some(session => !before.has(session))),
    throttleTime(repairSeconds.between * 1_000, scheduler),
  )
}
