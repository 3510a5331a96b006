import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { retry, type Subscription } from 'rxjs'
import { addressKey } from '../../../../src/hub/adapters/limits/address-key.js'
import { rateLimiters } from '../../../../src/hub/adapters/limits/rate-limiter.js'
import { type RedisClient, redisClient$ } from '../../../../src/hub/adapters/redis/redis-client.js'
import type { RateLimiter } from '../../../../src/hub/ports/limits.js'
import { targetRateLimiter } from '../../../../src/hub/streams/limits/target-rate-limiter.js'
import { findRedis } from '../../../support/programs.node.js'
import { type RedisServer, REDIS_REASON, startRedis } from '../../../support/redis.node.js'
import { describeIf } from '../../../support/requires.js'

async function taken(limiter: RateLimiter, key: string, times: number): Promise<boolean[]> {
  const all: boolean[] = []
  for (let count = 0; count < times; count += 1) all.push((await limiter.take(key)).allowed)
  return all
}

describe('a rate limiter in one process', () => {
  afterEach(() => void jest.useRealTimers())

  it('allows a burst, and again when the window is over, for each key by itself', async () => {
    jest.useFakeTimers()
    const limiter = rateLimiters('spec')('x', { burst: 3, perSecond: 2 })
    expect(await taken(limiter, 'a', 4)).toEqual([true, true, true, false])
    expect(await taken(limiter, 'b', 1)).toEqual([true])
    jest.advanceTimersByTime(1_499)
    expect(await limiter.take('a')).toMatchObject({ allowed: false, resetMs: 1 })
    jest.advanceTimersByTime(1)
    expect(await taken(limiter, 'a', 4)).toEqual([true, true, true, false])
  })

  it('allows no more for long than its rate, whatever the burst', async () => {
    jest.useFakeTimers()
    const limiter = rateLimiters('spec')('x', { burst: 1, perSecond: 4 })
    let allowed = 0
    for (let ms = 0; ms < 60_000; ms += 50) {
      if ((await limiter.take('a')).allowed) allowed += 1
      jest.advanceTimersByTime(50)
    }
    expect(allowed).toBe(240)
  })

  it('takes back what was not done, and keeps nothing of a key after its window', async () => {
    jest.useFakeTimers()
    const limiter = rateLimiters('spec')('x', { burst: 1, perSecond: 1 })
    expect(await taken(limiter, 'a', 1)).toEqual([true])
    await limiter.giveBack('a')
    expect(await taken(limiter, 'a', 2)).toEqual([true, false])
    jest.advanceTimersByTime(1_000)
    expect(jest.getTimerCount()).toBe(0)
  })

  it('keeps no more than its records, however many keys there are', async () => {
    jest.useFakeTimers()
    const limiter = rateLimiters('spec')('x', { burst: 100, perSecond: 1 })
    // A timer each. Of so many keys all but one in 20 records have one.
    for (let key = 0; key < 200_000; key += 1) await limiter.take(`key ${key}`)
    expect(jest.getTimerCount()).toBeLessThanOrEqual(65_536)
    expect(jest.getTimerCount()).toBeGreaterThan(60_000)
  })
})

describe('targetRateLimiter', () => {
  afterEach(() => void jest.useRealTimers())
  const limits = () => targetRateLimiter(rateLimiters('spec'), { burst: 120, perSecond: 4 })

  it('lets floods of several keys use up half and what is their due, and leaves the rest to others', async () => {
    const { take } = limits()
    let passed = 0
    for (let round = 0; round < 200; round += 1)
      for (const from of ['a', 'b', 'c', 'd', 'e', 'f']) if (await take(from, 'victim')) passed += 1
    expect(passed).toBe(60)
    for (let key = 0; key < 10; key += 1)
      for (let count = 0; count < 6; count += 1) expect(await take(`honest${key}`, 'victim')).toBe(true)
    expect(await take('late', 'victim')).toBe(false)
    // Who is not flooded has all of its own.
    expect(await take('a', 'other')).toBe(true)
  })

  it('serves honest keys for long beside floods that never end', async () => {
    jest.useFakeTimers()
    const { take } = limits()
    let refused = 0
    for (let second = 0; second < 600; second += 1) {
      for (const from of ['a', 'b', 'c', 'd', 'e', 'f']) for (let n = 0; n < 10; n += 1) await take(from, 'victim')
      // A click of somebody else every two seconds.
      if (second % 2 === 0 && !(await take(`honest${second}`, 'victim'))) refused += 1
      jest.advanceTimersByTime(1_000)
    }
    expect(refused).toBe(0)
  })

  it('lets one key alone use half', async () => {
    const { take } = limits()
    let passed = 0
    while (await take('a', 'b')) passed += 1
    expect(passed).toBe(60)
  })
})

describe('addressKey', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:1::1', '20010db8000000/56'],
    ['2001:DB8:0:00fF::9', '20010db8000000/56'],
    ['2001:db8:0:100::1', '20010db8000001/56'],
    ['', ''],
    ['nonsense', 'nonsense'],
  ])('of %j is %j', (address, key) => {
    expect(addressKey(address)).toBe(key)
  })
})

describeIf(findRedis(), REDIS_REASON)('rate limiters on one Redis', () => {
  let redis: RedisServer
  const held: Subscription[] = []
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => {
    for (const subscription of held) subscription.unsubscribe()
    return redis.remove()
  })

  function processOn(url: string, prefix: string): RateLimiter {
    let client: RedisClient | undefined
    held.push(
      redisClient$(url)
        .pipe(retry({ delay: 100 }))
        .subscribe(connected => {
          client = connected
        }),
    )
    return rateLimiters(prefix, () => client)('x', { burst: 40, perSecond: 1 })
  }

  /** Until it counts in Redis: what it counted by itself before does not show there. */
  async function joined(one: RateLimiter, other: RateLimiter, key: string): Promise<void> {
    while ((await one.take(key)).used + 1 !== (await other.take(key)).used) await new Promise(setImmediate)
  }

  it('count together over processes, go on alone without it, and find each other again', async () => {
    const [one, other] = [processOn(redis.url, 'spec'), processOn(redis.url, 'spec')]
    await joined(one, other, 'before')
    const both = [...(await taken(one, 'a', 25)), ...(await taken(other, 'a', 25))]
    expect(both.filter(allowed => allowed)).toHaveLength(40)
    expect((await one.take('a')).resetMs).toBeLessThanOrEqual(40_000)
    expect(await taken(processOn(redis.url, 'others'), 'a', 1)).toEqual([true])
    redis.freeze()
    expect(await taken(one, 'a', 1)).toEqual([true])
    // To wait for it each time would take longer than this spec may.
    for (let rest = 0; rest < 10; rest += 1)
      expect(await taken(one, `frozen${rest}`, 10)).toEqual(Array<boolean>(10).fill(true))
    redis.thaw()
    await redis.kill()
    expect(await taken(one, 'b', 41)).toEqual([...Array<boolean>(40).fill(true), false])
    expect(await taken(other, 'b', 1)).toEqual([true])
    await redis.start()
    await joined(one, other, 'after')
  }, 20_000)
})
