import { ignoreElements, type Observable, tap } from 'rxjs'
import { admitReceipt, receiptRefusalAck } from '../protocol/receipt-rules.js'
import type { HubSocket, IncomingReceipt } from '../ports.js'
import type { HubContext } from './context.js'

/**
 * Takes the receipts of one signed-in socket: each is checked here and now, or refused, and handed to the hub's
 * settlement, which acknowledges it. Never emits; completes with the socket's receipts. Buffers nothing.
 */
export function settleReceipts$(socket: HubSocket, pubKey: string, context: HubContext): Observable<never> {
  const { keys, crypto, clock, metrics, receiptLimits, settlement } = context
  const verify = (key: string, text: string, signature: string): boolean => crypto.verify(key, text, signature)
  const judge = (message: unknown): ReturnType<typeof admitReceipt> => {
    // By key, so that connecting again gains nothing; before the signature, which is what costs.
    if (!receiptLimits.take(pubKey, clock.now())) {
      metrics.limited('receipts')
      return { refused: 'rate-limited' }
    }
    return admitReceipt(message, { sender: pubKey, hubKey: keys.pubKey, verify })
  }
  const take = ({ message, acknowledge }: IncomingReceipt): void => {
    const judged = judge(message)
    if ('receipt' in judged) return settlement.submit({ receipt: judged.receipt, sender: pubKey, acknowledge })
    metrics.receipt(judged.refused)
    acknowledge(receiptRefusalAck(judged.refused))
  }
  return socket.receipt$.pipe(tap(take), ignoreElements())
}
