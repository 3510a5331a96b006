import { catchError, concat, concatMap, defer, type Observable, of, type SchedulerLike, tap } from 'rxjs'
import { connectWithin } from '../../operators/connect-within.js'
import type { ByteChannel, CryptoPort, HubClient, TrustStore } from '../../ports.js'
import { type LighthouseError, toInternalError } from '../../protocol/errors.js'
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
 * Connects to a peer by nickname, as the side that offers.
 *
 *     resolving → offering → connecting → open → closed
 *
 * Emits each state, beside them how the attempt gets on, and the path once the connection is open; completes after `closed`, which
 * carries the reason, and never errors. Unless it is open within 20 s it is closed with `connect-timeout`, the phase that it had
 * reached, and the likely reason.
 * Unsubscribing destroys the connection and, when it was not open yet, tells the other side. Buffers nothing.
 *
 * @see docs/PROTOCOL.md section 3
 */
export function offerConnection$(options: ConnectionOptions, nickname: string): Observable<ConnectionEvent> {
  const { crypto } = options
  const event$ = concat(
    of<ConnectionEvent>({ type: 'resolving', nickname }),
    keyOf$(options, nickname).pipe(
      concatMap(pubKey => {
        const objection = options.objection?.(pubKey)
        if (objection !== undefined) throw objection
        const session = crypto.randomId(16)
        return concat(
          of<ConnectionEvent>({ type: 'offering', session, pubKey }),
          negotiate$(options, contextOf(options, session, pubKey), undefined),
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
