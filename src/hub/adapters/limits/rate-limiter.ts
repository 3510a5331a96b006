import { createHash, randomBytes } from 'node:crypto'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { RateLimiter, RateLimiters, Taken } from '../../ports/limits.js'
import { windowOf } from '../../protocol/limits/rate-limit.js'
import type { RedisClient } from '../redis/redis-client.js'

/** A Redis that does not answer for so long is as good as gone, and is left alone for a while: this process counts for itself. */
const answerTimeoutMs = 500
const restMs = 2_000

/** The part of node-redis's client that is used. */
type LimitsClient = Pick<RedisClient, 'isReady' | 'eval'>

/** Asks a Redis that does not answer only now and then, so that nobody waits for it again and again. */
function impatient(redis: () => LimitsClient | undefined): LimitsClient {
  let restsUntilMs = 0
  return {
    get isReady() {
      return redis()?.isReady === true && performance.now() >= restsUntilMs
    },
    eval: (script, options) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          restsUntilMs = performance.now() + restMs
          reject(new Error('Redis does not answer.'))
        }, answerTimeoutMs)
        const done = (): void => clearTimeout(timer)
        redis()!.eval(script, options).then(resolve, reject).finally(done)
      }),
  }
}

/** Like the library's own, which rounds windows down to whole seconds. The fourth argument is the window as it was given. */
const incrementScript = `
local ms = math.floor(tonumber(ARGV[4]) * 1000)
redis.call('set', KEYS[1], 0, 'PX', ms, 'NX')
return {redis.call('incrby', KEYS[1], ARGV[1]), redis.call('pttl', KEYS[1])}
`

/** Records that a limiter in this process keeps at most, some 200 bytes each. */
const memoryGroups = 65_536

/**
 * Counts keys in groups, so that many of them take bounded memory. Two share one once in 65,536 times, and nobody can choose
 * whom to share with: which group a key belongs to is different in each process.
 */
class BoundedMemory extends RateLimiterMemory {
  readonly #salt = randomBytes(16)

  override getKey(key: string | number): string {
    const digest = createHash('sha256').update(this.#salt).update(String(key)).digest()
    return super.getKey(digest.readUInt32BE() % memoryGroups)
  }
}

function takenOf(result: RateLimiterRes, allowed: boolean): Taken {
  return { allowed, used: result.consumedPoints, resetMs: result.msBeforeNext }
}

/**
 * Makes rate limiters: each of them counts in this process, or, over the client that `redis` returns, for all processes that use
 * the same Redis and `prefix`. While Redis does not answer, each process counts for itself. A process keeps at most 65,536 records for each,
 * until their windows are over.
 */
export function rateLimiters(prefix: string, redis?: () => LimitsClient | undefined): RateLimiters {
  const storeClient = redis && impatient(redis)
  return (name, rate): RateLimiter => {
    const { points, seconds: duration } = windowOf(rate)
    const options = { keyPrefix: `${prefix}:${name}`, points, duration }
    const memory = new BoundedMemory(options)
    const limiter =
      storeClient === undefined
        ? memory
        : new RateLimiterRedis({
            ...options,
            storeClient,
            useRedisPackage: true,
            rejectIfRedisNotReady: true,
            customIncrTtlLuaScript: incrementScript,
            insuranceLimiter: memory,
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
