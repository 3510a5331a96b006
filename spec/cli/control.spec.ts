import { describe, expect, it } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { run } from '../../src/cli/program.js'
import type { PeerStats } from '../../src/protocol/peer/stats.js'
import { fakeIo } from './support/fake-io.js'
import { peerHomes } from './support/peer-home.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const homeOf = peerHomes(temporary)

const stats: PeerStats = {
  nickname: 'alice',
  fingerprint: 'kmnp-4567-89ab-cdef-ghjk-0123',
  hub: { type: 'authenticated' },
  coins: 61_947_635,
  udp: 'open',
  activeResources: 10,
  subscriptions: 2,
  attempts: 0,
  connections: [
    {
      session: 's',
      nickname: 'b\u001bob',
      pubKey: 'key',
      fingerprint: '0123-4567-89ab-cdef-ghjk-mnpq',
      role: 'consumer',
      engine: 'node-datachannel',
      tunnelPort: 42_001,
      streams: 1,
      receivedBytes: 1_500_000,
      sentBytes: 12,
      receiveRate: 250_000,
      sendRate: 0,
      bufferedBytes: 0,
      silentSeconds: 0,
      path: 'host',
      roundTripMs: 1,
    },
  ],
  streams: 1,
  bufferedBytes: 0,
  memory: { rss: 50_000_000, heapUsed: 1, external: 1 },
  uptimeMs: 65_000,
}

describe('status', () => {
  it('shows what the peer carries, in words and as it came', async () => {
    const home = await homeOf((_req, res) => res.end(JSON.stringify(stats)))
    const io = fakeIo(temporary())
    expect(await run(['status', '--home', home], io)).toBe(0)
    for (const text of [
      'alice',
      'signed in',
      '61.947635',
      '127.0.0.1:42001',
      '1.5 MB in',
      '250.0 kB/s in',
      'b\\u{1b}ob',
    ]) {
      expect(io.out()).toContain(text)
    }
    const json = fakeIo(temporary())
    expect(await run(['status', '--home', home, '--json'], json)).toBe(0)
    expect(json.messages()).toEqual([stats])
  })

  it.each<[string, RequestListener]>([
    ['an error', (_req, res) => res.writeHead(500).end()],
    ['nonsense', (_req, res) => res.end('{}')],
    ['a redirect', (_req, res) => res.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
    ['a broken connection', req => req.socket.destroy()],
  ])('fails when the peer answers with %s', async (_what, handler) => {
    const io = fakeIo(temporary())
    expect(await run(['status', '--home', await homeOf(handler), '--json'], io)).toBe(1)
    expect(io.messages()).toEqual([{ error: { code: 'not-answering', message: expect.any(String) } }])
  })
})

describe('coins', () => {
  it('prints them', async () => {
    const home = await homeOf((req, res) => res.end(req.url === '/coins' ? '{"coins":"61.947635"}' : ''))
    const io = fakeIo(temporary())
    expect(await run(['coins', '--home', home], io)).toBe(0)
    expect(io.out()).toBe('61.947635\n')
    const json = fakeIo(temporary())
    expect(await run(['coins', '--home', home, '--json'], json)).toBe(0)
    expect(json.messages()).toEqual([{ coins: '61.947635', bytes: 61_947_635 }])
  })

  it('says as of when the number is while the hub is away', async () => {
    const asOf = '2026-01-02T03:04:05.000Z'
    const home = await homeOf((_req, res) => res.end(JSON.stringify({ coins: '61.947635', hub: 'away', asOf })))
    const io = fakeIo(temporary())
    expect(await run(['coins', '--home', home], io)).toBe(0)
    expect(io.out()).toBe('61.947635\n')
    expect(io.err()).toContain(asOf)
    const json = fakeIo(temporary())
    expect(await run(['coins', '--home', home, '--json'], json)).toBe(0)
    expect(json.messages()).toEqual([{ coins: '61.947635', bytes: 61_947_635, hub: 'away', asOf }])
  })

  it('passes on why the peer cannot say', async () => {
    const problem = { title: 'The hub cannot be reached', status: 503, detail: 'refused', code: 'hub-unreachable' }
    const home = await homeOf((_req, res) => res.writeHead(503).end(JSON.stringify(problem)))
    const io = fakeIo(temporary())
    expect(await run(['coins', '--home', home, '--json'], io)).toBe(4)
    expect(io.messages()).toEqual([{ error: { code: 'hub-unreachable', message: 'refused' } }])
  })
})

describe('forgive', () => {
  it('presents the token, and says what is owed no more', async () => {
    const seen: unknown[] = []
    const home = await homeOf((req, res) => {
      seen.push([req.method, req.url, req.headers['x-lighthouse-token']])
      res.end(JSON.stringify({ nickname: 'bob', coins: '0.350000', bytes: 350_000 }))
    })
    const io = fakeIo(temporary())
    expect(await run(['forgive', 'bob', '--home', home], io)).toBe(0)
    expect(io.out()).toBe('bob owes 0.350000 coins less here.\n')
    expect(seen).toEqual([['POST', '/control/forgive/bob', 'the-token']])
    const json = fakeIo(temporary())
    expect(await run(['forgive', 'bob', '--home', home, '--json'], json)).toBe(0)
    expect(json.messages()).toEqual([{ forgiven: { nickname: 'bob', coins: '0.350000', bytes: 350_000 } }])
  })

  it('says who owes nothing, who is nobody, and what is no nickname', async () => {
    const problem = { title: 'unknown', status: 404, detail: 'nobody has that nickname', code: 'unknown-nickname' }
    const home = await homeOf((req, res) => {
      if (req.url === '/control/forgive/carol') res.writeHead(404).end(JSON.stringify(problem))
      else res.end(JSON.stringify({ nickname: 'bob', coins: '0.000000', bytes: 0 }))
    })
    const io = fakeIo(temporary())
    expect(await run(['forgive', 'bob', '--home', home], io)).toBe(0)
    expect(io.out()).toBe('bob owes nothing here.\n')
    expect(await run(['forgive', 'carol', '--home', home], io)).toBe(5)
    expect(io.err()).toContain('nobody has that nickname')
    expect(await run(['forgive', '../stop', '--home', home], io)).toBe(2)
  })
})

describe('stop', () => {
  it('presents the token and waits until the process is gone', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    await once(child, 'spawn')
    const seen: unknown[] = []
    const home = await homeOf((req, res) => {
      seen.push([req.method, req.url, req.headers['x-lighthouse-token'], req.headers.origin])
      res.writeHead(202).end()
      child.kill()
    }, child.pid)
    const io = fakeIo(temporary())
    expect(await run(['stop', '--home', home], io)).toBe(0)
    expect(seen).toEqual([['POST', '/control/stop', 'the-token', undefined]])
    expect(child.signalCode).toBe('SIGTERM')
    expect(io.out()).toContain(String(child.pid))
  })
})
