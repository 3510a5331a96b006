import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createClient } from 'redis'
import { firstValueFrom, ReplaySubject } from 'rxjs'
import type { HubBus } from '../../../../src/hub/ports/bus.js'
import { type RedisServer, REDIS_REASON, startRedis } from '../../../support/redis.node.js'
import { describeIf, findRedis } from '../../../support/requires.js'
import { describeHubBus, fakeSession, newKey } from '../../bus.contract.js'
import { redisBus$ } from '../../redis-bus.js'
import { cleanup } from '../../support.js'

let processes = 0

async function start(url: string, hubKey: string): Promise<{ readonly bus: HubBus; close(): void }> {
  processes += 1
  const bus$ = new ReplaySubject<HubBus>(1)
  const subscription = redisBus$(url, hubKey, `process-${processes}`).subscribe(bus$)
  cleanup(() => subscription.unsubscribe())
  return { bus: await firstValueFrom(bus$), close: () => subscription.unsubscribe() }
}

async function openBus(url: string, hubKey: string): Promise<HubBus> {
  return (await start(url, hubKey)).bus
}

/** Asks until the answer is this one; each question is a round trip, or its time-out. */
async function until<Answer>(expected: Answer, ask: () => Promise<Answer>): Promise<void> {
  while ((await ask()) !== expected) await new Promise(resolve => setImmediate(resolve))
}

const isWell = (bus: HubBus) => () =>
  bus.check().then(
    () => true,
    () => false,
  )

describeIf(findRedis(), REDIS_REASON)('the bus over Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.remove())

  async function open(): Promise<readonly [HubBus, HubBus]> {
    const hubKey = newKey()
    return [await openBus(redis.url, hubKey), await openBus(redis.url, hubKey)]
  }

  describeHubBus('Redis', open)

  it('keeps communities on one Redis apart', async () => {
    const [mine, other] = [await openBus(redis.url, newKey()), await openBus(redis.url, newKey())]
    const [key, session, namesake] = [newKey(), fakeSession(), fakeSession()]
    await mine.enter(key, session)
    expect([await other.deliver(key, 'signal', {}), await other.isSignedIn(key)]).toEqual(['offline', false])
    await other.enter(key, namesake)
    expect(await mine.deliver(key, 'signal', {})).toBe('delivered')
    expect([session.replaced, session.got.length, namesake.got.length]).toEqual([0, 1, 0])
  })

  it('takes no harm from what others publish on its channels', async () => {
    const hubKey = newKey()
    const here = await openBus(redis.url, hubKey)
    const [key, session] = [newKey(), fakeSession()]
    await here.enter(key, session)
    const stranger = createClient({ url: redis.url })
    await stranger.connect()
    const question = { process: 'x', id: 1, pubKey: key }
    const broken = ['', '{', 'null', '[]', '{"pubKey":7,"id":1}', JSON.stringify({ ...question, process: undefined })]
    const strange = [
      { ...question, id: 'x' },
      { ...question, send: { event: 'signal', body: 7 } },
      { ...question, send: { event: 'authenticated', body: {} } },
      { ...question, replaced: 'another session' },
      { ...question, replaced: 7 },
      { id: 1, outcome: 'delivered' },
      { id: 1, outcome: 'strange' },
    ]
    const [channel] = await stranger.pubSubChannels(`lighthouse:2:${hubKey}:process:*`)
    for (const text of [...broken, ...strange.map(message => JSON.stringify(message))]) {
      expect(await stranger.publish(channel as string, text)).toBe(1)
    }
    stranger.destroy()
    const there = await openBus(redis.url, hubKey)
    expect(await there.deliver(key, 'signal', { n: 1 })).toBe('delivered')
    expect([session.got, session.replaced]).toEqual([[['signal', { n: 1 }]], 0])
  })

  it('lets go of the sessions of a bus that is closed, and of its connection', async () => {
    const hubKey = newKey()
    const [{ bus: here, close }, there] = [await start(redis.url, hubKey), await openBus(redis.url, hubKey)]
    const key = newKey()
    await here.enter(key, fakeSession())
    close()
    await until('offline', () => there.deliver(key, 'signal', {}))
    expect(await here.deliver(newKey(), 'signal', {})).toBe('offline')
    await expect(here.check()).rejects.toMatchObject({ code: 'store-failed' })
  })

  describe('with another process', () => {
    const program = fileURLToPath(new URL('../../bus.process.js', import.meta.url))
    let child: ChildProcess | undefined
    afterEach(() => void child?.kill('SIGKILL'))

    async function startProcess(hubKey: string, key: string): Promise<ChildProcess> {
      child = fork(program, [redis.url, hubKey, key], { execArgv: [] })
      expect(await once(child, 'message')).toEqual(['ready', undefined])
      return child
    }

    it('knows at once that a process was killed, and its peers come back elsewhere', async () => {
      const [hubKey, key] = [newKey(), newKey()]
      const here = await openBus(redis.url, hubKey)
      const { pid } = await startProcess(hubKey, key)
      expect([await here.isSignedIn(key), await here.deliver(key, 'signal', {})]).toEqual([true, 'delivered'])
      const exited = once(child as ChildProcess, 'exit')
      process.kill(pid as number, 'SIGKILL')
      await exited
      await until(false, () => here.isSignedIn(key))
      expect(await here.deliver(key, 'signal', {})).toBe('offline')
      await here.enter(key, fakeSession())
      expect(await here.deliver(key, 'signal', {})).toBe('delivered')
    })

    it('takes a process that stands still for offline', async () => {
      const [hubKey, key] = [newKey(), newKey()]
      const here = await openBus(redis.url, hubKey)
      const { pid } = await startProcess(hubKey, key)
      process.kill(pid as number, 'SIGSTOP')
      const asked = [here.deliver(key, 'signal', {}), here.isSignedIn(key)]
      expect(await Promise.all(asked)).toEqual(['offline', false])
      // It hears of its successor when it goes on.
      await here.enter(key, fakeSession())
      const told = once(child as ChildProcess, 'message')
      process.kill(pid as number, 'SIGCONT')
      expect(await told).toEqual(['replaced', undefined])
      expect(await here.deliver(key, 'signal', {})).toBe('delivered')
    })
  })

  it('serves its own peers while Redis is away, says so, and announces them when it is back', async () => {
    const [here, there] = await open()
    const [alice, bob] = [newKey(), newKey()]
    const [atHere, atThere] = [fakeSession(), fakeSession()]
    await here.enter(alice, atHere)
    await there.enter(bob, atThere)
    await redis.kill()
    await until(false, isWell(here))
    await until(false, isWell(there))
    await expect(here.check()).rejects.toMatchObject({ code: 'store-failed', message: expect.stringMatching(/Redis/) })
    expect([await here.deliver(bob, 'signal', {}), await here.isSignedIn(bob)]).toEqual(['offline', false])
    expect([await here.deliver(alice, 'signal', {}), await here.isSignedIn(alice)]).toEqual(['delivered', true])

    // Of two sessions that began meanwhile and know nothing of each other the newer stays.
    const [carol, older, newer] = [newKey(), fakeSession(), fakeSession()]
    await there.enter(carol, older)
    const now = Date.now()
    await until(true, async () => Date.now() > now)
    await here.enter(carol, newer)
    const left = fakeSession()
    await here.enter(newKey(), left)
    await redis.start()
    await until('delivered', () => here.deliver(bob, 'signal', {}))
    await until('delivered', () => there.deliver(alice, 'signal', {}))
    await until(1, async () => older.replaced)
    expect([await there.deliver(carol, 'signal', {}), newer.got.length, newer.replaced]).toEqual(['delivered', 1, 0])
    expect([atHere.replaced, atThere.replaced, left.replaced]).toEqual([0, 0, 0])
    await Promise.all([here.check(), there.check()])
  })

  it('does not wait for a Redis that stands still', async () => {
    const [here, there] = await open()
    const [alice, bob, late] = [newKey(), newKey(), newKey()]
    await here.enter(alice, fakeSession())
    await there.enter(bob, fakeSession())
    redis.freeze()
    const outcomes = Promise.all([here.deliver(bob, 'signal', {}), here.isSignedIn(bob), isWell(here)()])
    const entered = here.enter(late, fakeSession())
    expect(await here.deliver(alice, 'signal', {})).toBe('delivered')
    expect(await outcomes).toEqual(['offline', false, false])
    await entered
    expect(await here.deliver(late, 'signal', {})).toBe('delivered')
    redis.thaw()
    await until('delivered', () => here.deliver(bob, 'signal', {}))
    await until('delivered', () => there.deliver(late, 'signal', {}))
  })

  it('holds a bounded amount for a Redis that stands still, and refuses more', async () => {
    const [here] = await open()
    redis.freeze()
    const body = { sdp: 'A'.repeat(65_000) }
    const outcomes = await Promise.all(Array.from({ length: 400 }, () => here.deliver(newKey(), 'signal', body)))
    redis.thaw()
    const held = outcomes.filter(outcome => outcome === 'offline').length
    expect([held > 200, held <= 258]).toEqual([true, true])
    expect(outcomes.slice(held)).toEqual(outcomes.slice(held).map(() => 'congested'))
    await until(true, isWell(here))
    await until('offline', () => here.deliver(newKey(), 'signal', body))
  })
})
