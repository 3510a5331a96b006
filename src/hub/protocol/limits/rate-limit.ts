/** How often something may be done by one key. */
export interface RateLimit {
  /** At once, after a rest. */
  readonly burst: number
  /** For long. */
  readonly perSecond: number
}

/** The window in which a key may do something so many times. It begins with the first time. */
export interface RateWindow {
  readonly points: number
  readonly seconds: number
}

/** Longest time that a timer of Node can take, in seconds. */
const maxSeconds = 2_147_483

/**
 * The window of a rate: the whole burst may come at once, and over many windows it is the rate. At least a second, since
 * Redis is asked for no shorter one.
 */
export function windowOf({ burst, perSecond }: RateLimit): RateWindow {
  const points = Math.max(burst, perSecond)
  return { points, seconds: Math.min(points / perSecond, maxSeconds) }
}
