/**
 * The receive window of version 2: how many bytes the sender may have written that our reader has not consumed.
 * It bounds memory behind a paused reader, so it is as small as the path allows.
 */

/** Window of every stream until its first UPD says otherwise (fixed by the protocol). */
export const initialWindowBytes = 262_144

/** Largest window of one stream: 100 MB/s at 40 ms. */
export const maxWindowBytes = 4 * 1024 * 1024

/** What all streams of a connection may have above their initial windows. */
export const windowBudgetBytes = 12 * 1024 * 1024

/**
 * Time a stream may be ahead of its reader besides the round trip, which covers event loops that are late. Each
 * millisecond of it is a millisecond that a small request may have to wait behind this stream in the channel.
 */
export const windowSlackMs = 20

/**
 * The window to announce after `consumedBytes` were consumed within `elapsedMs`: twice the measured rate × round trip
 * (the update is sent at half the window), plus the slack. At most doubles and at most halves from one update to the
 * next, and keeps within `[initial, initial + spare]`.
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
  const wanted = Math.ceil(rate * (2 * roundTripMs + windowSlackMs))
  const stepped = Math.min(Math.max(wanted, windowBytes / 2), windowBytes * 2)
  const most = Math.min(maxWindowBytes, initialWindowBytes + Math.max(0, spareBytes))
  return Math.floor(Math.min(Math.max(stepped, initialWindowBytes), most))
}

/** What a window has above the initial one: it counts against the connection's budget. */
export function extraWindowOf(windowBytes: number): number {
  return Math.max(0, windowBytes - initialWindowBytes)
}
