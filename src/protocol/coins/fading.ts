/**
 * How a debt fades: by a megabyte a day, and by a sixty-fourth of what its key pays meanwhile. What a connection lost as it
 * broke nobody can sign for, and an honest key on a bad line would come to the end of its credit window with it. What a cheat
 * gets beyond that window is a megabyte a day, and a sixty-fourth of what it pays.
 */
import { bytesPerCoin } from './amount.js'

const dayMs = 86_400_000

/** What of a debt fades each full day. */
export const fadeBytesADay = bytesPerCoin

/** What a key pays fades its debt by a sixty-fourth: a quarter of what its credit window grows by meanwhile. */
const fadeShare = 64

/**
 * What one look lets fade at most: a clock that jumps ahead, however far, forgives no more than that each time. Nearly twice the
 * largest credit window.
 */
export const maxFadeDays = 30

/** A debt, and since when it has not faded. */
export interface Fading {
  readonly bytes: number
  /** Wall clock in milliseconds. The next day is over one day later. */
  readonly sinceMs: number
}

/**
 * What is left of a debt by now. Full days only; where there is no debt, or the clock went back, days are counted from now on, so
 * that nobody saves them up.
 */
export function fadeByTime({ bytes, sinceMs }: Fading, nowMs: number): Fading {
  if (bytes === 0 || nowMs < sinceMs) return { bytes, sinceMs: nowMs }
  const days = Math.floor((nowMs - sinceMs) / dayMs)
  if (days > maxFadeDays) return { bytes: Math.max(0, bytes - maxFadeDays * fadeBytesADay), sinceMs: nowMs }
  return { bytes: Math.max(0, bytes - days * fadeBytesADay), sinceMs: sinceMs + days * dayMs }
}

/** What is left of a debt when its key has paid so much more. */
export function fadeByPayment(debtBytes: number, paidBytes: number): number {
  return Math.max(0, debtBytes - Math.floor(paidBytes / fadeShare))
}
