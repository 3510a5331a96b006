import { concatMap, defer, filter, ignoreElements, type Observable } from 'rxjs'
import type { ReceiptAck } from '../../../protocol/coins/receipt.js'
import { admitReceipt, receiptRefusalAck } from '../../protocol/settlement/receipt-rules.js'
import type { HubSocket, Incoming } from '../../ports/socket.js'
import type { HubContext } from '../signaling/context.js'

/** A peer hands in what it signed or has checked: one that verifies wrongly is an accident, more are not. */
const maxBadSignatures = 3

/** Receipts of one socket that wait for the rate limiter: as many as one body of long polling can hold. */
const maxWaiting = 512

/**
 * Takes the receipts of one signed-in socket: each is checked here and now, or refused, and handed to the hub's
 * settlement, which acknowledges it. The third that is badly signed ends the socket. Never emits; completes with the socket's
 * receipts. Holds at most 512 receipts that wait to be counted.
 */
export function settleReceipts$(socket: HubSocket, pubKey: string, context: HubContext): Observable<never> {
  const { keys, crypto, metrics, limiters, settlement } = context
  const party = { pubKey, address: socket.address }
  const verify = (key: string, text: string, signature: string): boolean => crypto.verify(key, text, signature)
  const judge = async (message: unknown): Promise<ReturnType<typeof admitReceipt>> => {
    // By key and address, so that connecting again gains nothing; before anything is measured or checked, which is what costs.
    const limit = await limiters.receipt(party)
    if (limit === undefined) return admitReceipt(message, { sender: pubKey, hubKey: keys.pubKey, verify })
    metrics.limited(limit)
    return { refused: 'rate-limited' }
  }
  return defer(() => {
    let [badSignatures, waiting] = [0, 0]
    const hasRoom = ({ acknowledge }: Incoming<ReceiptAck>): boolean => {
      if (waiting < maxWaiting) {
        waiting += 1
        return true
      }
      metrics.limited('receipts')
      metrics.receipt('rate-limited')
      acknowledge(receiptRefusalAck('rate-limited'))
      return false
    }
    const take = async ({ message, acknowledge }: Incoming<ReceiptAck>): Promise<void> => {
      const judged = await judge(message)
      waiting -= 1
      if ('receipt' in judged) return settlement.submit({ receipt: judged.receipt, sender: pubKey, acknowledge })
      metrics.receipt(judged.refused)
      acknowledge(receiptRefusalAck(judged.refused))
      if (judged.refused !== 'bad-signature') return
      badSignatures += 1
      if (badSignatures < maxBadSignatures) return
      socket.send('refused', { code: 'unavailable', message: 'Too many receipts of this connection are badly signed.' })
      socket.close()
    }
    return socket.receipt$.pipe(filter(hasRoom), concatMap(take), ignoreElements())
  })
}
