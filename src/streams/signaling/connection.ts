import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  Subject,
  tap,
  throwError,
} from 'rxjs'
import { connectWithin } from '../../operators/connect-within.js'
import type {
  ByteChannel,
  CryptoPort,
  HubClient,
  IceServer,
  RtcEvent,
  RtcPort,
  RtcSignal,
  TrustStore,
} from '../../ports.js'
import { type ConnectionState, mayFollow } from '../../protocol/signaling/connection-state.js'
import { isLighthouseError, LighthouseError, toInternalError, toLighthouseError } from '../../protocol/errors.js'
import { hubScope, type Identity } from '../../protocol/peer/metadata.js'
import {
  agreeMux,
  type DescriptionPayload,
  type LedgerHead,
  type MuxAbilities,
  type Signal,
} from '../../protocol/signaling/signal.js'
import type { MuxAgreement } from '../../protocol/mux/frame.js'
import type { PathKind } from '../../ports.js'
import { sayBye } from './bye.js'
import { keyOf$ } from './key-of.js'
import {
  deliver$,
  openDescription,
  ownMux,
  type Parties,
  remoteSignals$,
  throughGate,
  toSignal,
} from './negotiation.js'
import type { HubSession } from './signaling.js'

/** A connection's states, with the channel when it is open, and beside them where its bytes go. */
export type ConnectionEvent =
  | ConnectionState<ByteChannel>
  | { readonly type: 'path'; readonly kind: PathKind; readonly roundTripMs: number | undefined }

/** What both sides of every connection share. */
export interface ConnectionOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly trust: TrustStore
  readonly hub: Pick<HubClient, 'resolve$'>
  readonly rtc: RtcPort
  readonly hubSession: HubSession
  /** Every signal for this peer, hot. */
  readonly signal$: Observable<Signal>
  readonly iceServers: readonly IceServer[]
  readonly relayOnly: boolean
  /** The newest head of the ledger that this peer knows, for its descriptions. Default: what the hub said at the sign-in. */
  readonly head?: () => LedgerHead | undefined
  /** Why no connection to the peer with this key is to be made, though its nickname was asked for. Default: there is no reason. */
  readonly objection?: (pubKey: string) => LighthouseError | undefined
  readonly scheduler: SchedulerLike
}

function partiesOf({ identity, crypto, hubSession, head }: ConnectionOptions, session: string, other: string): Parties {
  return { identity, crypto, hubKey: hubSession.hubKey, head: head?.() ?? hubSession.head, session, other }
}

function agreementOf(own: MuxAbilities, theirs: MuxAbilities): MuxAgreement {
  const agreement = agreeMux(own, theirs)
  if (agreement === undefined)
    throw new LighthouseError('peer-refused', 'the other peer speaks no version of the stream layer that this one does')
  return agreement
}

/** One negotiation with WebRTC: signals out, signals in, states. Says goodbye when it is given up before the channel is open. */
function negotiate$(
  options: ConnectionOptions,
  parties: Parties,
  offer: (Signal & { type: 'offer' }) | undefined,
): Observable<ConnectionEvent> {
  const { rtc, hubSession, signal$, iceServers, relayOnly } = options
  const { session, other: pubKey } = parties
  return defer(() => {
    let engine = 'unknown'
    let ours = ownMux
    let theirs: MuxAbilities | undefined
    let opened = false
    let introduced = offer !== undefined
    let goodbye = 'the attempt was given up'
    const outgoing$ = new Subject<Signal>()
    const opened$ = new Subject<void>()
    const what = 'the other peer'

    const hear = ({ mux = {} }: DescriptionPayload): void => {
      agreementOf(ours, mux)
      theirs = mux
    }
    const offer$ = defer(() => {
      if (offer === undefined) return EMPTY
      const description = openDescription(parties, offer)
      hear(offer.payload)
      return of(description)
    })
    const remote$ = concat(offer$, NEVER)
    const theirs$ = remoteSignals$(parties, signal$, hear, opened$)
    const toState = (event: RtcEvent): Observable<ConnectionEvent> => {
      if (event.type === 'path') return of(event)
      if (event.type === 'engine') {
        engine = event.name
        if (offer !== undefined && event.greets) ours = { ...ownMux, greet: true }
        return EMPTY
      }
      if (event.type === 'signal') {
        outgoing$.next(toSignal(parties, event.signal, ours))
        return event.signal.type === 'offer' ? of({ type: 'connecting', session, pubKey }) : EMPTY
      }
      if (theirs === undefined)
        return throwError(() => new LighthouseError('webrtc-failed', 'the channel opened before the answer came'))
      opened = true
      const { hubKey } = parties
      const agreement = agreementOf(ours, theirs)
      return of({ type: 'open', session, pubKey, hubKey, channel: event.channel, engine, agreement })
    }
    // Once the channel is open the connection does not depend on the hub: what becomes of signals no longer matters.
    const sent$ = outgoing$.pipe(
      mergeMap(signal => {
        introduced = true
        return deliver$(hubSession.connection, signal, what).pipe(
          catchError((error: unknown) => (opened ? EMPTY : throwError(() => error))),
        )
      }),
    )
    const signals$: Observable<RtcSignal> = merge(remote$, theirs$).pipe(throughGate(hubScope(parties.identity.host)))
    const rtc$ = rtc
      .connect$({
        initiator: offer === undefined,
        iceServers: [...iceServers, ...hubSession.iceServers],
        relayOnly,
        remote$: signals$,
      })
      .pipe(
        catchError((error: unknown) => throwError(() => toLighthouseError('webrtc-failed', error))),
        concatMap(toState),
        tap(event => {
          if (event.type === 'open') opened$.next()
        }),
      )
    const ended$ = throwError(() => new LighthouseError('channel-closed', 'the other side closed the connection'))
    return merge(sent$.pipe(ignoreElements()), concat(rtc$, ended$)).pipe(
      tap({
        error: (error: unknown) => {
          // What this side does not accept is said in words; why its network fails is nobody's business.
          if (isLighthouseError(error, 'peer-refused')) goodbye = error.message
        },
      }),
      finalize(() => {
        if (opened || !introduced) return
        const envelope = { session, from: parties.identity.pubKey, to: pubKey }
        sayBye(hubSession.connection, envelope, goodbye)
      }),
    )
  })
}

const phaseReached = (event: ConnectionEvent | undefined): string => event?.type ?? 'resolving'

/** The one place where a connection's state changes: a step that the table does not have is a defect, not a state. */
function lifecycle(what: string, scheduler: SchedulerLike) {
  return (source: Observable<ConnectionEvent>): Observable<ConnectionEvent> =>
    defer(() => {
      let current: ConnectionState<ByteChannel>['type'] | undefined
      return source.pipe(
        connectWithin({ isOpen: ({ type }) => type === 'open', phaseOf: phaseReached, what, scheduler }),
        catchError((error: unknown) => of<ConnectionEvent>({ type: 'closed', reason: toInternalError(error) })),
        tap(event => {
          if (event.type === 'path') return
          if (!mayFollow(current, event.type))
            throw new Error(`connection went from ${current ?? 'nothing'} to ${event.type}`)
          current = event.type
        }),
      )
    })
}

/**
 * Connects to a peer by nickname, as the side that offers.
 *
 *     resolving → offering → connecting → open → closed
 *
 * Emits each state, beside them the path once the connection is open, and completes after `closed`, which carries the reason;
 * it never errors. Unless it is open within 20 s it is closed with `connect-timeout` and the phase that it had reached.
 * Unsubscribing destroys the connection and, when it was not open yet, tells the other side. Buffers nothing.
 *
 * @see docs/PROTOCOL.md section 3
 */
export function offerConnection$(options: ConnectionOptions, nickname: string): Observable<ConnectionEvent> {
  const { crypto, scheduler } = options
  return concat(
    of<ConnectionEvent>({ type: 'resolving', nickname }),
    keyOf$(options, nickname).pipe(
      concatMap(pubKey => {
        const objection = options.objection?.(pubKey)
        if (objection !== undefined) throw objection
        const session = crypto.randomId(16)
        return concat(
          of<ConnectionEvent>({ type: 'offering', session, pubKey }),
          negotiate$(options, partiesOf(options, session, pubKey), undefined),
        )
      }),
    ),
  ).pipe(lifecycle(nickname, scheduler))
}

/**
 * Answers an offer. The same as `offerConnection$` from `connecting` on: an answerer whose handshake never completes lets go
 * after 20 s too, which WebRTC itself does not do.
 */
export function answerConnection$(
  options: ConnectionOptions,
  offer: Signal & { readonly type: 'offer' },
): Observable<ConnectionEvent> {
  const { session, from: pubKey } = offer
  return concat(
    of<ConnectionEvent>({ type: 'connecting', session, pubKey }),
    // Deferred: what cannot be read for it costs this connection alone.
    defer(() => negotiate$(options, partiesOf(options, session, pubKey), offer)),
  ).pipe(lifecycle('the peer that called', options.scheduler))
}
