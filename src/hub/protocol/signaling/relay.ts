import { bytesPerCoin } from '../../../protocol/coins/amount.js'
import { isShallow, type Json } from '../../../protocol/json.js'
import {
  maxSignalBytes,
  parseSignal,
  type Signal,
  type SignalAck,
  type SignalRefusal,
} from '../../../protocol/signaling/signal.js'

/** What an offer costs at least to be relayed: one coin in the wallet. Answers are free, since serving is how one earns. */
const minOfferBytes = bytesPerCoin

/** Deeper than any signal, shallow enough that writing the value as text cannot exhaust the stack. */
const maxSignalDepth = 8

/** Bytes of the JSON text of a value, or Infinity when it nests too deep to be a signal. */
export function jsonBytes(value: unknown): number {
  if (!isShallow(value as Json | undefined, maxSignalDepth)) return Infinity
  return new TextEncoder().encode(JSON.stringify(value) ?? '').length
}

/**
 * Checks what `authenticated` sent: size, shape, and that it speaks for itself and to somebody else. Undefined when it
 * is malformed. The payload of an offer or answer is what was received, since its signature covers all of it.
 */
export function admitSignal(message: unknown, authenticated: string): Signal | undefined {
  if (jsonBytes(message) > maxSignalBytes) return undefined
  const signal = parseSignal(message)
  return signal?.from === authenticated && signal.to !== authenticated ? signal : undefined
}

/** What the hub knows about the two parties when it decides. `senderBytes` counts for offers only. */
export interface RelayFacts {
  readonly targetRegistered: boolean
  readonly targetSignedIn: boolean
  readonly senderBytes: number
}

/** Why a signal is not forwarded, or undefined when it is. */
export function relayRefusal(type: Signal['type'], facts: RelayFacts): SignalRefusal | undefined {
  if (!facts.targetRegistered) return 'unknown-peer'
  if (!facts.targetSignedIn) return 'offline'
  if (type === 'offer' && facts.senderBytes < minOfferBytes) return 'no-coins'
  return undefined
}

const refusalMessages: Readonly<Record<SignalRefusal, string>> = {
  offline: 'This peer is not signed in. Ask its owner to start it.',
  'unknown-peer': 'Nobody is registered with this key. Look the nickname up again.',
  'no-coins': 'An offer needs at least one coin in the wallet. Serve others to earn.',
  'rate-limited': 'Too many signals at once. Wait a moment.',
  malformed: 'This is not a signal of yours: check its type, fields, size, sender and session.',
}

/** The acknowledgement that carries a refusal. */
export function refusalAck(code: SignalRefusal): SignalAck {
  return { error: { code, message: refusalMessages[code] } }
}
