import { resolve } from 'node:path'
import {
  asyncScheduler,
  concat,
  defer,
  from,
  lastValueFrom,
  of,
  type Observable,
  ReplaySubject,
  Subscription,
  switchMap,
  take,
  tap,
  toArray,
  using,
} from 'rxjs'
import { readMetadata } from '../../adapters/store/metadata-file.node.js'
import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import { openTrustFile } from '../../adapters/store/trust-file.node.js'
import { type Check, failing, fine, type Diagnosis } from '../../protocol/doctor/check.js'
import type { PeerFacts } from '../../protocol/doctor/probe.js'
import { isLighthouseError } from '../../protocol/errors.js'
import { hubUrl, type Identity } from '../../protocol/peer/metadata.js'
import { assertNickname } from '../../protocol/peer/nickname.js'
import { defaultPortBase, portBlock } from '../../protocol/peer/port-block.js'
import { type Account, examine$, type MachineSettings } from '../../streams/doctor/examine.js'
import { askPeer, readStats } from '../control.js'
import { askFacts$, type PeerAt } from '../doctor/peer-at.js'
import { connectionChecks$ } from '../doctor/connection-checks.js'
import { exitCodeFor, formatCheck, formatSummary } from '../doctor/report.js'
import { temporaryPeer$ } from '../doctor/temporary-peer.js'
import { type ExitCode } from '../exit-codes.js'
import { CommandFailure, nextSteps, toFailure } from '../failure.js'
import { failOnInterrupt } from '../interrupted.js'
import type { EngineValues } from '../options.js'
import { defaultShare, parseShare } from '../share.js'
import type { Context } from './context.js'

/** Options of `doctor`. `nickname` is the argument. */
export interface DoctorValues extends EngineValues {
  readonly nickname?: string
  readonly share?: string
  readonly relayOnly?: boolean
}

/** The identity of the home, and what there is to say about its file. */
function readKey(home: string): readonly [Identity | undefined, Diagnosis] {
  try {
    const identity = readMetadata(home)
    return identity === undefined
      ? [undefined, failing(`nobody is registered in "${home}"`, nextSteps['not-registered']!, 'not-authenticated')]
      : [
          identity,
          fine(
            `registered as ${identity.nickname}, ${fingerprintOf(identity.pubKey)}; nobody else can read the key in "${home}"`,
          ),
        ]
  } catch (error) {
    if (!isLighthouseError(error, 'invalid-metadata')) throw error
    return [
      undefined,
      failing(error.message.replace(/\.$/, ''), 'Correct that, then run the doctor again.', error.code),
    ]
  }
}

/** What `up` would share; what cannot be shared is looked at as a folder, which says why. */
function sharedWith(text: string | undefined, cwd: string): PeerFacts['share'] {
  try {
    return parseShare(text, cwd) ?? null
  } catch (error) {
    if (!isLighthouseError(error, 'invalid-share')) throw error
    return { type: 'folder', path: resolve(cwd, text ?? defaultShare) }
  }
}

interface Running {
  readonly at: PeerAt | undefined
  readonly facts: PeerFacts | undefined
  readonly verdict: Diagnosis
}

/** The peer that runs from this home, and what it has been given. */
async function findRunning(home: string): Promise<Running> {
  try {
    const { run } = await askPeer(home, 'GET', '/stats', readStats)
    const at = { url: run.url!, controlToken: run.controlToken }
    const facts = await lastValueFrom(askFacts$(at))
    return { at, facts, verdict: fine(`running (process ${run.pid}), ${run.url}`) }
  } catch (error) {
    const { code, message } = toFailure(error)
    if (code === 'not-running') return { at: undefined, facts: undefined, verdict: fine('not running') }
    return { at: undefined, facts: undefined, verdict: failing(message, nextSteps['not-answering']!) }
  }
}

/** One value of a source that goes on, made for the first who asks and kept until `held` ends. */
function kept$<T>(source$: Observable<T>, held: Subscription): Observable<T> {
  let value$: ReplaySubject<T> | undefined
  return defer(() => {
    if (value$ === undefined) {
      value$ = new ReplaySubject<T>(1)
      held.add(source$.subscribe(value$))
    }
    return value$.pipe(take(1))
  })
}

const notTried: Check = {
  name: 'connection',
  ...failing('was not tried, since this peer is not signed in', 'See above what is in the way.'),
  ms: 0,
}

/** `doctor [NICK]`: what works and what does not, and how a connection to NICK is made. */
export async function doctorCommand(context: Context, values: DoctorValues): Promise<ExitCode> {
  const { io, output, home, globals } = context
  const { nickname: peer, engine = 'auto' } = values
  if (peer !== undefined) assertNickname(peer)
  const [identity, key] = readKey(home)
  if (peer !== undefined && identity === undefined) {
    throw new CommandFailure('not-registered', `nobody is registered in "${home}"`)
  }
  const { at, facts, verdict } = await findRunning(home)
  const { probes } = await io.parts.doctor()
  const machine: MachineSettings = {
    home,
    key,
    peer: verdict,
    ports: facts?.ports ?? portBlock(globals.portBase ?? defaultPortBase),
    share: facts === undefined ? sharedWith(values.share, io.cwd) : facts.share,
    engine: engine === 'auto' ? undefined : engine,
    isRunning: at !== undefined,
  }

  const whole$ = using(
    () => new Subscription(),
    held => {
      const peerAt$ = (who: Identity): Observable<PeerAt> => {
        if (at !== undefined) return from([at])
        const { relayOnly = false } = values
        return kept$(
          temporaryPeer$(io, { home, identity: who, engine, relayOnly, pays: peer !== undefined }),
          held as Subscription,
        )
      }
      const found$ = identity === undefined ? undefined : peerAt$(identity)
      const account: Account | undefined = identity && {
        nickname: identity.nickname,
        pubKey: identity.pubKey,
        origin: hubUrl(identity.host).origin,
        remembered: openTrustFile(home).known('hub', identity.host),
        fingerprint: fingerprintOf,
        hub: io.parts.hubClient(hubUrl(identity.host)),
        facts$: facts === undefined ? found$!.pipe(switchMap(askFacts$)) : from([facts]),
      }
      const clock = performance
      const examined$ = examine$({ probes, machine, account, clock, now: Date.now, scheduler: asyncScheduler })
      if (peer === undefined || found$ === undefined) return examined$
      let isSignedIn = false
      return concat(
        examined$.pipe(
          tap(({ name, status }) => {
            if (name === 'sign-in') isSignedIn = status === 'ok'
          }),
        ),
        defer(() => (isSignedIn ? found$.pipe(switchMap(where => connectionChecks$(where, peer))) : of(notTried))),
      )
    },
  )
  const shown$ = whole$.pipe(
    tap(check => {
      if (!output.json) output.result({}, formatCheck(check, output.paint))
    }),
    toArray(),
    failOnInterrupt(io),
  )
  const checks: readonly Check[] = await lastValueFrom(shown$)
  const result = { nickname: identity?.nickname ?? null, peer: peer ?? null, checks }
  output.result({ doctor: result }, `\n${formatSummary(checks)}`)
  return exitCodeFor(checks)
}
