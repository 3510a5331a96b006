import { receiptAsked, receiptSettled, receiptStep, type SettlingLag, unknownLag } from './receipt-step.js'

/** What a consumer has counted and signed in one session. Bytes. */
export interface PaidSession {
  readonly receivedBytes: number
  /** Of these, what programs have consumed. */
  readonly payableBytes: number
  /** What was payable at the last second. */
  readonly payableBefore: number | undefined
  /** What receipts are due for. Never shrinks. */
  readonly countableBytes: number
  readonly signedBytes: number
  readonly lag: SettlingLag
}

export const newPaidSession: PaidSession = {
  receivedBytes: 0,
  payableBytes: 0,
  payableBefore: undefined,
  countableBytes: 0,
  signedBytes: 0,
  lag: unknownLag,
}

export type PaidSessionEvent =
  | { readonly type: 'bytes'; readonly receivedBytes: number; readonly payableBytes: number }
  /** A second has passed. */
  | { readonly type: 'traffic' }
  /** A receipt up to so much was signed. */
  | { readonly type: 'signed'; readonly bytes: number }
  /** The hub has settled up to so much. */
  | { readonly type: 'settled'; readonly bytes: number }

/**
 * What arrived for programs that have stopped to read counts too when it is all that there is for a second: a film that is
 * paused would use up the seeder's credit with it otherwise, and hold everything else until that ends.
 */
export function stepPaidSession(session: PaidSession, event: PaidSessionEvent): PaidSession {
  const { receivedBytes, payableBytes, payableBefore, countableBytes, lag } = session
  switch (event.type) {
    case 'bytes':
      return {
        ...session,
        receivedBytes: event.receivedBytes,
        payableBytes: event.payableBytes,
        countableBytes: Math.max(countableBytes, event.payableBytes),
      }
    case 'traffic': {
      const stalled = payableBefore === payableBytes
      return {
        ...session,
        payableBefore: payableBytes,
        countableBytes: stalled ? Math.max(countableBytes, receivedBytes) : countableBytes,
      }
    }
    case 'signed':
      return { ...session, signedBytes: event.bytes, lag: receiptAsked(lag, event.bytes, receivedBytes) }
    case 'settled':
      return { ...session, lag: receiptSettled(lag, event.bytes, receivedBytes) }
  }
}

/** Bytes after which the next receipt is due, at a seeder that was paid so much before this session. */
export function stepOf({ receivedBytes, payableBytes, signedBytes, lag }: PaidSession, paidBytes: number): number {
  return receiptStep(paidBytes + signedBytes, lag, receivedBytes - payableBytes)
}
