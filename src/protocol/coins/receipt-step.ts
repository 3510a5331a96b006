/**
 * How often the consumer signs. A seeder holds its data when W is used up, so a receipt has to be settled before; and
 * each costs all three sides CPU, so there should be few. Plain data in, plain data out.
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
