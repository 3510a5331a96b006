import { concatMap, defer, finalize, ignoreElements, mergeMap, type Observable, tap } from 'rxjs'
import type { Signal, SignalAck, SignalRefusal } from '../../protocol/signal.js'
import { admitSignal, type AdmittedSignal, refusalAck, relayRefusal } from '../protocol/relay.js'
import type { Delivery, HubSocket, IncomingSignal } from '../ports.js'
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

function deliver$(signal: Signal, { store, bus }: HubContext): Observable<SignalAck> {
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
    return code === undefined ? deliveryAcks[await bus.deliver(signal.to, 'signal', signal)] : refusalAck(code)
  })
}

/**
 * Forwards what one signed-in socket sends, in order, and acknowledges each signal. Never emits; completes with the
 * socket's signals and errors when the store fails. Holds at most 1 MiB of signals that wait for the store.
 */
export function relaySignals$(socket: HubSocket, pubKey: string, context: HubContext): Observable<never> {
  const { clock, metrics, signalLimits } = context
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
      if (!signalLimits.take(pubKey, clock.now())) return refuse('rate-limited')
      const admitted = admitSignal(incoming.message, pubKey)
      if (admitted === undefined) return refuse('malformed')
      if (pendingBytes + admitted.bytes > maxPendingBytes) return refuse('rate-limited')
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
