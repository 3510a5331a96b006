/**
 * The receive window of version 2: how many bytes the sender may have written that our reader has not consumed.
 * It bounds memory behind a paused reader, so it is as small as the path allows.
 */

/** Window of every stream until its first UPD (fixed by the protocol). */
export const initialWindowBytes = 262_144

/** Largest window of one stream: 100 MB/s at 40 ms. */
export const maxWindowBytes = 4 * 1024 * 1024

/** What all streams of a connection may have above their initial windows. */
export const windowBudgetBytes = 12 * 1024 * 1024

/**
 * Time a stream may be ahead of its reader besides the round trip, which covers event loops that are late. Each
 * millisecond of it is a millisecond or two that a small request may have to wait behind this stream in the channel:
 * with 20 the median beside a download was 25 ms, with 6 it is 11, at the same rate (docs/PERFORMANCE.md).
 */
export const windowSlackMs = 6

/**
 * On a long path, the round trips for which a stream may be ahead. Two would do for a channel at its full rate, since the
 * update is sent at half the window; but SCTP that was kept waiting starts slowly, half a window then takes two round
 * trips, and with four or less the measured rate would never ask for more than there is.
 */
const aheadRoundTrips = 5

/**
 * The window to announce after `consumedBytes` were consumed within `elapsedMs`: the measured rate × the larger of two
 * round trips and the slack, or five round trips. At most doubles and at most loses an eighth from one update to the next
 * (a burst is followed by a gap, which is no slower path), and keeps within `[initial, initial + spare]`.
 */
export function nextWindow(options: {
  readonly windowBytes: number
  readonly consumedBytes: number
  readonly elapsedMs: number
  readonly roundTripMs: number
  readonly spareBytes: number
}): number {
  const { windowBytes, consumedBytes, elapsedMs, roundTripMs, spareBytes } = options
  const rate = consumedBytes / Math.max(elapsedMs, 1)
  const wanted = Math.ceil(rate * Math.max(2 * roundTripMs + windowSlackMs, aheadRoundTrips * roundTripMs))
  const stepped = Math.min(Math.max(wanted, windowBytes * (7 / 8)), windowBytes * 2)
  const most = Math.min(maxWindowBytes, initialWindowBytes + Math.max(0, spareBytes))
  return Math.floor(Math.min(Math.max(stepped, initialWindowBytes), most))
}

/** What a window has above the initial one: it counts against the connection's budget. */
export function extraWindowOf(windowBytes: number): number {
  return Math.max(0, windowBytes - initialWindowBytes)
}
