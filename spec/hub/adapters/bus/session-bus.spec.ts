import { afterAll, beforeAll, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { createClient } from 'redis'
import { asyncScheduler, Observable, switchMap, VirtualTimeScheduler } from 'rxjs'
import { SessionBus } from '../../../../src/hub/adapters/bus/session-bus.js'
import type { RedisClient } from '../../../../src/hub/adapters/redis/redis-client.js'
import type { HubBus } from '../../../../src/hub/ports/bus.js'
import { keepConnected } from '../../../../src/hub/streams/keep-connected.js'
import { type RedisServer, REDIS_REASON, startRedis } from '../../../support/redis.node.js'
import { describeIf, findRedis } from '../../../support/requires.js'
import { describeHubBus, fakeSession } from '../../bus.contract.js'

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Moves virtual time on, and lets promises follow. */
async function pass(scheduler: VirtualTimeScheduler, ms: number): Promise<void> {
  scheduler.schedule(() => undefined, ms)
  scheduler.maxFrames = scheduler.now() + ms
  scheduler.flush()
  await settled()
}

describeHubBus('one process', async () => {
  const bus = new SessionBus('hub', 'process', asyncScheduler, true)
  return [bus, bus]
})

type RealRedis = ReturnType<typeof newClient>

function newClient(url: string) {
  return createClient({ url, RESP: 3 })
}

/** A connection to Redis whose two directions move one message at a time, when they are told to. */
class Line {
  readonly toRedis: (() => Promise<void>)[] = []
  readonly toProcess: (() => Promise<void>)[] = []
  readonly #rejects = new Set<(error: Error) => void>()
  #isCut = false
  #unsubscribe = async (): Promise<void> => undefined

  constructor(
    private readonly redis: RealRedis,
    readonly fail: (error: Error) => void,
  ) {}

  client(): RedisClient {
    const client = {
      isReady: true,
      eval: (script: string, options: object) => this.#call(() => this.redis.eval(script, options)),
      publish: (channel: string, text: string) => this.#call(() => this.redis.publish(channel, text)),
      subscribe: (channel: string, listener: (text: string) => unknown) =>
        this.#call(async () => {
          const receive = (text: string): void => void this.toProcess.push(async () => void listener(text))
          this.#unsubscribe = () => this.redis.unsubscribe(channel, receive)
          await this.redis.subscribe(channel, receive)
        }),
      ping: () => this.#call(() => this.redis.ping()),
    }
    return client as unknown as RedisClient
  }

  async cut(): Promise<void> {
    this.#isCut = true
    for (const reject of this.#rejects) reject(new Error('cut'))
    this.toRedis.length = 0
    this.toProcess.length = 0
    await this.#unsubscribe()
  }

  #call<Answer>(run: () => Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#isCut) return reject(new Error('cut'))
      this.#rejects.add(reject)
      this.toRedis.push(async () => {
        // What it makes Redis send to others is there before the answer to the ping.
        const [answer] = await Promise.all([run(), this.redis.ping()])
        this.toProcess.push(async () => {
          this.#rejects.delete(reject)
          resolve(answer)
        })
      })
    })
  }
}

/** Processes around a Redis, with clocks that are wrong. */
class Cluster {
  readonly scheduler = new VirtualTimeScheduler()
  readonly buses: SessionBus[]
  readonly lines: (Line | undefined)[] = []
  readonly #cuts: Promise<void>[] = []
  readonly #hosts: { unsubscribe(): void }[]

  constructor(
    private readonly redis: RealRedis,
    offsets: readonly number[],
  ) {
    const { scheduler } = this
    clusters += 1
    this.buses = offsets.map((offset, index) => {
      const clock = { now: () => scheduler.now() + offset, schedule: scheduler.schedule.bind(scheduler) }
      return new SessionBus(`hub-${clusters}`, `process-${index}`, clock)
    })
    this.#hosts = this.buses.map((bus, index) =>
      this.#client$(index)
        .pipe(
          switchMap(client => bus.serve$(client)),
          keepConnected(silent, scheduler),
        )
        .subscribe(),
    )
  }

  #client$(index: number): Observable<RedisClient> {
    return new Observable(subscriber => {
      const line = new Line(this.redis, error => subscriber.error(error))
      this.lines[index] = line
      subscriber.next(line.client())
      return () => {
        this.lines[index] = undefined
        this.#cuts.push(line.cut())
      }
    })
  }

  async cut(index: number): Promise<void> {
    this.lines[index]?.fail(new Error('cut'))
    await Promise.all(this.#cuts)
  }

  async step(index: number, direction: 'toRedis' | 'toProcess'): Promise<boolean> {
    const move = this.lines[index]?.[direction].shift()
    if (move === undefined) return false
    await move()
    return true
  }

  /** Until nothing moves and nobody waits. */
  async rest(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      let moved = false
      for (const index of this.lines.keys()) {
        while (await this.step(index, 'toRedis')) moved = true
        while (await this.step(index, 'toProcess')) moved = true
      }
      await settled()
      if (moved) quiet = 0
      else {
        await pass(this.scheduler, 3_000)
        quiet += 1
      }
    }
  }

  async close(): Promise<void> {
    for (const host of this.#hosts) host.unsubscribe()
    await Promise.all(this.#cuts)
  }
}

let clusters = 0

type Move =
  | { readonly type: 'enter' | 'leave' | 'cut' | 'toRedis' | 'toProcess'; readonly index: number }
  | { readonly type: 'pass'; readonly index: number }

const move: fc.Arbitrary<Move> = fc.record({
  type: fc.oneof(
    { weight: 4, arbitrary: fc.constant('enter' as const) },
    { weight: 1, arbitrary: fc.constant('leave' as const) },
    { weight: 1, arbitrary: fc.constant('cut' as const) },
    { weight: 1, arbitrary: fc.constant('pass' as const) },
    { weight: 8, arbitrary: fc.constant('toRedis' as const) },
    { weight: 8, arbitrary: fc.constant('toProcess' as const) },
  ),
  index: fc.nat(2),
})

/** Plays the moves on one key and returns the sessions that stand in the end, with how many began and ended. */
async function play(redis: RealRedis, offsets: readonly number[], moves: readonly Move[]) {
  const cluster = new Cluster(redis, offsets)
  await cluster.rest()
  const sessions: { session: ReturnType<typeof fakeSession>; index: number; left: boolean }[] = []
  for (const { type, index } of moves) {
    const bus = cluster.buses[index] as HubBus
    const standing = sessions.findLast(entry => entry.index === index && !entry.left && entry.session.replaced === 0)
    if (type === 'enter') {
      const session = fakeSession()
      sessions.push({ session, index, left: false })
      void bus.enter('key', session)
    } else if (type === 'leave' && standing !== undefined) {
      standing.left = true
      bus.leave('key', standing.session)
    } else if (type === 'cut') await cluster.cut(index)
    else if (type === 'pass') await pass(cluster.scheduler, 700)
    else if (type !== 'leave') await cluster.step(index, type)
    await settled()
  }
  await cluster.rest()
  const deliveries = cluster.buses.map(bus => bus.deliver('key', 'signal', {}))
  await cluster.rest()
  const outcomes = await Promise.all(deliveries)
  await cluster.close()
  return { sessions, standing: sessions.filter(entry => !entry.left && entry.session.replaced === 0), outcomes }
}

describeIf(findRedis(), REDIS_REASON)('SessionBus', () => {
  let [server, redis]: [RedisServer?, RealRedis?] = []
  beforeAll(async () => {
    server = await startRedis()
    redis = await newClient(server.url).connect()
  })
  afterAll(() => {
    redis?.destroy()
    return server?.remove()
  })

  it('leaves exactly one session of a key, whatever crosses on the way, is cut off, or has a wrong clock', async () => {
    const offsets = fc.tuple(fc.nat(5_000), fc.nat(5_000), fc.nat(5_000))
    await fc.assert(
      fc.asyncProperty(offsets, fc.array(move, { maxLength: 40 }), async (clocks, moves) => {
        const { sessions, standing, outcomes } = await play(redis!, clocks, moves)
        const least = sessions.length > 0 && sessions.every(({ left }) => !left) ? 1 : 0
        expect(standing.length).toBeLessThanOrEqual(1)
        expect(standing.length).toBeGreaterThanOrEqual(least)
        expect(sessions.every(({ session }) => session.replaced <= 1)).toBe(true)
        expect(new Set(outcomes)).toEqual(new Set([standing.length === 1 ? 'delivered' : 'offline']))
      }),
      { numRuns: 5_000 },
    )
  })

  it.each([
    ['an answer to an outage', [0, 0, 0]],
    ['one by a clock that is ahead', [0, 5_000, 0]],
    ['one by a clock that is behind', [5_000, 0, 0]],
  ])('leaves one session where a session that begins crosses a renewal: %s', async (_name, clocks) => {
    const moves: readonly Move[] = [
      { type: 'enter', index: 1 },
      { type: 'enter', index: 0 },
      { type: 'cut', index: 1 },
      { type: 'pass', index: 0 },
      { type: 'pass', index: 0 },
    ]
    const { standing, outcomes } = await play(redis!, clocks, moves)
    expect(standing).toHaveLength(1)
    expect(new Set(outcomes)).toEqual(new Set(['delivered']))
  })

  it('lets the newer session stay, although the clock of the older one is ahead', async () => {
    const enter = (index: number): readonly Move[] => [
      { type: 'enter', index },
      ...Array.from({ length: 4 }, (): readonly Move[] =>
        [0, 1].flatMap((each): Move[] => [
          { type: 'toRedis', index: each },
          { type: 'toProcess', index: each },
        ]),
      ).flat(),
    ]
    const { standing, sessions } = await play(redis!, [500_000, 0], [...enter(0), ...enter(1)])
    expect(standing).toEqual([sessions[1]])
  })

  it.each([
    ['', [500_000, 0], 'nothing'],
    ['', [0, 500_000], 'nothing'],
    [', also when the answer to the newer one is lost', [500_000, 0], 'answer'],
    [', also when Redis has forgotten both', [500_000, 0], 'leases'],
  ])(
    'lets the newer session stay when the process of the older one comes back%s: clocks %j',
    async (_name, clocks, lost) => {
      const cluster = new Cluster(redis!, clocks)
      await cluster.rest()
      const [older, newer] = [fakeSession(), fakeSession()]
      void cluster.buses[0]?.enter('key', older)
      await cluster.rest()
      await cluster.cut(0)
      void cluster.buses[1]?.enter('key', newer)
      await cluster.step(1, 'toRedis')
      if (lost !== 'answer') await cluster.step(1, 'toProcess')
      if (lost === 'leases') await redis!.flushAll()
      if (lost !== 'nothing') await cluster.cut(1)
      // The process of the newer one is back first.
      for (let ms = 0; ms < 1_500; ms += 100) {
        await pass(cluster.scheduler, 100)
        while ((await cluster.step(1, 'toRedis')) || (await cluster.step(1, 'toProcess'))) await settled()
      }
      await cluster.rest()
      expect([older.replaced, newer.replaced]).toEqual([1, 0])
      await cluster.close()
    },
  )

  it('renews a lease long before it ends, and gives it up with the session', async () => {
    const cluster = new Cluster(redis!, [0])
    await cluster.rest()
    const session = fakeSession()
    void cluster.buses[0]?.enter('key', session)
    await cluster.rest()
    const [lease] = await redis!.keys(`lighthouse:*:hub-${clusters}:lease:key`)
    expect(await redis!.pTTL(lease!)).toBeGreaterThan(100_000)
    await redis!.pExpire(lease!, 60_000)
    await pass(cluster.scheduler, 30_000)
    await cluster.rest()
    expect(await redis!.pTTL(lease!)).toBeGreaterThan(100_000)
    cluster.buses[0]?.leave('key', session)
    await cluster.rest()
    expect(await redis!.exists(lease!)).toBe(0)
    await cluster.close()
  })

  it('answers what nobody answers with offline after two seconds, and check with an error', async () => {
    const cluster = new Cluster(redis!, [0, 0])
    await cluster.rest()
    const [here] = cluster.buses as unknown as [HubBus]
    const outcomes: unknown[] = []
    void here.deliver('key', 'signal', {}).then(outcome => outcomes.push(outcome))
    here.check().catch(({ code }) => outcomes.push(code))
    await pass(cluster.scheduler, 1_999)
    expect(outcomes).toEqual([])
    await pass(cluster.scheduler, 1)
    expect(outcomes).toEqual(['offline', 'store-failed'])
    expect(here.state).toEqual({ isConnected: true, pending: 0, congested: 0, timedOut: 1 })
    await cluster.close()
    expect(here.state.isConnected).toBe(false)
  })

  it('answers everything that waits when the connection is lost', async () => {
    const cluster = new Cluster(redis!, [0, 0])
    await cluster.rest()
    const [here, there] = cluster.buses as unknown as [HubBus, HubBus]
    void there.enter('key', fakeSession())
    await cluster.rest()
    const waiting = [here.deliver('key', 'signal', {}), here.isSignedIn('key')]
    await cluster.step(0, 'toRedis')
    await cluster.step(0, 'toProcess')
    await cluster.cut(0)
    expect(await Promise.all(waiting)).toEqual(['offline', false])
    await cluster.close()
  })

  it('holds 10,000 questions and refuses more', async () => {
    const cluster = new Cluster(redis!, [0])
    await cluster.rest()
    const [here] = cluster.buses as unknown as [HubBus]
    const asked = Array.from({ length: 10_001 }, () => here.deliver('key', 'signal', {}))
    expect(await asked.at(-1)).toBe('congested')
    expect(here.state).toMatchObject({ pending: 10_000, congested: 1 })
    await cluster.rest()
    expect(new Set(await Promise.all(asked.slice(0, -1)))).toEqual(new Set(['offline']))
    await cluster.close()
  })
})
