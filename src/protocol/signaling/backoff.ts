/** First wait before the hub is tried again. */
export const firstBackoffMs = 500

/** Longest wait: after a hub's return, or that of a peer's own network, every peer is back within eight seconds. */
export const maxBackoffMs = 4000

/** A hub that somebody waits for is tried this long after the attempt before, and not later. */
export const wantedBackoffMs = 1000

/**
 * How long to wait before the next attempt: doubles with each failure up to the longest, then a random part of it between
 * half and all, so that the peers of a hub that restarts do not come all at once.
 *
 * @param failures attempts that have failed in a row, at least 1
 * @param random a number in [0, 1)
 */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(failures - 1, 16))
  return Math.round(full * (0.5 + random / 2))
}
