import { concatMap, forkJoin, map, type Observable, of, type SchedulerLike, timeout } from 'rxjs'
import type { DoctorProbes } from '../../ports/doctor.js'
import type { Check } from '../../protocol/doctor/check.js'
import {
  judgeMeeting,
  judgeNat,
  judgeStun,
  judgeTurn,
  natKind,
  type Seen,
  type TurnFound,
} from '../../protocol/doctor/nat.js'
import { type IceServerShape, iceUrlsOf } from '../../protocol/signaling/ice-servers.js'
import type { IceUrl } from '../../protocol/signaling/ice-url.js'
import { udpServers } from '../../protocol/signaling/udp-reach.js'
import type { Checks } from './checks.js'

/** A little more than what the probes promise. */
const limitMs = 4_500

/** One address of a TURN server, with its credentials. */
type Relay = readonly [IceUrl, IceServerShape]

function relaysOf(servers: readonly IceServerShape[]): readonly Relay[] {
  return servers.flatMap(server =>
    iceUrlsOf([server]).flatMap(url => (url.scheme === 'turn' ? [[url, server] as const] : [])),
  )
}

export interface ExamineNetworkOptions {
  readonly probes: Pick<DoctorProbes, 'addresses' | 'allocate$' | 'seen$'>
  readonly checks: Checks
  readonly scheduler: SchedulerLike
}

/**
 * Asks every STUN and TURN server, all at the same time, and says what follows for meeting others. Emits when all have answered, 4.5 s
 * after the start at the latest; never errors.
 */
export function examineNetwork$(
  { probes, checks: { check$, known }, scheduler }: ExamineNetworkOptions,
  servers: readonly IceServerShape[],
  isPublicHub: boolean,
): Observable<Check> {
  const asked = udpServers(servers)
  const silent: readonly Seen[] = asked.map(server => ({ server, mapped: undefined, ms: limitMs }))
  const seen$ = probes.seen$(asked).pipe(timeout({ first: limitMs, scheduler, with: () => of(silent) }))

  const relayed$ = ([url, { username, credential }]: Relay): Observable<readonly [TurnFound['type'], Check]> => {
    let type: TurnFound['type'] = 'silent'
    const found$ =
      username === undefined || credential === undefined
        ? of<TurnFound>({ type: 'no-credentials' })
        : probes.allocate$(url, { username, credential })
    return check$('TURN', limitMs, () =>
      found$.pipe(
        map(found => {
          type = found.type
          return judgeTurn(found, url)
        }),
      ),
    ).pipe(map(check => [type, check] as const))
  }
  const relays = relaysOf(servers)
  const relayed = relays.length === 0 ? of([]) : forkJoin(relays.map(relayed$))

  return forkJoin([seen$, relayed]).pipe(
    concatMap(([seen, answered]) => {
      const kind = natKind(seen, probes.addresses())
      const hasTurn = answered.some(([type]) => type === 'relayed')
      // One that has several addresses may have answered from each.
      const once = seen.filter(({ server }, at) => seen.findIndex(other => other.server === server) === at)
      return [
        ...once.filter(({ server }) => server.scheme === 'stun').map(each => known('STUN', judgeStun(each), each.ms)),
        ...answered.map(([, check]) => check),
        known('router', judgeNat(kind)),
        known('meeting others', judgeMeeting(kind, hasTurn, isPublicHub)),
      ]
    }),
  )
}
