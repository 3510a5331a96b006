import { concatMap, defer, ignoreElements, mergeMap, type Observable } from 'rxjs'
import { maxSignalBytes, type Signal, type SignalAck, type SignalRefusal } from '../../../protocol/signaling/signal.js'
import { admitSignal, jsonBytes, refusalAck, relayRefusal } from '../../protocol/signaling/relay.js'
import type { Delivery } from '../../ports/bus.js'
import type { HubSocket, Incoming } from '../../ports/socket.js'
import type { AnswerAllowance } from '../../protocol/limits/answer-allowance.js'
import type { HubContext } from './context.js'

/** Signals of one socket that wait for the limits or the store, in bytes; more are refused. Sixteen of the largest. */
const maxPendingBytes = 1_048_576

/** What a signal that waits costs beside its text. */
const overheadBytes = 256

interface Pending {
  readonly incoming: Incoming<SignalAck>
  readonly bytes: number
  /** Whether it answers an offer and so costs nobody's budget. */
  readonly isReply: boolean
}

interface Accepted extends Pending {
  readonly signal: Signal
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

async function forward(signal: Signal, context: HubContext): Promise<SignalAck> {
  const { store, bus, logger, metrics } = context
  try {
    const targetSignedIn = await bus.isSignedIn(signal.to)
    const [known, senderBytes = 0] = await Promise.all([
      targetSignedIn ? 0 : store.balance(signal.to),
      signal.type === 'offer' ? store.balance(signal.from) : 0,
    ])
    const code = relayRefusal(signal.type, { targetRegistered: known !== undefined, targetSignedIn, senderBytes })
    if (code !== undefined) return refusalAck(code)
    if (!(await record(signal, context))) return refusalAck('malformed')
    const delivery = await bus.deliver(signal.to, 'signal', signal)
    if (delivery === 'congested') metrics.limited('congested-readers')
    return deliveryAcks[delivery]
  } catch (error) {
    // Of this signal alone: what takes it for passing is right, and the session goes on.
    logger.error({ err: error, type: signal.type }, 'a signal could not be forwarded')
    return refusalAck('rate-limited')
  }
}

/**
 * Forwards what one signed-in socket sends, in order, and acknowledges each signal. An offer and its answer are recorded
 * first, so that receipts of their session count. A signal at which the store fails is `rate-limited`. Never emits;
 * completes with the socket's signals. Holds at most 1 MiB of signals that wait for the limits or the store.
 *
 * @param answers what this peer may say in reply to offers, beside its own limit.
 */
export function relaySignals$(
  socket: HubSocket,
  pubKey: string,
  context: HubContext,
  answers: AnswerAllowance,
): Observable<never> {
  const { metrics, limiters } = context
  const party = { pubKey, address: socket.address }
  return defer(() => {
    let pendingBytes = 0
    const finish = ({ incoming, bytes }: Pending, ack: SignalAck): void => {
      pendingBytes -= bytes
      metrics.signal('error' in ack ? ack.error.code : 'delivered')
      incoming.acknowledge(ack)
    }
    // Refused here and now, so that a flood never reaches the queues behind this.
    const enter = (incoming: Incoming<SignalAck>): readonly Pending[] => {
      const bytes = overheadBytes + Math.min(jsonBytes(incoming.message), maxSignalBytes)
      const pending = { incoming, bytes, isReply: answers.take(incoming.message) }
      pendingBytes += bytes
      if (pendingBytes <= maxPendingBytes) return [pending]
      metrics.limited('waiting-signals')
      finish(pending, refusalAck('rate-limited'))
      return []
    }
    const judge = async ({ incoming, isReply }: Pending): Promise<Signal | SignalRefusal> => {
      const mayTalk = isReply || (await limiters.signals.take(pubKey)).allowed
      const signal = mayTalk ? admitSignal(incoming.message, pubKey) : undefined
      if (mayTalk && signal === undefined) return 'malformed'
      const limit = signal?.type === 'offer' ? await limiters.offer(party, signal.to) : undefined
      if (signal !== undefined && limit === undefined) return signal
      metrics.limited(limit ?? 'signals')
      return 'rate-limited'
    }
    const admit = async (pending: Pending): Promise<readonly Accepted[]> => {
      const judged = await judge(pending)
      if (typeof judged === 'object') return [{ ...pending, signal: judged }]
      finish(pending, refusalAck(judged))
      return []
    }
    return socket.signal$.pipe(
      mergeMap(enter),
      // In order, and apart from the store: who is refused does not wait for it.
      concatMap(admit),
      mergeMap(accepted => accepted),
      concatMap(async accepted => finish(accepted, await forward(accepted.signal, context))),
      ignoreElements(),
    )
  })
}
