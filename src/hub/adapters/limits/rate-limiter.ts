import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes, RLWrapperTimeouts } from 'rate-limiter-flexible'
import type { RateLimiter, RateLimiters, Taken } from '../../ports.js'
import { windowOf } from '../../protocol/limits/rate-limit.js'

/** A Redis that does not answer for so long is as good as gone: until it answers again this process counts for itself. */
const answerTimeoutMs = 500

/** Like the library's own, which rounds windows down to whole seconds. The fourth argument is the window as it was given. */
const incrementScript = `
local ms = math.floor(tonumber(ARGV[4]) * 1000)
redis.call('set', KEYS[1], 0, 'PX', ms, 'NX')
return {redis.call('incrby', KEYS[1], ARGV[1]), redis.call('pttl', KEYS[1])}
`

function takenOf(result: RateLimiterRes, allowed: boolean): Taken {
  return { allowed, used: result.consumedPoints, left: result.remainingPoints, resetMs: result.msBeforeNext }
}

/**
 * Makes rate limiters: each of them counts in this process, or, with a client of Redis, for all processes that use the same
 * Redis and `prefix`. While Redis does not answer, each process counts for itself.
 */
export function rateLimiters(prefix: string, redis?: object): RateLimiters {
  return (name, rate): RateLimiter => {
    const { points, seconds: duration } = windowOf(rate)
    const options = { keyPrefix: `${prefix}:${name}`, points, duration }
    const memory = new RateLimiterMemory(options)
    const limiter =
      redis === undefined
        ? memory
        : new RLWrapperTimeouts({
            ...options,
            timeoutMs: answerTimeoutMs,
            limiter: new RateLimiterRedis({
              ...options,
              storeClient: redis,
              useRedisPackage: true,
              rejectIfRedisNotReady: true,
              customIncrTtlLuaScript: incrementScript,
              insuranceLimiter: memory,
            }),
          })
    return {
      async take(key) {
        try {
          return takenOf(await limiter.consume(key), true)
        } catch (refused) {
          if (refused instanceof RateLimiterRes) return takenOf(refused, false)
          throw refused
        }
      },
      async giveBack(key) {
        await limiter.reward(key)
      },
    }
  }
}
