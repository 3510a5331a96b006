import {
  concat,
  concatMap,
  defer,
  forkJoin,
  from,
  map,
  Observable,
  of,
  ReplaySubject,
  type SchedulerLike,
  switchMap,
  timeout,
} from 'rxjs'
import type { HubClient, MonotonicClock } from '../../ports.js'
import type { DoctorProbes } from '../../ports/doctor.js'
import { type Check, skipped, type Diagnosis } from '../../protocol/doctor/check.js'
import {
  type HubFound,
  judgeCertificate,
  judgeClock,
  judgeConnection,
  judgeHealth,
  judgeLookUp,
  judgeRegistration,
  judgeSignIn,
} from '../../protocol/doctor/hub.js'
import { judgeDisk, judgeEngines, judgeHandles, judgePorts, judgeShare } from '../../protocol/doctor/machine.js'
import { hubScope } from '../../protocol/peer/metadata.js'
import type { PeerFacts } from '../../protocol/doctor/probe.js'
import { createChecks } from './checks.js'
import { examineNetwork$ } from './examine-network.js'

/**
 * What each part may take, a little more than what the probes promise. Hub, account and network (4 s) come after each other: 15 s at the
 * most, and 20 with a peer before that runs and does not answer.
 */
const limits = { machineMs: 4_500, hubMs: 5_000, accountMs: 5_500 } as const

/** What is looked at without a hub. */
export interface MachineSettings {
  readonly home: string
  /** What was found of the key file, and of the peer that may run from this home. */
  readonly key: Diagnosis
  readonly peer: Diagnosis
  readonly ports: PeerFacts['ports']
  readonly share: PeerFacts['share']
  readonly engine: string | undefined
  /** Whether the peer of this home runs. */
  readonly isRunning: boolean
}

/** Who is registered at which hub. */
export interface Account {
  readonly nickname: string
  readonly pubKey: string
  readonly origin: string
  /** The key of that hub from before. */
  readonly remembered: string | undefined
  /** What people compare of a key. */
  readonly fingerprint: (pubKey: string) => string
  readonly hub: Pick<HubClient, 'resolve$'>
  /** What the peer has been given: of the running one, or of one that is started for it when subscribed to. */
  readonly facts$: Observable<PeerFacts>
}

export interface ExamineOptions {
  readonly probes: DoctorProbes
  readonly machine: MachineSettings
  /** Undefined where nobody is registered. */
  readonly account: Account | undefined
  readonly clock: MonotonicClock
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly scheduler: SchedulerLike
}

/** Emits what `first$` and then what `second$` does, which run at the same time. Holds what the second one has meanwhile. */
function inOrder$<T>(first$: Observable<T>, second$: Observable<T>): Observable<T> {
  return new Observable(subscriber => {
    const later$ = new ReplaySubject<T>()
    subscriber.add(second$.subscribe(later$))
    subscriber.add(concat(first$, later$).subscribe(subscriber))
  })
}

/**
 * Looks at this machine, and at the hub and the network meanwhile: 15 s in all at the most. Emits each check once, in the same
 * order always; never errors. Unsubscribing ends every probe. Holds some thirty checks.
 */
export function examine$(options: ExamineOptions): Observable<Check> {
  const { probes, machine, account, clock, now, scheduler } = options

  const checks = createChecks(clock, scheduler)
  const { check$, known } = checks
  const all$ = (each: readonly Observable<Check>[]): Observable<Check> => forkJoin(each).pipe(concatMap(from))

  const { home, key, peer, ports, share, engine, isRunning } = machine
  const block = [ports.proxy, ...ports.tunnels, ports.data]
  const machine$ = all$([
    of(known('key', key)),
    of(known('peer', peer)),
    check$('disk', limits.machineMs, () =>
      probes.disk$(home).pipe(map(({ freeBytes, failure }) => judgeDisk(home, freeBytes, failure))),
    ),
    check$('file handles', limits.machineMs, () => of(judgeHandles(probes.handles()))),
    check$('WebRTC', limits.machineMs, () => probes.engines$(engine).pipe(map(judgeEngines))),
    check$('share', limits.machineMs, () => probes.share$(share).pipe(map(judgeShare))),
    check$('ports', limits.machineMs, () =>
      block.includes(0)
        ? of(skipped('the system chooses them'))
        : probes.ports$(block).pipe(map(holders => judgePorts({ ...ports, holders, isRunning }))),
    ),
  ])
  if (account === undefined) return machine$

  const { nickname, pubKey, origin, remembered, fingerprint, hub, facts$ } = account
  const hubFound$ = defer(() => probes.hub$(origin)).pipe(
    timeout({ first: limits.hubMs, scheduler, with: () => of<HubFound>({ origin, failure: 'no answer' }) }),
  )
  const hubChecks = (found: HubFound): readonly Check[] => [
    known('hub address', judgeLookUp(found), found.lookUpMs),
    known('hub connection', judgeConnection(found), found.connectMs),
    known('hub certificate', judgeCertificate(found, now()), found.secureMs),
    known('hub', judgeHealth(found, remembered, fingerprint), found.answerMs),
    known('clock', judgeClock(found)),
  ]
  /** Where the key is another one nothing is signed: it may be another hub. */
  const mayGoOn = (found: HubFound): boolean => judgeHealth(found, remembered, fingerprint).status === 'ok'

  const noServers = skipped('the hub hands out its STUN and TURN servers to those who are signed in')
  const account$ = (): Observable<Check> => {
    const registered$ = check$('nickname', limits.accountMs, () =>
      hub.resolve$(nickname).pipe(map(there => judgeRegistration(nickname, pubKey, there, fingerprint))),
    )
    let given: PeerFacts | undefined
    const signedIn$ = check$('sign-in', limits.accountMs, () =>
      facts$.pipe(
        map(facts => {
          given = facts
          return judgeSignIn(facts.hub, isRunning)
        }),
      ),
    )
    return concat(
      all$([registered$, signedIn$]),
      defer(() =>
        given?.hub.type === 'authenticated'
          ? examineNetwork$({ probes, checks, scheduler }, given, hubScope(origin) === 'public')
          : of(known('network', noServers)),
      ),
    )
  }
  return inOrder$(
    machine$,
    hubFound$.pipe(
      switchMap(found =>
        concat(
          from(hubChecks(found)),
          defer(() => (mayGoOn(found) ? account$() : of(known('network', noServers)))),
        ),
      ),
    ),
  )
}
