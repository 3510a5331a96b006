import { defer, ignoreElements, type Observable, tap } from 'rxjs'
import { admitReceipt, receiptRefusalAck } from '../protocol/receipt-rules.js'
import type { HubSocket, IncomingReceipt } from '../ports.js'
import type { HubContext } from './context.js'

/** A peer hands in what it signed or has checked: one that verifies wrongly is an accident, more are not. */
const maxBadSignatures = 3

/**
 * Takes the receipts of one signed-in socket: each is checked here and now, or refused, and handed to the hub's
 * settlement, which acknowledges it. The third that is badly signed ends the socket. Never emits; completes with the socket's
 * receipts. Buffers nothing.
 */
export function settleReceipts$(socket: HubSocket, pubKey: string, context: HubContext): Observable<never> {
  const { keys, crypto, clock, metrics, receiptLimits, settlement } = context
  const party = { pubKey, address: socket.address }
  const verify = (key: string, text: string, signature: string): boolean => crypto.verify(key, text, signature)
  const judge = (message: unknown): ReturnType<typeof admitReceipt> => {
    // By key and address, so that connecting again gains nothing; before anything is measured or checked, which is what costs.
    const limit = receiptLimits.refusal(party, clock.now())
    if (limit === undefined) return admitReceipt(message, { sender: pubKey, hubKey: keys.pubKey, verify })
    metrics.limited(limit === 'key' ? 'receipts' : 'receipts-by-address')
    return { refused: 'rate-limited' }
  }
  return defer(() => {
    let badSignatures = 0
    const take = ({ message, acknowledge }: IncomingReceipt): void => {
      const judged = judge(message)
      if ('receipt' in judged) return settlement.submit({ receipt: judged.receipt, sender: pubKey, acknowledge })
      metrics.receipt(judged.refused)
      acknowledge(receiptRefusalAck(judged.refused))
      if (judged.refused !== 'bad-signature') return
      badSignatures += 1
      if (badSignatures < maxBadSignatures) return
      socket.send('refused', { code: 'unavailable', message: 'Too many receipts of this connection are badly signed.' })
      socket.close()
    }
    return socket.receipt$.pipe(tap(take), ignoreElements())
  })
}
