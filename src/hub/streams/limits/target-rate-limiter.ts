import type { RateLimiters } from '../../ports/limits.js'
import type { RateLimit } from '../../protocol/limits/rate-limit.js'

/** Offers of one key to one target that are its due: a click and what may go wrong with it. */
const due: RateLimit = { burst: 6, perSecond: 0.1 }

/** A rate limit on the offers that one key gets, from all others. */
export interface TargetRateLimiter {
  /** Whether the target gets this offer. */
  take(from: string, to: string): Promise<boolean>
}

/**
 * Each key has a few offers to a target that are its due; for more than that there is the first half of what the target
 * takes. So those who flood somebody use up what is theirs, and others find the rest.
 */
export function targetRateLimiter(limiters: RateLimiters, rate: RateLimit): TargetRateLimiter {
  const dues = limiters('offers-due', due)
  const targets = limiters('offers-by-target', rate)
  return {
    async take(from, to) {
      const isDue = (await dues.take(`${from} ${to}`)).allowed
      const { allowed, used } = await targets.take(to)
      if (!allowed || isDue || used <= rate.burst / 2) return allowed
      await targets.giveBack(to)
      return false
    },
  }
}
