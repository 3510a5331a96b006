import type { RateLimiter, RateLimiters } from '../../ports/limits.js'
import { type ByOrigin, isLoopback } from '../../protocol/limits/by-origin.js'
import type { RateLimit } from '../../protocol/limits/rate-limit.js'

/**
 * A rate for each address. Addresses of the machine itself have a rate of their own: all peers of a test, a demo, or of a
 * proxy that was not made known come from there. `keyOf` says what an address is counted under.
 */
export function addressRateLimiter(
  limiters: RateLimiters,
  name: string,
  rates: ByOrigin<RateLimit>,
  keyOf: (address: string) => string,
): Pick<RateLimiter, 'take'> {
  const others = limiters(name, rates.others)
  const loopback = limiters(`${name}-loopback`, rates.loopback)
  return { take: address => (isLoopback(address) ? loopback : others).take(keyOf(address)) }
}
