import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { firstValueFrom, ReplaySubject, VirtualTimeScheduler } from 'rxjs'
import { type RedisClient, redisClient$ } from '../../../../src/hub/adapters/redis/redis-client.js'
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
  return firstValueFrom(redisClient$(url, scheduler)).then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('redisClient$ without Redis', () => {
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
    const attempt = redisClient$(url).subscribe({ error: error => errors.push(error) })
    subscription.current = () => attempt.unsubscribe()
    await closing
    expect(errors).toEqual([])
  })
})

describeIf(findRedis(), REDIS_REASON)('redisClient$', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.remove())

  async function connect(scheduler?: VirtualTimeScheduler) {
    const client$ = new ReplaySubject<RedisClient>(1)
    const subscription = redisClient$(redis.url, scheduler).subscribe(client$)
    cleanup(() => subscription.unsubscribe())
    const ended = new Promise<unknown>(resolve => client$.subscribe({ error: resolve }))
    return { client: await firstValueFrom(client$), subscription, ended }
  }

  it('carries messages and answers in the order of what was asked', async () => {
    const [one, two] = [await connect(), await connect()]
    const received: string[] = []
    await two.client.subscribe('a', text => received.push(text))
    const counts = ['a', 'b', 'a'].map((channel, n) => one.client.publish(channel, `${n} ü`))
    expect(await Promise.all(counts)).toEqual([1, 0, 1])
    await two.client.ping()
    expect(received).toEqual(['0 ü', '2 ü'])
  })

  it('errors when Redis is killed, with every call that waits', async () => {
    const { client, ended } = await connect()
    await redis.kill()
    expect(await ended).toMatchObject({ code: 'store-failed' })
    await expect(client.publish('a', '')).rejects.toThrow()
    await expect(client.ping()).rejects.toThrow()
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
