import {
  catchError,
  concat,
  concatMap,
  defer,
  type MonoTypeOperatorFunction,
  type Observable,
  of,
  pipe,
  type SchedulerLike,
} from 'rxjs'
import { connectWithin } from '../../operators/connect-within.js'
import type { ByteChannel, CryptoPort, HubClient, TrustStore } from '../../ports.js'
import { type LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import type { ConnectionState } from '../../protocol/signaling/connection-state.js'
import type { LedgerHead, Offer } from '../../protocol/signaling/signal.js'
import { keyOf$ } from './key-of.js'
import { negotiate$, type NegotiationOptions, type PathEvent } from './negotiation.js'
import type { SignalContext } from './signed-signals.js'

/** A connection's states, with the channel when it is open, and beside them where its bytes go. */
export type ConnectionEvent = ConnectionState<ByteChannel> | PathEvent

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
  readonly scheduler: SchedulerLike
}

function contextOf(options: ConnectionOptions, session: string, other: string): SignalContext {
  const { identity, crypto, hubConnection, head } = options
  return { identity, crypto, hubKey: hubConnection.hubKey, head: head?.() ?? hubConnection.head, session, other }
}

/** Ends with `closed`: 20 s after the start, unless it is open by then. */
function lifecycle(what: string, scheduler: SchedulerLike): MonoTypeOperatorFunction<ConnectionEvent> {
  return pipe(
    connectWithin({
      isOpen: ({ type }) => type === 'open',
      phaseOf: event => event?.type ?? 'resolving',
      what,
      scheduler,
    }),
    catchError((error: unknown) => of<ConnectionEvent>({ type: 'closed', reason: toInternalError(error) })),
  )
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
          negotiate$(options, contextOf(options, session, pubKey), undefined),
        )
      }),
    ),
  ).pipe(lifecycle(nickname, scheduler))
}

/**
 * Answers an offer. The same as `offerConnection$` from `connecting` on: an answerer whose handshake never completes lets go
 * after 20 s too, which WebRTC itself does not do.
 */
export function answerConnection$(options: ConnectionOptions, offer: Offer): Observable<ConnectionEvent> {
  const { session, from: pubKey } = offer
  return concat(
    of<ConnectionEvent>({ type: 'connecting', session, pubKey }),
    // Deferred: what cannot be read for it costs this connection alone.
    defer(() => negotiate$(options, contextOf(options, session, pubKey), offer)),
  ).pipe(lifecycle('the peer that called', options.scheduler))
}
