import { describe, expect, it, jest } from '@jest/globals'
import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { once } from 'node:events'
import { firstValueFrom, toArray, take } from 'rxjs'
import { createHub$, createInvites$, type Hub, type HubOptions } from '../../src/hub/app.js'
import { cleanup, next, postRegistration, newAccount, register, registration, signIn, startHub } from './support.js'

describe('a hub', () => {
  it('starts nothing before it is subscribed to, and a whole hub with each subscription', async () => {
    const hub$ = createHub$({ port: 0, database: ':memory:' })
    const subscriptions = [hub$.pipe(take(1), toArray()), hub$.pipe(take(1), toArray())].map(each =>
      firstValueFrom(each),
    )
    const [[one], [two]] = (await Promise.all(subscriptions)) as unknown as [[Hub], [Hub]]
    expect(one.hubKey).not.toBe(two.hubKey)
  })

  it('frees its port at once when unsubscribed, whoever is connected', async () => {
    const first = await startHub()
    const alice = await register(first, 'alice')
    const [websocket, polling] = [
      await signIn(first, alice),
      await signIn(first, await register(first, 'bob'), ['polling']),
    ]
    const gone = Promise.all([next(websocket.socket, 'disconnect'), next(polling.socket, 'disconnect')])
    first.subscription.unsubscribe()
    const second = await startHub({ port: first.port })
    expect(second.port).toBe(first.port)
    await gone
  })

  it('cuts requests that are under way when it is unsubscribed', async () => {
    const hub = await startHub()
    const socket = connect(hub.port, '127.0.0.1')
    cleanup(() => socket.destroy())
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    const head = ['POST /v1/register HTTP/1.1', 'host: x', 'expect: 100-continue', 'content-type: application/json']
    socket.write([...head, 'content-length: 9', '', ''].join('\r\n'))
    await once(socket, 'data')
    const gone = once(socket, 'close')
    hub.subscription.unsubscribe()
    expect(await gone).toBeDefined()
  })

  it('stops while it is still starting', () => {
    const seen = jest.fn()
    createHub$({ port: 0, database: ':memory:' }).subscribe(seen).unsubscribe()
    expect(seen).not.toHaveBeenCalled()
  })

  it('has nothing in common with another in the same process', async () => {
    const [one, two] = [await startHub(), await startHub()]
    const alice = await register(one, 'alice')
    await signIn(one, alice)
    expect((await fetch(`${two.url}/v1/resolve/alice`)).status).toBe(404)
    expect(await (await fetch(`${one.url}/metrics`)).text()).toContain('lighthouse_hub_signed_in_peers 1')
    expect(await (await fetch(`${two.url}/metrics`)).text()).toContain('lighthouse_hub_signed_in_peers 0')
    one.subscription.unsubscribe()
    expect((await postRegistration(two, registration(newAccount('carol')))).status).toBe(201)
  })

  it('keeps no process alive once it is unsubscribed', async () => {
    const path = fileURLToPath(new URL('./hub.process.js', import.meta.url))
    const child = spawn(process.execPath, [path, ':memory:', 'stop'], { stdio: ['ignore', 'pipe', 'pipe'] })
    cleanup(() => child.kill('SIGKILL'))
    const errors: string[] = []
    child.stderr.on('data', chunk => errors.push(String(chunk)))
    expect(await once(child, 'close')).toEqual([0, null])
    expect(errors).toEqual([])
  })

  it('says that its port is taken, and what to do', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    cleanup(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    await expect(firstValueFrom(createHub$({ port, database: ':memory:' }))).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringMatching(/--port/),
      details: { port },
    })
  })

  it('says that an address is not there, which may pass', async () => {
    const failure = firstValueFrom(createHub$({ host: '192.0.2.1', port: 0, database: ':memory:' }))
    await expect(failure).rejects.toMatchObject({
      code: 'address-unavailable',
      message: expect.stringContaining('"host"'),
    })
  })

  it('prints nothing and leaves the console alone', async () => {
    const written = [process.stdout, process.stderr].map(stream => jest.spyOn(stream, 'write'))
    const logged = (['log', 'warn', 'error'] as const).map(name => jest.spyOn(console, name))
    const hub = await startHub()
    // A header that makes the rate limiter of Express complain when it is left to itself.
    await fetch(`${hub.url}/v1/resolve/alice`, { headers: { 'x-forwarded-for': '192.0.2.1' } })
    await register(hub, 'alice')
    hub.subscription.unsubscribe()
    const calls = [...written, ...logged].map(spy => spy.mock.calls.length)
    jest.restoreAllMocks()
    expect(calls).toEqual([0, 0, 0, 0, 0])
  })

  it('tells a logger instead', async () => {
    const logger = { info: jest.fn(), warn: jest.fn(), error: jest.fn() }
    const hub = await startHub({ logger })
    await signIn(hub, await register(hub, 'alice'))
    expect(logger.info.mock.calls.map(([, message]) => message)).toEqual(['registered', 'peer signed in'])
  })
})

describe('options', () => {
  const cases: [string, HubOptions][] = [
    ['port', { port: 65_536 }],
    ['port', { port: 1.5 }],
    ['host', { host: '' }],
    ['database', { database: 'postgres://not a host/lighthouse' }],
    ['database', { database: 'mysql:x' }],
    ['database', { database: 'sqlite:' }],
    ['initialCoins', { initialCoins: -1 }],
    ['initialCoins', { initialCoins: 0.000_000_1 }],
    ['initialCoins', { initialCoins: 1_000_001 }],
    ['initialCoins', { initialCoins: NaN }],
    ['iceServers', { iceServers: [{ urls: 'http://127.0.0.1' }] }],
    ['iceServers', { iceServers: [{ urls: [] }] }],
    ['turn.urls', { turn: { urls: ['stun:127.0.0.1'], secret: 'x' } }],
    ['turn.secret', { turn: { urls: ['turn:127.0.0.1'], secret: '' } }],
    ['turn.ttlSeconds', { turn: { urls: ['turn:127.0.0.1'], secret: 'x', ttlSeconds: 0 } }],
    ['redis', { redis: 'redis://127.0.0.1:6379' }],
    ['redis', { database: 'postgres://127.0.0.1/x', redis: 'http://127.0.0.1' }],
    ['registration', { registration: 'ask' as never }],
    ['controlToken', { controlToken: 'short' }],
    ['host', { host: 7 as never }],
    ['port', { port: '3000' as never }],
    ['initialCoins', { initialCoins: '100' as never }],
    ['keyMarker', { keyMarker: '' }],
    ['acceptNew', { acceptNew: 'yes' as never }],
    ['iceServers', { iceServers: { urls: 'stun:stun.example' } as never }],
    ['iceServers', { iceServers: [null] as never }],
    ['iceServers', { iceServers: [{ urls: 'turn:turn.example', username: 'u' }] }],
    ['iceServers', { iceServers: Array.from({ length: 5 }, () => ({ urls: 'stun:stun.example' })) }],
    [
      'iceServers',
      {
        iceServers: Array.from({ length: 4 }, () => ({ urls: 'stun:stun.example' })),
        turn: { urls: ['turn:turn.example'], secret: 'x' },
      },
    ],
    ['turn', { turn: 'turn:turn.example' as never }],
    ['turn.urls', { turn: { urls: ['turn:'], secret: 'x' } }],
    ['turn.user', { turn: { urls: ['turn:turn.example'], secret: 'x', user: 'u' } as never }],
    ['rateLimits', { rateLimits: 7 as never }],
    ['rateLimits.signalsPerMinute', { rateLimits: { signalsPerMinute: 7 } as never }],
    ['trustProxy', { trustProxy: -1 }],
    ['trustProxy', { trustProxy: {} as never }],
    ['logger', { logger: {} as never }],
    ['crypto', { crypto: {} as never }],
    ['scheduler', { scheduler: {} as never }],
    ['clock', { clock: {} as never }],
    ['databse', { databse: ':memory:' } as never],
    ['rateLimits.socketsPerAddress', { rateLimits: { socketsPerAddress: 1.5 } }],
    ['rateLimits.offersPerMinute', { rateLimits: { offersPerMinute: Infinity } }],
    ['rateLimits.signalBurst', { rateLimits: { signalBurst: 0 } }],
  ]
  it.each([0, 1.5, 1_001, NaN, '3'])('names the number of invites when it cannot be %s', async count => {
    const failure = firstValueFrom(createInvites$({ database: ':memory:', count: count as number }))
    await expect(failure).rejects.toMatchObject({ code: 'invalid-option', details: { field: 'count' } })
  })

  it.each(cases)('names "%s" when it cannot be so', async (field, options) => {
    const failure = firstValueFrom(createHub$({ database: ':memory:', ...options }))
    await expect(failure).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining(`"${field}"`),
      details: { field },
    })
  })
})
