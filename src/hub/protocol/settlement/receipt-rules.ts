import { formatCoins } from '../../../protocol/coins/amount.js'
import {
  parseReceipt,
  type ReceiptAck,
  type ReceiptRefusal,
  type Settlement,
  type SignedReceipt,
} from '../../../protocol/coins/receipt.js'
import { receiptText, settledText } from '../../../protocol/signaling/signed-texts.js'
import { jsonBytes } from '../signaling/relay.js'
import type { SettleResult } from './settlement.js'

/** A receipt has about 400 bytes as JSON text. */
const maxReceiptBytes = 1_024

/** What a receipt is judged by before the store is asked. */
export interface ReceiptFacts {
  /** Who signed in on the socket that it came over. */
  readonly sender: string
  readonly hubKey: string
  readonly verify: (pubKey: string, text: string, signature: string) => boolean
}

/**
 * Checks a receipt on its own: size, shape, that it is made for this hub, that a party of it sends it, and, last because it
 * costs most, that the consumer signed it.
 */
export function admitReceipt(
  message: unknown,
  { sender, hubKey, verify }: ReceiptFacts,
): { readonly receipt: SignedReceipt } | { readonly refused: ReceiptRefusal } {
  const receipt = jsonBytes(message) > maxReceiptBytes ? undefined : parseReceipt(message)
  if (receipt === undefined || receipt.hub_key !== hubKey) return { refused: 'malformed' }
  if (sender !== receipt.consumer && sender !== receipt.seeder) return { refused: 'not-a-party' }
  return verify(receipt.consumer, receiptText(receipt), receipt.signature) ? { receipt } : { refused: 'bad-signature' }
}

/** The hub's word to one of the parties. `sign` by the hub's key. */
export function settlementFor(
  party: 'consumer' | 'seeder',
  session: string,
  result: SettleResult & { readonly type: 'settled' },
  sign: (text: string) => string,
): Settlement {
  const { bytes, seq, hash, consumerBytes, seederBytes } = result
  const coins = formatCoins(party === 'consumer' ? consumerBytes : seederBytes)
  const settlement = { session, bytes, coins, seq, hash }
  const signed = { ...settlement, signature: sign(settledText(settlement)) }
  return party === 'consumer' ? signed : { ...signed, consumer_coins: formatCoins(consumerBytes) }
}

const refusalMessages: Readonly<Record<ReceiptRefusal, string>> = {
  malformed: 'This is not a receipt for this hub: check its members, their spelling, its size and "hub_key".',
  'bad-signature': "The consumer's signature does not verify over this receipt.",
  'not-a-party': 'Only the consumer and the seeder of a session can settle its receipts.',
  'unknown-session': 'The hub has not forwarded an offer and an answer of this session between these two.',
  'no-coins':
    "The consumer's wallet holds less than this receipt would move. Serve others to earn, then send it again.",
  'rate-limited': 'Too many receipts at once. Wait a moment; the highest of a session is enough.',
  unavailable: 'The hub cannot settle now. Send the receipt again in a moment; sending twice costs nothing.',
}

/** The acknowledgement that carries a refusal. */
export function receiptRefusalAck(code: ReceiptRefusal): ReceiptAck {
  return { error: { code, message: refusalMessages[code] } }
}
