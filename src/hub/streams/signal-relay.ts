import { catchError, concatMap, defer, finalize, ignoreElements, mergeMap, type Observable, of, tap } from 'rxjs'
import type { Signal, SignalAck, SignalRefusal } from '../../protocol/signal.js'
import { admitSignal, type AdmittedSignal, refusalAck, relayRefusal } from '../protocol/relay.js'
import type { Delivery, HubSocket, IncomingSignal, LimitName } from '../ports.js'
import type { AnswerAllowance } from '../protocol/limits/answer-allowance.js'
import type { HubContext } from './context.js'

/** Signals of one socket that wait for the store, in bytes; more are refused. Sixteen of the largest. */
const maxPendingBytes = 1_048_576

interface Accepted extends AdmittedSignal {
  readonly incoming: IncomingSignal
}

const deliveryAcks: Readonly<Record<Delivery, SignalAck>> = {
  delivered: { delivered: true },
  offline: refusalAck('offline'),
  congested: refusalAck('rate-limited'),
}

/**
 * Keeps what a receipt will be checked against, before the signal is forwarded. False when the session belongs to others,
 * or when an answer answers nothing.
 */
async function record(signal: Signal, { store, scheduler }: HubContext): Promise<boolean> {
  const { type, session, from, to } = signal
  const timeMs = scheduler.now()
  if (type === 'offer') return store.recordOffer({ session, consumer: from, seeder: to, timeMs })
  if (type === 'answer') return store.recordAnswer({ session, consumer: to, seeder: from, timeMs })
  return true
}

function deliver$(signal: Signal, context: HubContext): Observable<SignalAck> {
  const { store, bus, logger, metrics } = context
  return defer(async () => {
    const signedIn = await bus.isSignedIn(signal.to)
    const [known, senderBytes = 0] = await Promise.all([
      signedIn ? 0 : store.balance(signal.to),
      signal.type === 'offer' ? store.balance(signal.from) : 0,
    ])
    const code = relayRefusal(signal.type, {
      targetRegistered: known !== undefined,
      targetSignedIn: signedIn,
      senderBytes,
    })
    if (code !== undefined) return refusalAck(code)
    if (!(await record(signal, context))) return refusalAck('malformed')
    const delivery = await bus.deliver(signal.to, 'signal', signal)
    if (delivery === 'congested') metrics.limited('congested-readers')
    return deliveryAcks[delivery]
  }).pipe(
    // Of this signal alone: what takes it for passing is right, and the session goes on.
    catchError((error: unknown) => {
      logger.error({ err: error, type: signal.type }, 'a signal could not be forwarded')
      return of(refusalAck('rate-limited'))
    }),
  )
}

/**
 * Forwards what one signed-in socket sends, in order, and acknowledges each signal. An offer and its answer are recorded
 * first, so that receipts of their session count. A signal at which the store fails is `rate-limited`. Never emits;
 * completes with the socket's signals. Holds at most 1 MiB of signals that wait for the store.
 *
 * @param answers what this peer may say in reply to offers, beside its own limit.
 */
export function relaySignals$(
  socket: HubSocket,
  pubKey: string,
  context: HubContext,
  answers: AnswerAllowance,
): Observable<never> {
  const { clock, metrics, signalLimits, offerLimits, targetLimits } = context
  const party = { pubKey, address: socket.address }
  return defer(() => {
    let pendingBytes = 0
    const finish = (incoming: IncomingSignal, ack: SignalAck): void => {
      metrics.signal('error' in ack ? ack.error.code : 'delivered')
      incoming.acknowledge(ack)
    }
    // Refused here and now, so that a flood never reaches the queue of concatMap.
    const admit = (incoming: IncomingSignal): readonly Accepted[] => {
      const refuse = (code: SignalRefusal): readonly Accepted[] => {
        finish(incoming, refusalAck(code))
        return []
      }
      const limit = (name: LimitName): readonly Accepted[] => {
        metrics.limited(name)
        return refuse('rate-limited')
      }
      const isReply = answers.take(incoming.message)
      if (!isReply && !signalLimits.take(pubKey, clock.now())) return limit('signals')
      const admitted = admitSignal(incoming.message, pubKey)
      if (admitted === undefined) return refuse('malformed')
      if (admitted.signal.type === 'offer') {
        // What a key may do comes first: offers that it has not got cost their target nothing.
        const beyond = offerLimits.refusal(party, clock.now())
        if (beyond !== undefined) return limit(beyond === 'key' ? 'offers' : 'offers-by-address')
        if (!targetLimits.take(pubKey, admitted.signal.to, clock.now())) return limit('offers-by-target')
      }
      if (pendingBytes + admitted.bytes > maxPendingBytes) return limit('waiting-signals')
      pendingBytes += admitted.bytes
      return [{ incoming, ...admitted }]
    }
    return socket.signal$.pipe(
      mergeMap(admit),
      concatMap(accepted =>
        deliver$(accepted.signal, context).pipe(
          tap(ack => finish(accepted.incoming, ack)),
          finalize(() => {
            pendingBytes -= accepted.bytes
          }),
        ),
      ),
      ignoreElements(),
    )
  })
}
