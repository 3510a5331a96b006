/**
 * The consumer's side of one session: what it has counted and signed, and when the next receipt is due. A seeder holds its data
 * when its credit window W is used up, so a receipt has to be settled before; and each costs all three sides CPU, so there should
 * be few.
 *
 *     |<------------------------- W ------------------------->|
 *     | step: unsigned    | untaken | under way | a quarter    |
 */
import { creditWindow } from './credit.js'

/** What arrives while a receipt is brought to the hub and settled, as far as one session has seen. Bytes. */
export interface SettlingLag {
  /** A receipt that is being settled, and how much had been received when it was signed. */
  readonly asked?: { readonly bytes: number; readonly receivedBytes: number } | undefined
  /** What arrived meanwhile, of late. Undefined before the first settlement. */
  readonly bytes: number | undefined
}

/** Before anything is known. */
export const unknownLag: SettlingLag = { bytes: undefined }

/** A receipt for so much was signed. While another is being settled it changes nothing. */
export function receiptAsked(lag: SettlingLag, bytes: number, receivedBytes: number): SettlingLag {
  return lag.asked === undefined ? { ...lag, asked: { bytes, receivedBytes } } : lag
}

/** So much of the session is settled. What took longer counts at once, what went faster by and by. */
export function receiptSettled(lag: SettlingLag, settledBytes: number, receivedBytes: number): SettlingLag {
  const { asked, bytes = 0 } = lag
  if (asked === undefined || settledBytes < asked.bytes) return lag
  return { bytes: Math.max(receivedBytes - asked.receivedBytes, Math.floor((3 * bytes) / 4)) }
}

/**
 * Bytes after which a receipt is due: three quarters of what the seeder leaves open, less what arrives while one is
 * settled (a quarter before that is known) and what has arrived and counts for nothing yet, because no program took it.
 * The last quarter is for what is on its way in the channel. At least an eighth; below 48 MB/s the quarter second of
 * `receiptPace` comes before the twelve megabytes that are the most.
 *
 * @param paidBytes what this consumer has paid this seeder.
 */
export function receiptStep(paidBytes: number, { bytes }: SettlingLag = unknownLag, untakenBytes = 0): number {
  const window = creditWindow(paidBytes)
  const most = Math.floor((3 * window) / 4)
  return Math.max(Math.floor(window / 8), most - (bytes ?? Math.floor(window / 4)) - untakenBytes)
}

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
