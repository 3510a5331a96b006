import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  finalize,
  identity as unchanged,
  map,
  merge,
  mergeMap,
  type MonoTypeOperatorFunction,
  type Observable,
  observeOn,
  of,
  pipe,
  queueScheduler,
  scan,
  Subject,
  take,
  tap,
  throwError,
} from 'rxjs'
import type { ByteChannel, IceServer, RtcEvent, RtcPort, RtcSignal } from '../../ports.js'
import { LighthouseError, toInternalError, toLighthouseError } from '../../protocol/errors.js'
import { hubScope } from '../../protocol/peer/metadata.js'
import { isRelayed, stunServers, withoutRelayed } from '../../protocol/signaling/direct.js'
import { candidateKinds, type ProgressEvent } from '../../protocol/signaling/attempt.js'
import type { AddressScope } from '../../protocol/signaling/address-scope.js'
import { maxRemoteCandidates, passCandidate, passDescription } from '../../protocol/signaling/candidate-gate.js'
import type { ConnectionState } from '../../protocol/signaling/connection-state.js'
import {
  goodbyeOf,
  type Negotiation,
  newNegotiation,
  type NegotiationEffect,
  type NegotiationEvent,
  stepNegotiation,
} from '../../protocol/signaling/negotiation.js'
import type { Offer, Signal } from '../../protocol/signaling/signal.js'
import { sayBye } from './bye.js'
import type { HubConnection } from './signaling.js'
import { deliver$, openDescription, type SignalContext, toSignal } from './signed-signals.js'

/** Where the bytes of a connection go. */
export type PathEvent = Extract<RtcEvent, { type: 'path' }>
/** What changes nothing in the negotiation, and is passed on. */
type Passing = PathEvent | Extract<ProgressEvent, { type: 'delivered' }>
type Event = NegotiationEvent<RtcSignal, ByteChannel> | Passing
type Effect = NegotiationEffect<RtcSignal, ByteChannel> | Passing
type Step = readonly [Negotiation, readonly Effect[]]

export interface NegotiationOptions {
  readonly rtc: RtcPort
  readonly hubConnection: HubConnection
  /** Every signal for this peer, hot. */
  readonly signal$: Observable<Signal>
  readonly iceServers: readonly IceServer[]
  readonly relayOnly: boolean
  /** Whether it is to go through no relay, of either side. Default false. */
  readonly direct?: boolean
}

/**
 * The one way in for addresses that the other side names, in its description or one by one: those that may be tried, forty in all.
 * Holds a number.
 *
 * @param hub how far the address of the hub reaches.
 */
function throughGate(hub: AddressScope): MonoTypeOperatorFunction<RtcSignal> {
  return signal$ =>
    defer(() => {
      let left = maxRemoteCandidates
      return signal$.pipe(
        concatMap(signal => {
          if (signal.type !== 'candidate') {
            const { sdp, candidates } = passDescription(signal.sdp, hub, left)
            left -= candidates
            return of({ ...signal, sdp })
          }
          const candidate = left > 0 ? passCandidate(signal.candidate, hub) : undefined
          if (candidate === undefined) return EMPTY
          left--
          return of({ ...signal, candidate })
        }),
      )
    })
}

/** Drops addresses of relays. Behind the gate, whose lines are plain. */
const withoutRelays: MonoTypeOperatorFunction<RtcSignal> = pipe(
  filter(signal => signal.type !== 'candidate' || !isRelayed(signal.candidate)),
  map(signal => (signal.type === 'candidate' ? signal : { ...signal, sdp: withoutRelayed(signal.sdp) })),
)

/** The other side's signals of this session. Only the first answer counts. */
function remoteEvent$(
  context: SignalContext,
  signal$: Observable<Signal>,
  offer: Offer | undefined,
): Observable<Event> {
  const own$ = signal$.pipe(
    filter(({ session, from: sender }) => session === context.session && sender === context.other),
  )
  const description$ = offer === undefined ? own$.pipe(filter(({ type }) => type === 'answer')) : of(offer)
  return merge(
    description$.pipe(
      filter((signal): signal is Signal & { type: 'offer' | 'answer' } => 'signature' in signal),
      take(1),
      map((signal): Event => {
        return { type: 'description', signal: openDescription(context, signal), mux: signal.payload.mux ?? {} }
      }),
    ),
    own$.pipe(
      mergeMap((signal): Observable<Event> => {
        if (signal.type === 'candidate') {
          return of({ type: 'candidate', signal: { type: 'candidate', ...signal.payload } })
        }
        return signal.type === 'bye' ? of({ type: 'bye', reason: signal.payload.reason }) : EMPTY
      }),
    ),
  )
}

function isPassing(event: Event): event is Passing {
  return event.type === 'path' || event.type === 'delivered'
}

/** How far it came by what goes out, and by what of the other side is let in. */
function progressOf({ type, signal }: Effect & { readonly type: 'send' | 'hand-over' }): readonly ProgressEvent[] {
  const kinds = candidateKinds(signal.type === 'candidate' ? signal.candidate : signal.sdp)
  const side = type === 'send' ? 'own' : 'other'
  const answered: readonly ProgressEvent[] =
    type === 'hand-over' && signal.type !== 'candidate' ? [{ type: 'answered' }] : []
  return kinds.length === 0 ? answered : [...answered, { type: 'candidates', side, kinds }]
}

/**
 * One negotiation with WebRTC and the hub.
 *
 *     WebRTC, signals of the other side ──▶ scan(stepNegotiation) ──▶ states
 *       ▲                                       │
 *       └──────── effect$: hand over, send ─────┘
 *
 * Emits states from `connecting` on, how it gets on, and the path. Errors with the reason when the connection is over or cannot be made; says
 * goodbye when it ends before the channel is open. Buffers nothing.
 */
export function negotiate$(
  options: NegotiationOptions,
  context: SignalContext,
  offer: Offer | undefined,
): Observable<ConnectionState<ByteChannel> | ProgressEvent | PathEvent> {
  const { rtc, hubConnection, signal$, relayOnly, direct = false } = options
  const { identity, session, other: pubKey, hubKey } = context
  const initiator = offer === undefined

  const rtcEvent$ = (effect$: Observable<Effect>): Observable<Event> => {
    const remote$ = effect$.pipe(
      filter(effect => effect.type === 'hand-over'),
      map(({ signal }) => signal),
      throughGate(hubScope(identity.host)),
      direct ? withoutRelays : unchanged,
    )
    const ended$ = throwError(() => new LighthouseError('channel-closed', 'the other side closed the connection'))
    const servers = [...options.iceServers, ...hubConnection.iceServers]
    const made$ = rtc.connect$({
      initiator,
      iceServers: direct ? stunServers(servers) : servers,
      relayOnly,
      remote$,
    })
    return concat(
      made$.pipe(catchError((error: unknown) => throwError(() => toLighthouseError('webrtc-failed', error)))),
      ended$,
    ).pipe(
      map((event): Event => {
        if (event.type === 'signal') return { type: 'local', signal: event.signal }
        if (event.type === 'open') return { type: 'opened', channel: event.channel }
        return event.type === 'engine' ? { ...event, greets: event.greets && !initiator } : event
      }),
    )
  }
  const undelivered$ = (effect$: Observable<Effect>): Observable<Event> =>
    effect$.pipe(
      filter(effect => effect.type === 'send'),
      mergeMap(({ signal, mux }) =>
        concat(
          deliver$(hubConnection.socket, toSignal(context, signal, mux), 'the other peer'),
          signal.type === 'offer' ? of<Event>({ type: 'delivered' }) : EMPTY,
        ).pipe(catchError((error: unknown) => of<Event>({ type: 'undelivered', reason: toInternalError(error) }))),
      ),
    )
  const toStates = (effect: Effect): readonly (ConnectionState<ByteChannel> | ProgressEvent | PathEvent)[] => {
    switch (effect.type) {
      case 'fail':
        throw effect.reason
      case 'path':
      case 'delivered':
        return [effect]
      case 'send':
      case 'hand-over':
        return progressOf(effect)
      case 'connecting':
        return [{ ...effect, session, pubKey }]
      case 'open':
        return [{ ...effect, session, pubKey, hubKey }]
    }
  }

  return defer(() => {
    let state = newNegotiation(initiator ? 'offering' : 'answering')
    const effect$ = new Subject<Effect>()
    return merge(undelivered$(effect$), rtcEvent$(effect$), remoteEvent$(context, signal$, offer)).pipe(
      // The one place where effects become events again: these come after the other effects of their step.
      observeOn(queueScheduler),
      scan(([before], event): Step => (isPassing(event) ? [before, [event]] : stepNegotiation(before, event)), [
        state,
        [],
      ] as Step),
      tap(([newest]) => (state = newest)),
      mergeMap(([, effects]) => effects),
      tap(effect => effect$.next(effect)),
      mergeMap(toStates),
      finalize(() => {
        const goodbye = goodbyeOf(state)
        if (goodbye === undefined) return
        sayBye(hubConnection.socket, { session, from: identity.pubKey, to: pubKey }, goodbye)
      }),
    )
  })
}
