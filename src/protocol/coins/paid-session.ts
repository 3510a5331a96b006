/**
 * The consumer's side of one session: what it has counted and signed, and when the next receipt is due. A seeder holds its data
 * when its credit window W is used up, so a receipt has to be settled before; and each costs all three sides CPU, so there should
 * be few.
 *
 *     |<------------------------- W ------------------------->|
 *     | step: unsigned    | untaken | under way | a quarter    |
 */
import { creditWindow } from './credit.js'

/** Bytes. */
export interface PaidSession {
  readonly receivedBytes: number
  /** Of these, what programs have consumed. */
  readonly payableBytes: number
  /** What was payable at the last second. */
  readonly payableBefore: number | undefined
  /** What receipts are due for. Never shrinks. */
  readonly countableBytes: number
  readonly signedBytes: number
  /** A receipt that is being settled, and how much had been received when it was signed. */
  readonly asked: { readonly bytes: number; readonly receivedBytes: number } | undefined
  /** What arrived of late while a receipt was brought to the hub and settled. Undefined before the first settlement. */
  readonly lagBytes: number | undefined
}

export const newPaidSession: PaidSession = {
  receivedBytes: 0,
  payableBytes: 0,
  payableBefore: undefined,
  countableBytes: 0,
  signedBytes: 0,
  asked: undefined,
  lagBytes: undefined,
}

export type PaidSessionEvent =
  | { readonly type: 'bytes'; readonly receivedBytes: number; readonly payableBytes: number }
  /** A second has passed. */
  | { readonly type: 'traffic' }
  /** A receipt up to so much was signed. */
  | { readonly type: 'signed'; readonly bytes: number }
  /** The hub has settled up to so much. */
  | { readonly type: 'settled'; readonly bytes: number }

/** One step of a session that is paid for. Pure and total. */
export function stepPaidSession(session: PaidSession, event: PaidSessionEvent): PaidSession {
  const { receivedBytes, payableBytes, countableBytes, asked, lagBytes = 0 } = session
  switch (event.type) {
    case 'bytes': {
      const { receivedBytes: received, payableBytes: payable } = event
      const countable = Math.max(countableBytes, payable)
      return { ...session, receivedBytes: received, payableBytes: payable, countableBytes: countable }
    }
    case 'traffic': {
      // What arrived for programs that have stopped to read counts too when it is all that there is for a second: a film that is
      // paused would use up the seeder's credit with it otherwise, and hold everything else until that ends.
      const isStalled = session.payableBefore === payableBytes
      const countable = isStalled ? Math.max(countableBytes, receivedBytes) : countableBytes
      return { ...session, payableBefore: payableBytes, countableBytes: countable }
    }
    case 'signed':
      // Receipts that are signed while another is being settled wait behind it.
      return { ...session, signedBytes: event.bytes, asked: asked ?? { bytes: event.bytes, receivedBytes } }
    case 'settled': {
      if (asked === undefined || event.bytes < asked.bytes) return session
      // What took longer counts at once, what went faster by and by.
      const lag = Math.max(receivedBytes - asked.receivedBytes, Math.floor((3 * lagBytes) / 4))
      return { ...session, asked: undefined, lagBytes: lag }
    }
  }
}

/**
 * Bytes after which a receipt is due: three quarters of what the seeder leaves open, less what arrives while one is
 * settled (a quarter before that is known) and what has arrived and counts for nothing yet, because no program took it.
 * The last quarter is for what is on its way in the channel. At least an eighth; below 48 MB/s the quarter second of
 * `receiptPace` comes before the twelve megabytes that are the most.
 *
 * @param paidBytes what this consumer had paid this seeder before this session.
 */
export function receiptStep(session: PaidSession, paidBytes: number): number {
  const { receivedBytes, payableBytes, signedBytes, lagBytes } = session
  const window = creditWindow(paidBytes + signedBytes)
  const most = Math.floor((3 * window) / 4)
  const untakenBytes = receivedBytes - payableBytes
  return Math.max(Math.floor(window / 8), most - (lagBytes ?? Math.floor(window / 4)) - untakenBytes)
}
