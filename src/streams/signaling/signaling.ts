import {
  type BehaviorSubject,
  catchError,
  combineLatest,
  filter,
  scan,
  take,
  timeout,
  concat,
  concatMap,
  defer,
  from,
  ignoreElements,
  merge,
  NEVER,
  type Observable,
  of,
  retry,
  type SchedulerLike,
  type Subject,
  tap,
  throwError,
  timer,
} from 'rxjs'
import type {
  CryptoPort,
  IceServer,
  SignalConnection,
  SignalTransport,
  SignalTransportEvent,
  TrustStore,
} from '../../ports.js'
import { backoffMs, wantedBackoffMs } from '../../protocol/signaling/backoff.js'
import { parseCoins } from '../../protocol/coins/amount.js'
import { isLighthouseError, LighthouseError, toInternalError, toLighthouseError } from '../../protocol/errors.js'
import { hubScope, type Identity } from '../../protocol/peer/metadata.js'
import { parseSettlement, type Settlement } from '../../protocol/coins/receipt.js'
import { isPublicKey, type LedgerHead, parseHead, parseSignal, type Signal } from '../../protocol/signaling/signal.js'
import { parseIceServers } from '../../protocol/signaling/ice-servers.js'
import { authText, hubChallengeText, settledText } from '../../protocol/signaling/signed-texts.js'
import type { HubState } from '../../protocol/peer/stats.js'
import { changedHubKey, checkKey } from './trust.js'

/** What a peer has while it is signed in. */
export interface HubConnection {
  readonly hubKey: string
  readonly iceServers: readonly IceServer[]
  readonly head: LedgerHead | undefined
  readonly socket: SignalConnection
}

export type SignalingEvent =
  | { readonly type: 'state'; readonly state: HubState }
  | { readonly type: 'hub-connection'; readonly hub: HubConnection | undefined }
  /** What the wallet holds at the sign-in. */
  | { readonly type: 'balance'; readonly bytes: number }
  | { readonly type: 'signal'; readonly signal: Signal }
  /** The connection to the hub ended for a defect in this program, which the state says as well, without its place. */
  | { readonly type: 'defect'; readonly reason: LighthouseError }
  /** Its signature was checked. */
  | { readonly type: 'settled'; readonly settlement: Settlement }

export interface SignalingOptions {
  readonly transport: SignalTransport
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly trust: TrustStore
  readonly scheduler: SchedulerLike
  /** Somebody needs the hub, hot: it is tried a second after the last attempt then, if it is away. Default: nobody does. */
  readonly wanted$?: Observable<unknown>
  /** A number in [0, 1): the jitter of the back-off. */
  readonly random: () => number
}

/** 2,048 bits as base64url. */
const challengePattern = /^[A-Za-z0-9_-]{342,344}={0,2}$/

/** After these the peer does not come back by itself: a human has to look. */
const finalCodes = ['session-replaced', 'key-changed', 'bad-signature', 'not-authenticated'] as const

/** One connection to the hub, from the challenge on. */
function attempt$(options: SignalingOptions): Observable<SignalingEvent> {
  const { transport, identity, crypto, trust } = options
  return defer(() => {
    let hubKey: string | undefined
    const onEvent = (event: SignalTransportEvent): readonly SignalingEvent[] => {
      switch (event.type) {
        case 'challenge': {
          const { challenge, hubKey: key, signature } = event
          if (typeof challenge !== 'string' || !challengePattern.test(challenge) || !isPublicKey(key)) {
            throw new LighthouseError('hub-protocol', 'the hub sent a malformed challenge; is this address a hub?')
          }
          if (
            typeof signature !== 'string' ||
            !crypto.verify(key, hubChallengeText(challenge, identity.pubKey), signature)
          ) {
            throw new LighthouseError('bad-signature', 'the hub could not prove its key; do not use it')
          }
          const known = checkKey(trust, 'hub', identity.host, key)
          if (known !== undefined) throw changedHubKey(identity.host, known, key, crypto)
          hubKey = key
          event.respond(crypto.sign(identity.privKey, authText(key, challenge)))
          return []
        }
        case 'authenticated': {
          if (hubKey === undefined) throw new LighthouseError('hub-protocol', 'the hub sent no challenge; is it a hub?')
          const bytes = parseCoins(String(event.coins))
          const hub = {
            hubKey,
            iceServers: parseIceServers(event.iceServers, hubScope(identity.host)),
            head: parseHead(event.head),
            socket: event.connection,
          }
          return [
            { type: 'hub-connection', hub },
            { type: 'state', state: { type: 'authenticated' } },
            ...(bytes === undefined ? [] : [{ type: 'balance' as const, bytes }]),
          ]
        }
        case 'signal': {
          const signal = parseSignal(event.message)
          const mine = signal !== undefined && signal.to === identity.pubKey && signal.from !== identity.pubKey
          return mine ? [{ type: 'signal', signal }] : []
        }
        case 'settled': {
          const settlement = parseSettlement(event.message)
          if (hubKey === undefined || settlement === undefined) return []
          // What the hub has not signed is worth nothing as evidence and moves nothing here.
          if (!crypto.verify(hubKey, settledText(settlement), settlement.signature)) return []
          return [{ type: 'settled', settlement }]
        }
        case 'replaced': {
          const message =
            'the same key signed in from somewhere else; this session ended. Stop the other peer, then start this one again'
          throw new LighthouseError('session-replaced', message)
        }
      }
    }
    return transport.connect$(identity.pubKey).pipe(
      catchError((error: unknown) => throwError(() => toLighthouseError('hub-unreachable', error, 'hub'))),
      concatMap(event => from(onEvent(event))),
    )
  })
}

/**
 * The peer's standing with its hub: signs in, stays, and comes back by itself.
 *
 *     transport      --challenge--authenticated--signal--#   ----challenge--…
 *     signaling$()   s-----------(connection state balance)--signal--(connection state)----…      waits with jittered back-off,
 *                                                                                                 or until it is wanted
 *
 * Never completes by itself and never errors: a lost hub is a state, and so is the end (`stopped`: replaced by a newer
 * connection, a changed or unproved hub key, a key that the hub does not know). Signals that are malformed or not for this
 * peer are dropped. Buffers nothing.
 *
 * @see docs/PROTOCOL.md section 3
 */
export function signaling$(options: SignalingOptions): Observable<SignalingEvent> {
  const { scheduler, random, wanted$ = NEVER } = options
  /** Ends when the hub is to be tried again. */
  const pause$ = (ms: number): Observable<never> =>
    merge(timer(ms, scheduler), combineLatest([wanted$, timer(wantedBackoffMs, scheduler)])).pipe(
      take(1),
      ignoreElements(),
    )
  return defer(() => {
    let failures = 0
    const state = (value: HubState): SignalingEvent => ({ type: 'state', state: value })
    const once$ = defer(() => concat(of(state({ type: 'connecting', attempt: failures + 1 })), attempt$(options))).pipe(
      tap(event => {
        if (event.type === 'hub-connection') failures = 0
      }),
      catchError((cause: unknown) => {
        const error = toInternalError(cause)
        const { code, message } = error
        const gone: SignalingEvent = { type: 'hub-connection', hub: undefined }
        const told: readonly SignalingEvent[] = code === 'internal' ? [{ type: 'defect', reason: error }] : []
        if (isLighthouseError(error, ...finalCodes)) return of(gone, state({ type: 'stopped', code, message }))
        failures++
        const retryInMs = backoffMs(failures, random())
        return concat(
          of(gone, ...told, state({ type: 'waiting', retryInMs, code, message })),
          pause$(retryInMs),
          throwError(() => error),
        )
      }),
      retry(),
    )
    return concat(once$, NEVER)
  })
}

/** How long a request waits for a sign-in before it says that the hub is not there. */
export const signInPatienceMs = 1500

/** How a peer stands with its hub, for whoever needs it. */
export interface HubAccess {
  readonly hubState$: Observable<HubState>
  readonly hubConnection$: BehaviorSubject<HubConnection | undefined>
  /** Says that the hub is needed, as `SignalingOptions` has it. */
  readonly wanted$: Subject<void>
}

/**
 * The current connection to the hub, once; where there is none, the hub is tried. Errors with the reason when there will be none:
 * after an attempt that failed, or 1.5 s; at once when the peer was turned out.
 */
export function signedIn$(
  { hubState$, hubConnection$, wanted$ }: HubAccess,
  scheduler: SchedulerLike,
): Observable<HubConnection> {
  const away = (): LighthouseError =>
    new LighthouseError('hub-unreachable', 'the hub cannot be reached; it is tried again automatically')
  const tried$ = hubState$.pipe(
    scan(
      ({ tried }, state) => {
        if (state.type === 'stopped') throw new LighthouseError(state.code, state.message)
        if (state.type === 'waiting' && tried) throw away()
        return { tried: tried || state.type === 'connecting' }
      },
      { tried: false },
    ),
    ignoreElements(),
  )
  const found$ = hubConnection$.pipe(filter(connection => connection !== undefined))
  return defer(() => {
    wanted$.next()
    return merge(found$, tried$).pipe(
      timeout({ first: signInPatienceMs, scheduler, with: () => throwError(away) }),
      take(1),
    )
  })
}
