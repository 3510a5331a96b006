import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import {
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  NEVER,
  Observable,
  of,
  ReplaySubject,
  type Subscription,
  take,
  throwError,
} from 'rxjs'
import { nodeCrypto } from '../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../src/adapters/hub/http-client.js'
import { loadEngines } from '../src/adapters/webrtc/load.node.js'
import { socketIoTransport } from '../src/adapters/hub/socket-io.client.js'
import { createPeer$, type Peer, type PeerEvent, type PeerOptions, type PeerPorts, portBlock } from '../src/index.js'
import { createHub$, type Hub } from '../src/hub/app.js'
import { register$ } from '../src/register.js'
import type { NetworkPort, SignalTransport } from '../src/ports.js'
import { LighthouseError } from '../src/protocol/errors.js'
import type { Identity } from '../src/protocol/peer/metadata.js'
import type { ReceiptAck, SignedReceipt } from '../src/protocol/coins/receipt.js'
import { memoryReceipts } from './support/memory-receipts.node.js'
import { backTo, resources } from './compliance/support/resources.js'
import { failingStore } from './streams/support/coins.js'
import { ask } from './support/http-client.node.js'
import { isSame, patternBytes } from './support/pattern.js'

const subscriptions: Subscription[] = []
let hub: Hub
let hubSubscription: Subscription
let folder: string
let alice: Identity
let bob: Identity
const film = patternBytes(1, 0, 900_000)

function register(nickname: string): Promise<Identity> {
  return lastValueFrom(register$({ host: hub.url, nickname }))
}

async function start(options: PeerOptions): Promise<{ readonly peer: Peer; readonly subscription: Subscription }> {
  const peer$ = new ReplaySubject<Peer>(1)
  const subscription = createPeer$(options).subscribe(peer$)
  subscriptions.push(subscription)
  return { peer: await firstValueFrom(peer$), subscription }
}

const signedIn = (peer: Peer): Promise<unknown> =>
  firstValueFrom(peer.state$.pipe(filter(({ type }) => type === 'authenticated')))

/** Both peers, signed in. */
async function startBoth(ports: PeerPorts = portBlock(0)) {
  const a = await start({ identity: alice, ports })
  const b = await start({ identity: bob, ports: portBlock(0), share: { type: 'folder', path: folder } })
  await Promise.all([signedIn(a.peer), signedIn(b.peer)])
  return { a, b }
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

const refusesConnections = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', () => resolve(true))
  })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lighthouse-app-'))
  writeFileSync(join(folder, 'film.bin'), film)
  const hub$ = new ReplaySubject<Hub>(1)
  hubSubscription = createHub$({ port: 0, database: ':memory:' }).subscribe(hub$)
  hub = await firstValueFrom(hub$)
  alice = await register('alice')
  bob = await register('bob')
  // Loaded once a process: what that takes is not a peer's.
  await loadEngines()
})

afterAll(() => {
  hubSubscription.unsubscribe()
  rmSync(folder, { recursive: true, force: true })
})

afterEach(() => {
  for (const subscription of subscriptions.splice(0)) subscription.unsubscribe()
})

describe('createPeer$', () => {
  it('carries a file from one peer’s folder to the other’s tunnel, and says what it does', async () => {
    const { a, b } = await startBoth()
    const before = await Promise.all([a, b].map(({ peer }) => firstValueFrom(peer.coins$)))
    const events: PeerEvent[] = []
    a.peer.event$.subscribe(event => events.push(event))
    const tunnel = await lastValueFrom(a.peer.connect$('bob'))
    const answer = await ask({ port: tunnel.port, path: '/film.bin' })
    expect([answer.status, isSame(answer.body, film)]).toEqual([200, true])
    expect(events).toEqual([{ type: 'tunnel', tunnel }])
    expect(await firstValueFrom(a.peer.tunnels$.pipe(filter(({ length }) => length === 1)))).toEqual([tunnel])
    // Paid for while it came: the film, and the headers of its answer.
    const left = await firstValueFrom(a.peer.coins$.pipe(filter(bytes => bytes <= before[0]! - film.length)))
    expect(before[0]! - left - film.length).toBeLessThan(1_000)
    const earned = before[1]! + before[0]! - left
    expect(await firstValueFrom(b.peer.coins$.pipe(filter(bytes => bytes >= earned)))).toBe(earned)
    const stats = await firstValueFrom(a.peer.stats$)
    expect(stats).toMatchObject({ nickname: 'alice', hub: { type: 'authenticated' }, coins: left, attempts: 0 })
    expect(stats.connections).toMatchObject([{ nickname: 'bob', role: 'consumer', tunnelPort: tunnel.port }])
  })

  it('reaches peers whose nicknames have digits and hyphens, browsers by a host of their own', async () => {
    const r2 = await register('r2-d2')
    const a = await start({ identity: alice, ports: portBlock(0) })
    const b = await start({ identity: r2, ports: portBlock(0), share: { type: 'folder', path: folder } })
    await Promise.all([signedIn(a.peer), signedIn(b.peer)])
    const proxy = Number(new URL(a.peer.addresses.proxy).port)
    const led = await ask({ port: proxy, path: '/proxy/r2-d2/film.bin' })
    const { port, pathname } = new URL(led.headers.location!)
    const browser = { 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' }
    const own = await ask({ port: Number(port), path: pathname, headers: { host: `127.0.0.1:${port}`, ...browser } })
    expect(own.headers.location).toBe(`http://r2-d2.localhost:${port}/film.bin`)
    const host = `r2-d2.localhost:${port}`
    const answer = await ask({ port: Number(port), path: pathname, headers: { host, range: 'bytes=0-9' } })
    expect([answer.status, isSame(answer.body, film.subarray(0, 10))]).toEqual([206, true])
  })

  it('connects with wrtc where UDP is blocked and a relay over TCP is there, and shows both; the other side keeps its own', async () => {
    const asked: string[] = []
    const network: NetworkPort = {
      addresses: () => [],
      asksUdp$: ({ host }) => {
        asked.push(host)
        return of(false)
      },
    }
    const turn = { username: 'u', credential: 'c', urls: ['turn:127.0.0.1:9', 'turn:127.0.0.1:9?transport=tcp'] }
    const a = await start({ identity: alice, ports: portBlock(0), network, iceServers: [turn] })
    const b = await start({ identity: bob, ports: portBlock(0), share: { type: 'folder', path: folder } })
    await Promise.all([signedIn(a.peer), signedIn(b.peer)])
    const tunnel = await lastValueFrom(a.peer.connect$('bob'))
    expect(isSame((await ask({ port: tunnel.port, path: '/film.bin' })).body, film)).toBe(true)
    const stats = await Promise.all([a, b].map(({ peer }) => firstValueFrom(peer.stats$)))
    expect(stats.map(({ udp }) => udp)).toEqual(['blocked', 'unknown'])
    expect(stats.map(({ connections }) => connections[0]?.engine)).toEqual(['wrtc', 'node-datachannel'])
    expect(asked).toEqual(['127.0.0.1'])
  })

  it('does nothing before it is subscribed to', () => {
    const before = resources()
    expect(createPeer$({ identity: alice, ports: portBlock(0) })).toBeInstanceOf(Observable)
    expect(resources()).toEqual(before)
  })

  it('frees every port, socket, timer and connection, and starts again on the same ports', async () => {
    const [proxy, first, second, data] = (await freePorts(4)) as [number, number, number, number]
    const ports = { proxy, tunnels: [first, second], data }
    const before = resources()
    for (let round = 0; round < 2; round++) {
      const { a, b } = await startBoth(ports)
      expect(a.peer.addresses.proxy).toBe(`http://127.0.0.1:${proxy}/`)
      const tunnel = await lastValueFrom(a.peer.connect$('bob'))
      expect(tunnel.port).toBe(first)
      expect(isSame((await ask({ port: first, path: '/film.bin' })).body, film)).toBe(true)
      // One in the middle of an answer, and one that has not asked yet.
      const half = connect(first, '127.0.0.1')
      const idle = connect(first, '127.0.0.1')
      for (const socket of [half, idle]) socket.on('error', () => undefined)
      half.write(`GET /film.bin HTTP/1.1\r\nHost: 127.0.0.1:${first}\r\n\r\n`)
      await once(half, 'data')
      half.pause()
      a.subscription.unsubscribe()
      b.subscription.unsubscribe()
      expect(await Promise.all([proxy, first].map(refusesConnections))).toEqual([true, true])
      half.destroy()
      idle.destroy()
      await backTo(before)
    }
  })

  it('frees everything while it is still starting, signing in or connecting', async () => {
    const before = resources()
    const moments: readonly ((subscription: Subscription) => Promise<unknown>)[] = [
      async () => undefined,
      () => new Promise(resolve => setImmediate(resolve)),
    ]
    for (const moment of moments) {
      const subscription = createPeer$({ identity: alice, ports: portBlock(0) }).subscribe()
      await moment(subscription)
      subscription.unsubscribe()
      await backTo(before)
    }
    const { a, b } = await startBoth()
    const connecting = a.peer.connect$('bob').subscribe({ error: () => undefined })
    await new Promise(resolve => setImmediate(resolve))
    a.subscription.unsubscribe()
    b.subscription.unsubscribe()
    expect(connecting.closed).toBe(true)
    await backTo(before)
  })

  it('completes what it gave away when it stops, and connects no more', async () => {
    const { a } = await startBoth()
    const streams = [a.peer.state$, a.peer.tunnels$, a.peer.coins$, a.peer.event$, a.peer.stats$, a.peer.stopRequested$]
    const completed = streams.map(stream$ => lastValueFrom(stream$ as Observable<unknown>, { defaultValue: 'none' }))
    a.subscription.unsubscribe()
    await Promise.all(completed)
    const late = await Promise.all(
      streams.map(stream$ => lastValueFrom(stream$ as Observable<unknown>, { defaultValue: 'none' })),
    )
    expect(late.length).toBe(streams.length)
    await expect(lastValueFrom(a.peer.connect$('bob'))).rejects.toMatchObject({ code: 'channel-closed' })
  })

  it('refuses a peer for which the limit is reached, also where no connection to it was made yet', async () => {
    const receipts = memoryReceipts(alice.pubKey)
    const session = nodeCrypto.randomId(16)
    receipts.keep({ hub_key: hub.hubKey, session, seeder: bob.pubKey, consumer: alice.pubKey, bytes: 9, signature: '' })
    receipts.giveUp(session)
    const { peer } = await start({ identity: alice, ports: portBlock(0), receipts, spending: { peerBytes: 9 } })
    const b = await start({ identity: bob, ports: portBlock(0), share: { type: 'folder', path: folder } })
    await Promise.all([signedIn(peer), signedIn(b.peer)])
    await expect(lastValueFrom(peer.connect$('bob'))).rejects.toMatchObject({ code: 'spending-limit' })
  })

  it('sends nothing more to who owes it too much, and everything once it was forgiven', async () => {
    const receipts = memoryReceipts(bob.pubKey)
    receipts.serve(alice.pubKey, 1_000_000, Date.now())
    const a = await start({ identity: alice, ports: portBlock(0) })
    const shared = { type: 'folder', path: folder } as const
    const b = await start({ identity: bob, ports: portBlock(0), share: shared, receipts })
    await Promise.all([signedIn(a.peer), signedIn(b.peer)])
    const tunnel = await lastValueFrom(a.peer.connect$('bob'))
    const held = firstValueFrom(b.peer.stats$.pipe(filter(({ streams }) => streams === 1)))
    const answer = ask({ port: tunnel.port, path: '/film.bin' })
    expect((await held).connections).toMatchObject([{ sentBytes: 0 }])
    expect(await lastValueFrom(b.peer.forgive$('alice'))).toBe(1_000_000)
    const { status, body } = await answer
    expect([status, isSame(body, film)]).toEqual([200, true])
    await expect(lastValueFrom(b.peer.forgive$('carol'))).rejects.toMatchObject({ code: 'unknown-nickname' })
    await expect(lastValueFrom(b.peer.forgive$('bob'))).rejects.toMatchObject({ code: 'own-nickname' })
    await expect(lastValueFrom(b.peer.forgive$('B'))).rejects.toMatchObject({ code: 'malformed-nickname' })
  })

  it('shows the last known wallet while the hub is unreachable, and 503 if there is none', async () => {
    const away = new LighthouseError('hub-unreachable', 'the hub is away')
    const client = { ...fetchHubClient(hub.url), balance$: () => throwError(() => away) }
    const { peer } = await start({ identity: alice, ports: portBlock(0), hub: client })
    const known = await firstValueFrom(peer.coins$)
    const coins = (port: number): ReturnType<typeof ask> =>
      ask({ port, path: '/coins', headers: { accept: 'application/json' } })
    const { status, body } = await coins(Number(new URL(peer.addresses.proxy).port))
    expect(status).toBe(200)
    expect(JSON.parse(body.toString())).toMatchObject({ bytes: known, hub: 'away', asOf: expect.any(String) })
    const fresh = await start({ identity: bob, ports: portBlock(0), hub: client, transport: { connect$: () => NEVER } })
    expect((await coins(Number(new URL(fresh.peer.addresses.proxy).port))).status).toBe(503)
  })

  /** Ends the peer in the middle of a download; nothing of what came last has been signed then. */
  async function endMidway(options: Partial<PeerOptions>, atTheEnd: () => void): Promise<readonly PeerEvent[]> {
    const a = await start({ identity: alice, ports: portBlock(0), ...options })
    const b = await start({ identity: bob, ports: portBlock(0), share: { type: 'folder', path: folder } })
    await Promise.all([signedIn(a.peer), signedIn(b.peer)])
    const tunnel = await lastValueFrom(a.peer.connect$('bob'))
    const socket = connect(tunnel.port, '127.0.0.1').on('error', () => undefined)
    socket.write(`GET /film.bin HTTP/1.1\r\nHost: 127.0.0.1:${tunnel.port}\r\n\r\n`)
    await once(socket, 'data')
    const events: PeerEvent[] = []
    a.peer.event$.subscribe(event => events.push(event))
    atTheEnd()
    a.subscription.unsubscribe()
    return events
  }

  it('reports what it cannot store when it ends', async () => {
    const broken = { now: false }
    const receipts = failingStore(alice.pubKey, broken, 'keep', 'owe')
    const events = await endMidway({ receipts }, () => (broken.now = true))
    expect(events.map(({ type }) => type)).toContain('receipts-failed')
  })

  it('brings what it signs when it ends to the hub', async () => {
    const brought: SignedReceipt[] = []
    const transport: SignalTransport = {
      connect$: pubKey =>
        socketIoTransport(hub.url)
          .connect$(pubKey)
          .pipe(
            map(event => {
              if (event.type !== 'authenticated') return event
              const { connection } = event
              const settle$ = (receipt: SignedReceipt): Observable<ReceiptAck> => {
                brought.push(receipt)
                return connection.settle$(receipt)
              }
              return { ...event, connection: { ...connection, settle$ } }
            }),
          ),
    }
    const receipts = memoryReceipts(alice.pubKey)
    await endMidway({ receipts, transport }, () => brought.splice(0))
    expect(brought).toHaveLength(1)
    expect(brought[0]).toEqual(receipts.session(brought[0]!.session)?.receipt)
  })

  it.each([
    ['nobody', 'unknown-nickname'],
    ['alice', 'own-nickname'],
    ['Not A Name', 'malformed-nickname'],
  ])('connects to no %j: %s', async (nickname, code) => {
    const { peer } = await start({ identity: alice, ports: portBlock(0) })
    await signedIn(peer)
    await expect(lastValueFrom(peer.connect$(nickname))).rejects.toMatchObject({ code })
  })

  it('says at once that a peer is offline, or shares nothing', async () => {
    const a = await start({ identity: alice, ports: portBlock(0) })
    await signedIn(a.peer)
    await expect(lastValueFrom(a.peer.connect$('bob'))).rejects.toMatchObject({ code: 'peer-offline' })
    const b = await start({ identity: bob, ports: portBlock(0) })
    await signedIn(b.peer)
    await expect(lastValueFrom(a.peer.connect$('bob'))).rejects.toMatchObject({
      code: 'peer-refused',
      message: 'this peer shares nothing',
    })
    expect((await firstValueFrom(a.peer.stats$)).attempts).toBe(0)
  })

  it('notices that the other peer stopped, and dials again when it is back', async () => {
    const { a, b } = await startBoth()
    const tunnel = await lastValueFrom(a.peer.connect$('bob'))
    const ended = firstValueFrom(a.peer.event$.pipe(filter(({ type }) => type === 'ended')))
    b.subscription.unsubscribe()
    expect(await ended).toMatchObject({ with: 'bob', reason: { code: 'channel-closed' } })
    const again = await start({ identity: bob, ports: portBlock(0), share: { type: 'folder', path: folder } })
    await signedIn(again.peer)
    expect(await lastValueFrom(a.peer.connect$('bob'))).toEqual(tunnel)
    expect(isSame((await ask({ port: tunnel.port, path: '/film.bin' })).body, film)).toBe(true)
  })

  it('serves nothing from its home', async () => {
    const home = join(folder, 'home')
    mkdirSync(home)
    writeFileSync(join(home, 'running.json'), 'token')
    writeFileSync(join(folder, 'running.json'), 'film')
    const { peer } = await start({ identity: bob, home, ports: portBlock(0), share: { type: 'folder', path: folder } })
    const at = (path: string): Promise<Response> => fetch(new URL(path, peer.addresses.data))
    expect((await at('home/running.json')).status).toBe(404)
    expect(await (await at('running.json')).text()).toBe('film')
  })

  it('shares any TCP service', async () => {
    const server = createServer(socket => {
      socket.on('error', () => undefined).pipe(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const a = await start({ identity: alice, ports: portBlock(0) })
    const b = await start({ identity: bob, ports: portBlock(0), share: { type: 'tcp', host: '127.0.0.1', port } })
    await Promise.all([signedIn(a.peer), signedIn(b.peer)])
    expect(b.peer.addresses.data).toBeUndefined()
    const tunnel = await lastValueFrom(a.peer.connect$('bob').pipe(take(1)))
    const socket = connect(tunnel.port, '127.0.0.1')
    socket.write('echo')
    const [echo] = (await once(socket, 'data')) as [Buffer]
    expect(echo.toString()).toBe('echo')
    // A program that breaks off: its own side says so, and the other side what it was told.
    const [here, there] = [a.peer, b.peer].map(peer =>
      firstValueFrom(peer.event$.pipe(filter(event => event.type === 'streams-reset'))),
    )
    socket.resetAndDestroy()
    expect(await here).toMatchObject({ with: 'bob', count: 1, reason: { message: expect.stringMatching(/^local/) } })
    expect(await there).toMatchObject({ with: alice.pubKey, count: 1, reason: { code: 'stream-reset' } })
    server.close()
  })

  it('goes on after a defect: what it happened in ends, and it is reported with its place', async () => {
    const cause = new TypeError('x is not a function')
    const client = fetchHubClient(hub.url)
    const resolve$ = (nickname: string): Observable<string | undefined> =>
      client.resolve$(nickname).pipe(
        map(() => {
          throw cause
        }),
      )
    const { peer } = await start({ identity: alice, ports: portBlock(0), hub: { ...client, resolve$ } })
    await signedIn(peer)
    const events: PeerEvent[] = []
    peer.event$.subscribe(event => events.push(event))
    const failureOf = (work$: Observable<unknown>): Promise<unknown> =>
      lastValueFrom(work$).catch((error: unknown) => error)
    const failures = [await failureOf(peer.connect$('bob')), await failureOf(peer.forgive$('bob'))]
    for (const failure of failures) expect(failure).toMatchObject({ code: 'internal', cause })
    // That of a connection is told as its end.
    expect(events).toEqual([
      { type: 'ended', with: 'bob', reason: failures[0] },
      { type: 'defect', reason: failures[1] },
    ])
    const answer = await ask({ port: Number(new URL(peer.addresses.proxy).port), path: '/proxy/bob/' })
    expect(answer.status).toBe(500)
    expect(answer.text).not.toContain('app.spec')
    expect((await firstValueFrom(peer.stats$)).hub.type).toBe('authenticated')
  })

  it.each<[string, Partial<PeerPorts>]>([
    ['a port that is none', { proxy: 65_536 }],
    ['half a port', { data: 1.5 }],
    ['no tunnels', { tunnels: [] }],
    ['a port twice', { proxy: 42_500, data: 42_500 }],
  ])('refuses %s: invalid-option', async (_name, change) => {
    const options = { identity: alice, ports: { ...portBlock(0), ...change } }
    await expect(firstValueFrom(createPeer$(options))).rejects.toMatchObject({
      code: 'invalid-option',
      details: { field: expect.stringContaining('ports') },
    })
  })

  it('refuses a service on no port, a hub that is none, and a folder that is missing', async () => {
    const codeOf = (options: Partial<PeerOptions>): Promise<string> =>
      firstValueFrom(createPeer$({ identity: alice, ports: portBlock(0), ...options })).then(
        () => 'started',
        (error: LighthouseError) => error.code,
      )
    expect(await codeOf({ share: { type: 'tcp', host: '127.0.0.1', port: 0 } })).toBe('invalid-option')
    expect(await codeOf({ identity: { ...alice, host: 'ftp://hub' } })).toBe('invalid-option')
    expect(await codeOf({ share: { type: 'folder', path: join(folder, 'missing') } })).toBe('invalid-share')
  })

  it.each(['proxy', 'data'] as const)(
    'says port-in-use, and leaves nothing, when its %s port is taken',
    async which => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const before = resources()
      const ports = { ...portBlock(0), [which]: port }
      const options: PeerOptions = { identity: alice, ports, share: { type: 'folder', path: folder } }
      await expect(firstValueFrom(createPeer$(options))).rejects.toMatchObject({
        code: 'port-in-use',
        details: { port },
      })
      await backTo(before)
      server.close()
    },
  )
})
