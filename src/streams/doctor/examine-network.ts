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
import type { PeerFacts } from '../../protocol/doctor/probe.js'
import { type IceServerShape, iceUrlsOf } from '../../protocol/signaling/ice-servers.js'
import type { IceUrl } from '../../protocol/signaling/ice-url.js'
import { udpServers } from '../../protocol/signaling/udp-reach.js'
import type { Checks } from './checks.js'

/** A little more than what the probes promise. */
const limitMs = 4_000

/** One address of a TURN server, with its credentials. */
type Relay = readonly [IceUrl, IceServerShape]

function relaysOf(servers: readonly IceServerShape[]): readonly Relay[] {
  return servers.flatMap(server =>
    iceUrlsOf([server]).flatMap(url => (url.scheme === 'turn' ? [[url, server] as const] : [])),
  )
}

/**
 * The servers, each address and port once, the first that names it. coturn answers STUN over UDP at the port of its TLS too, and two
 * ports of one machine are enough to tell how a router gives out its own.
 */
function atDistinctPorts(urls: readonly IceUrl[]): readonly IceUrl[] {
  const distinct = new Map<string, IceUrl>()
  for (const url of urls) {
    const place = `${url.host}:${url.port}`
    if (!distinct.has(place)) distinct.set(place, url)
  }
  return [...distinct.values()]
}

export interface ExamineNetworkOptions {
  readonly probes: Pick<DoctorProbes, 'addresses' | 'allocate$' | 'seen$'>
  readonly checks: Checks
  readonly scheduler: SchedulerLike
}

/**
 * Asks every STUN and TURN server, all at the same time, and says what follows for meeting others. Emits when all have answered, 4 s
 * after the start at the latest; never errors.
 */
export function examineNetwork$(
  { probes, checks: { check$, known }, scheduler }: ExamineNetworkOptions,
  { iceServers: servers, relayOnly }: Pick<PeerFacts, 'iceServers' | 'relayOnly'>,
  isPublicHub: boolean,
): Observable<Check> {
  const named = atDistinctPorts(udpServers(servers))
  const asked = atDistinctPorts([...named, ...iceUrlsOf(servers)])
  const silent: readonly Seen[] = asked.map(server => ({ server, asked: undefined, mapped: undefined, ms: limitMs }))
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
      const told = seen.filter(({ server, mapped }) => mapped !== undefined || named.includes(server))
      const kind = natKind(told, probes.addresses())
      const hasTurn = answered.some(([type]) => type === 'relayed')
      // One that has several addresses may have answered from each.
      const stun = named.flatMap(server => {
        const first = server.scheme === 'stun' ? told.find(each => each.server === server) : undefined
        return first === undefined ? [] : [known('STUN', judgeStun(first), first.ms)]
      })
      return [
        ...stun,
        ...answered.map(([, check]) => check),
        known('router', judgeNat(kind)),
        known('meeting others', judgeMeeting(kind, { hasTurn, isPublicHub, relayOnly })),
      ]
    }),
  )
}
