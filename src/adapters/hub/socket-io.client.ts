import { Observable } from 'rxjs'
import { io, type Socket } from 'socket.io-client'
import type { SignalConnection, SignalTransport, SignalTransportEvent } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { membersOf } from '../../protocol/json.js'
import { parseReceiptAck, type ReceiptAck } from '../../protocol/coins/receipt.js'
import { maxSignalBytes, type SignalAck, signalRefusals } from '../../protocol/signaling/signal.js'
import { type ConnectionFailure, hubWords, unreachableReason } from '../../protocol/signaling/hub-failure.js'

/**
 * For the connection, and for the acknowledgement of a signal, which a hub gives at once: two lost packets in a row fit in. What
 * takes longer goes through a network that is gone, and TCP would try less and less often to reach the other end of it.
 */
const answerTimeoutMs = 5_000

/**
 * For the acknowledgement of a receipt. A hub gives up a batch after 15 s and answers, which should be received; and the seeder
 * ends a connection that is not paid for after 20 s.
 */
const receiptTimeoutMs = 16_000

/** Twice the largest signal, as the hub has it. A hub that sends more loses the connection. */
const maxPacketBytes = 2 * maxSignalBytes

function parseAck(value: unknown): SignalAck | undefined {
  const { delivered, error } = membersOf(value)
  if (delivered === true) return { delivered }
  const { code, message } = membersOf(error)
  const known = signalRefusals.find(refusal => refusal === code)
  return known && { error: { code: known, message: hubWords(message, known) } }
}

function parseReceiptAnswer(value: unknown): ReceiptAck | undefined {
  const ack = parseReceiptAck(value)
  if (ack === undefined || 'settled' in ack) return ack
  return { error: { code: ack.error.code, message: hubWords(ack.error.message, ack.error.code) } }
}

function unreachable(url: string, reason: string, cause?: unknown): LighthouseError {
  return new LighthouseError('hub-unreachable', `The hub at ${url}: ${reason}.`, {}, { cause })
}

/** What failed underneath: socket.io itself only reports that polling did, which it tries last. */
function failureOf(error: Error): ConnectionFailure {
  const { status, statusText } = membersOf(membersOf(error).context)
  const { code, message } = membersOf(statusText)
  if (message !== undefined) return { code, message }
  return { message: Number(status) > 0 ? `status ${Number(status)}` : error.message }
}

/** @param lost ends the connection, which carries nothing any more. */
function connectionOf(socket: Socket, url: string, lost: (reason: LighthouseError) => void): SignalConnection {
  const ask$ = <Ack>(
    event: string,
    body: object,
    timeoutMs: number,
    parse: (answer: unknown) => Ack | undefined,
    unanswered: (reason: LighthouseError) => void = () => undefined,
  ): Observable<Ack> =>
    new Observable(subscriber => {
      // socket.io would keep it for a connection that is not coming back.
      if (!socket.connected) return subscriber.error(unreachable(url, 'the connection is over'))
      socket.timeout(timeoutMs).emit(event, body, (error: Error | null, answer: unknown) => {
        if (error !== null) {
          const reason = unreachable(url, `it did not acknowledge a ${event}`, error)
          subscriber.error(reason)
          return unanswered(reason)
        }
        const ack = parse(answer)
        if (ack === undefined) {
          return subscriber.error(
            new LighthouseError(
              'hub-protocol',
              `The hub at ${url} sent an acknowledgement that its protocol does not have.`,
            ),
          )
        }
        subscriber.next(ack)
        subscriber.complete()
      })
    })
  return {
    send$: signal => ask$('signal', signal, answerTimeoutMs, parseAck, lost),
    settle$: receipt => ask$('receipt', receipt, receiptTimeoutMs, parseReceiptAnswer),
  }
}

function refusal(url: string, body: unknown): LighthouseError {
  const { code, message } = membersOf(body)
  const words = `The hub at ${url} refused: ${hubWords(message, 'no reason given')}`
  if (code === 'session-replaced') return new LighthouseError('session-replaced', words)
  return code === 'not-authenticated'
    ? new LighthouseError('not-authenticated', words)
    : unreachable(url, hubWords(message, 'it cannot serve this session now'))
}

/**
 * The signaling connection to a hub over socket.io, WebSocket first and polling where that is blocked.
 *
 * Each subscription is one connection, which does not come back by itself; unsubscribing closes it. Errors with
 * `hub-unreachable` when it cannot be made within 5 s, when it is lost or a signal is not acknowledged within 5 s, with `not-authenticated` when the hub refuses the
 * key. What arrives is passed on unchecked, typed `unknown`; nothing of it is buffered.
 *
 * @param options `ifFree`: signs in only where no peer with this key is signed in, and errors with `session-replaced` where one is.
 * With `hub-protocol` where the hub does not know that.
 */
export function socketIoTransport(hub: string | URL, options: { readonly ifFree?: boolean } = {}): SignalTransport {
  const { ifFree = false } = options
  const url = new URL(hub).origin
  return {
    connect$: pubKey =>
      new Observable<SignalTransportEvent>(subscriber => {
        const unlisted = { maxPayload: maxPacketBytes } // ws knows it, socket.io's types do not
        const socket = io(url, {
          ...unlisted,
          auth: { pub_key: pubKey, ...(ifFree && { if_free: true }) },
          forceNew: true,
          reconnection: false,
          timeout: answerTimeoutMs,
          transports: ['websocket', 'polling'],
          tryAllTransports: true,
        })
        const connection = connectionOf(socket, url, reason => subscriber.error(reason))
        socket.on('challenge', (body: unknown, acknowledge: unknown) => {
          const { challenge, hub_key: hubKey, signature, if_free: knowsIfFree } = membersOf(body)
          if (ifFree && knowsIfFree !== true) {
            const message = `The hub at ${url} is of an earlier version: it cannot say whether a peer with this key is signed in.`
            return subscriber.error(new LighthouseError('hub-protocol', message))
          }
          const respond = (text: string): void => void (typeof acknowledge === 'function' && acknowledge(text))
          subscriber.next({ type: 'challenge', challenge, hubKey, signature, respond })
        })
        socket.on('authenticated', (body: unknown) => {
          const { coins, ice_servers: iceServers, head } = membersOf(body)
          subscriber.next({ type: 'authenticated', coins, iceServers, head, connection })
        })
        socket.on('signal', (message: unknown) => subscriber.next({ type: 'signal', message }))
        socket.on('settled', (message: unknown) => subscriber.next({ type: 'settled', message }))
        socket.on('replaced', () => subscriber.next({ type: 'replaced' }))
        socket.on('refused', (body: unknown) => subscriber.error(refusal(url, body)))
        socket.on('connect_error', error => {
          const message = `The hub at ${url} cannot be reached: ${unreachableReason(url, failureOf(error))}`
          subscriber.error(new LighthouseError('hub-unreachable', message, {}, { cause: error }))
        })
        socket.on('disconnect', reason => subscriber.error(unreachable(url, `the connection was lost (${reason})`)))
        return () => {
          // Acknowledgements that are still awaited fail here, and their timers end.
          socket.disconnect()
          socket.removeAllListeners()
        }
      }),
  }
}
