import type { Observable } from 'rxjs'
import type { ReceiptAck } from '../../protocol/coins/receipt.js'
import type { SignalAck } from '../../protocol/signaling/signal.js'

/** A signal or a receipt as it came over a socket, with the way to acknowledge it. */
export interface Incoming<Ack> {
  readonly message: unknown
  acknowledge(ack: Ack): void
}

/** One connection of the signaling server. */
export interface HubSocket {
  /** What the peer said on connecting. */
  readonly auth: unknown
  /** Where its client is, as far as known. */
  readonly address: string
  /** Not buffered: what arrives without a subscriber is dropped. */
  readonly signal$: Observable<Incoming<SignalAck>>
  /** Not buffered either. Ends with the socket. */
  readonly receipt$: Observable<Incoming<ReceiptAck>>
  /** Emits once and completes when the connection is over. */
  readonly closed$: Observable<void>
  /** Sends the challenge on subscription and emits what the peer acknowledges it with, once. */
  challenge$(body: object): Observable<unknown>
  /** False when the other side reads so slowly that too much is waiting; then nothing is sent. */
  send(event: 'authenticated' | 'refused' | 'replaced' | 'signal' | 'settled', body: object): boolean
  /** It has signed in: it is not cut off to make room for others. */
  keep(): void
  /** Ends the connection after what was sent. Harmless when over. */
  close(): void
}
