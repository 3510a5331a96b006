import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { firstValueFrom, ReplaySubject, VirtualTimeScheduler } from 'rxjs'
import { redisConnection$ } from '../../../../src/hub/adapters/bus/redis-connection.js'
import type { BusConnection, BusMessage } from '../../../../src/hub/ports/bus.js'
import { type RedisServer, REDIS_REASON, startRedis } from '../../../support/redis.node.js'
import { describeIf, findRedis } from '../../../support/requires.js'
import { cleanup } from '../../support.js'

/** Something that takes connections and says nothing, or what it is told to say. */
async function server(onSocket: (socket: Socket) => void): Promise<{ readonly url: string }> {
  const sockets: Socket[] = []
  const tcp = createServer(socket => {
    socket.on('error', () => undefined)
    sockets.push(socket)
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  cleanup(() => {
    tcp.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(tcp, 'listening')
  const { port } = tcp.address() as AddressInfo
  return { url: `redis://127.0.0.1:${port}` }
}

function errorOf(url: string, scheduler?: VirtualTimeScheduler): Promise<unknown> {
  return firstValueFrom(redisConnection$(url, scheduler)).then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('redisConnection$ without Redis', () => {
  it('errors when nobody listens', async () => {
    // Nothing listens there unless somebody with privileges wants it to.
    expect(await errorOf('redis://127.0.0.1:1')).toMatchObject({
      code: 'store-failed',
      message: expect.stringMatching(/^Redis: /),
    })
  })

  it('errors when who listens hangs up, or is no Redis', async () => {
    const closing = await server(socket => socket.destroy())
    expect(await errorOf(closing.url)).toMatchObject({ code: 'store-failed' })
    const other = await server(socket => socket.end('-ERR unknown command\r\n'))
    expect(await errorOf(other.url)).toMatchObject({ code: 'store-failed' })
  })

  it('errors after four seconds when who listens says nothing, and hangs up', async () => {
    const scheduler = new VirtualTimeScheduler()
    let [accepted, hungUp]: (() => void)[] = []
    const accepting = new Promise<void>(resolve => (accepted = resolve))
    const closing = new Promise<void>(resolve => (hungUp = resolve))
    const { url } = await server(socket => {
      socket.resume().once('close', () => hungUp?.())
      accepted?.()
    })
    const error = errorOf(url, scheduler)
    await accepting
    scheduler.flush()
    expect(await error).toMatchObject({ code: 'store-failed', message: expect.stringContaining('does not answer') })
    expect(scheduler.now()).toBe(4_000)
    await closing
  })

  it('lets go of an attempt that is unsubscribed', async () => {
    let hungUp: (() => void) | undefined
    const closing = new Promise<void>(resolve => (hungUp = resolve))
    const subscription = { current: () => undefined as void }
    const { url } = await server(socket => {
      socket.resume().once('close', () => hungUp?.())
      subscription.current()
    })
    const errors: unknown[] = []
    const attempt = redisConnection$(url).subscribe({ error: error => errors.push(error) })
    subscription.current = () => attempt.unsubscribe()
    await closing
    expect(errors).toEqual([])
  })
})

describeIf(findRedis(), REDIS_REASON)('redisConnection$', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.remove())

  async function connect(scheduler?: VirtualTimeScheduler) {
    const connection$ = new ReplaySubject<BusConnection>(1)
    const subscription = redisConnection$(redis.url, scheduler).subscribe(connection$)
    cleanup(() => subscription.unsubscribe())
    const ended = new Promise<unknown>(resolve => connection$.subscribe({ error: resolve }))
    return { connection: await firstValueFrom(connection$), subscription, ended }
  }

  it('carries messages to who subscribed, in their order, and counts who heard', async () => {
    const [one, two] = [await connect(), await connect()]
    const heard: BusMessage[] = []
    two.connection.message$.subscribe(message => heard.push(message))
    await two.connection.subscribe(['a', 'b'])
    const counts = ['a', 'b', 'c', 'a'].map((channel, n) => one.connection.publish(channel, `${n} ü`))
    expect(await Promise.all(counts)).toEqual([1, 1, 0, 1])
    await two.connection.unsubscribe('a')
    expect([await one.connection.publish('a', ''), await one.connection.publish('b', '')]).toEqual([0, 1])
    await two.connection.check()
    expect(heard).toEqual([
      { channel: 'a', text: '0 ü' },
      { channel: 'b', text: '1 ü' },
      { channel: 'a', text: '3 ü' },
      { channel: 'b', text: '' },
    ])
  })

  it('errors when Redis is killed, with every call that waits', async () => {
    const { connection, ended } = await connect()
    await redis.kill()
    expect(await ended).toMatchObject({ code: 'store-failed' })
    await expect(connection.publish('a', '')).rejects.toThrow()
    await expect(connection.subscribe(['a'])).rejects.toThrow()
    await expect(connection.check()).rejects.toThrow()
    await redis.start()
  })

  it('errors when Redis leaves a ping open for four seconds', async () => {
    const scheduler = new VirtualTimeScheduler()
    const { ended } = await connect(scheduler)
    redis.freeze()
    scheduler.flush()
    expect(await ended).toMatchObject({ code: 'store-failed' })
    expect(scheduler.now()).toBe(6_000)
    redis.thaw()
  })
})
