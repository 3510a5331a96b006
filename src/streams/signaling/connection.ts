import {
  catchError,
  concat,
  concatMap,
  connect,
  defer,
  filter,
  ignoreElements,
  merge,
  type MonoTypeOperatorFunction,
  type Observable,
  of,
  retry,
  type SchedulerLike,
  tap,
  throwError,
  timeout,
} from 'rxjs'
import { connectWithin } from '../../operators/connect-within.js'
import type { ByteChannel, CryptoPort, HubClient, TrustStore } from '../../ports.js'
import { isLighthouseError, LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { newAttempt, type ProgressEvent, stepAttempt } from '../../protocol/signaling/attempt.js'
import type { ConnectionState } from '../../protocol/signaling/connection-state.js'
import { withLikelyReason } from '../../protocol/signaling/likely-reason.js'
import type { LedgerHead, Offer } from '../../protocol/signaling/signal.js'
import type { UdpReach } from '../../protocol/signaling/udp-reach.js'
import { keyOf$ } from './key-of.js'
import { negotiate$, type NegotiationOptions, type PathEvent } from './negotiation.js'
import type { SignalContext } from './signed-signals.js'

/** A connection's states, with the channel when it is open, and beside them how it gets on and where its bytes go. */
export type ConnectionEvent = ConnectionState<ByteChannel> | ProgressEvent | PathEvent

/** What both sides of every connection share. */
export interface ConnectionOptions extends NegotiationOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly trust: TrustStore
  readonly hub: Pick<HubClient, 'resolve$'>
  /** The newest head of the ledger that this peer knows, for its descriptions. Default: the one of the sign-in. */
  readonly head?: () => LedgerHead | undefined
  /** Why no connection to the peer with this key is to be made, though its nickname was asked for. Default: there is no reason. */
  readonly objection?: (pubKey: string) => LighthouseError | undefined
  /** Whether UDP gets through here, for the likely reason of a failure. Default: nobody knows. */
  readonly udp?: () => UdpReach | 'asking'
  readonly scheduler: SchedulerLike
}

function contextOf(options: ConnectionOptions, session: string, other: string): SignalContext {
  const { identity, crypto, hubConnection, head } = options
  return { identity, crypto, hubKey: hubConnection.hubKey, head: head?.() ?? hubConnection.head, session, other }
}

/** Ends with `closed`: 20 s after the start, unless it is open by then. */
function lifecycle(
  peer: string,
  options: ConnectionOptions,
  source: Observable<ConnectionEvent>,
): Observable<ConnectionEvent> {
  const { iceServers, hubConnection, relayOnly, udp = () => 'unknown', scheduler } = options
  return defer(() => {
    let attempt = newAttempt
    return source.pipe(
      tap(event => {
        attempt = stepAttempt(attempt, event)
      }),
      connectWithin({ isOpen: ({ type }) => type === 'open', phaseOf: () => attempt.phase, what: peer, scheduler }),
      catchError((error: unknown) => {
        const servers = [...iceServers, ...hubConnection.iceServers]
        const reason = withLikelyReason(toInternalError(error), { peer, attempt, udp: udp(), servers, relayOnly })
        return of<ConnectionEvent>({ type: 'closed', reason })
      }),
    )
  })
}

/**
 * How long an offer waits for its answer before another one is made: the first, and each after it. A peer whose network was away may
 * be at the hub again while that has delivered the offer to where nobody hears it. Most answer within half a second, and one that is
 * too busy for the first gets more time with the next.
 */
const answerPatienceMs = { first: 3_000, next: 5_000 } as const

/** Errors with `connect-timeout` when no answer to an offer comes in time. */
function answeredWithin(ms: number, scheduler: SchedulerLike): MonoTypeOperatorFunction<ConnectionEvent> {
  const unanswered = (): LighthouseError => new LighthouseError('connect-timeout', 'the offer was not answered')
  return connect(event$ =>
    merge(
      event$.pipe(
        filter(({ type }) => type === 'answered'),
        timeout({ first: ms, scheduler, with: () => throwError(unanswered) }),
        ignoreElements(),
      ),
      event$,
    ),
  )
}

/**
 * Connects to a peer by nickname, as the side that offers.
 *
 *     resolving → offering → connecting → open → closed
 *
 * Emits each state, beside them how the attempt gets on, and the path once the connection is open; completes after `closed`, which
 * carries the reason, and never errors. An offer that is not answered within 3 s is made again, as another session, and each 5 s. Unless it is open within 20 s it is closed with `connect-timeout`, the phase that it had
 * reached, and the likely reason.
 * Unsubscribing destroys the connection and, when it was not open yet, tells the other side. Buffers nothing.
 *
 * @see docs/PROTOCOL.md section 3
 */
export function offerConnection$(options: ConnectionOptions, nickname: string): Observable<ConnectionEvent> {
  const { crypto, scheduler } = options
  const event$ = concat(
    of<ConnectionEvent>({ type: 'resolving', nickname }),
    keyOf$(options, nickname).pipe(
      concatMap(pubKey => {
        const objection = options.objection?.(pubKey)
        if (objection !== undefined) throw objection
        let patienceMs: number = answerPatienceMs.first
        return defer(() => {
          const session = crypto.randomId(16)
          const offered$ = concat(
            of<ConnectionEvent>({ type: 'offering', session, pubKey }),
            negotiate$(options, contextOf(options, session, pubKey), undefined),
          ).pipe(answeredWithin(patienceMs, scheduler))
          patienceMs = answerPatienceMs.next
          return offered$
        }).pipe(
          retry({ delay: error => (isLighthouseError(error, 'connect-timeout') ? of(0) : throwError(() => error)) }),
        )
      }),
    ),
  )
  return lifecycle(nickname, options, event$)
}

/**
 * Answers an offer. The same as `offerConnection$` from `connecting` on: an answerer whose handshake never completes lets go
 * after 20 s too, which WebRTC itself does not do.
 */
export function answerConnection$(options: ConnectionOptions, offer: Offer): Observable<ConnectionEvent> {
  const { session, from: pubKey } = offer
  const event$ = concat(
    of<ConnectionEvent>({ type: 'connecting', session, pubKey }),
    // Deferred: what cannot be read for it costs this connection alone.
    defer(() => negotiate$(options, contextOf(options, session, pubKey), offer)),
  )
  return lifecycle('the peer that called', options, event$)
}
