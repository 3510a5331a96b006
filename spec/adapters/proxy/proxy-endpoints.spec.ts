import { connect } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { firstValueFrom, Observable, Subject, of, throwError } from 'rxjs'
import { proxyServer$ } from '../../../src/adapters/proxy/server.express.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { PeerStats } from '../../../src/protocol/peer/stats.js'
import {
  ask,
  exchange,
  onCleanUp,
  peer,
  proxy,
  proxyForEach,
  someStats,
  startProxy,
  token,
} from '../../support/proxy-fixture.node.js'

proxyForEach('http://127.0.0.1:42011/')

describe('GET /', () => {
  it('is a page that says who I am and loads only what its policy allows', async () => {
    const { status, headers, body } = await ask(proxy.port, '/')
    expect(status).toBe(200)
    expect(headers['content-type']).toMatch(/^text\/html/)
    expect(body).toContain('<h1>alice</h1>')
    expect(body).toContain(someStats.fingerprint)
    expect(body).toContain('href="http://127.0.0.1:42011/"')
    expect(body).not.toMatch(/<script>|<style|style=|\son[a-z]+=/)
    expect(body).not.toContain(token)
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    expect(headers['content-security-policy']).toContain("script-src 'self'")
    expect(headers['content-security-policy']).not.toContain('unsafe')
  })

  it.each([
    ['/dashboard.js', 'text/javascript'],
    ['/dashboard.css', 'text/css'],
    ['/dashboard.svg', 'image/svg+xml'],
  ])('serves %s', async (path, type) => {
    const { status, headers, body } = await ask(proxy.port, path)
    expect(status).toBe(200)
    expect(headers['content-type']).toContain(type)
    expect(body.length).toBeGreaterThan(100)
  })

  it('says so when no folder is shared', async () => {
    const other = await startProxy(peer)
    expect((await ask(other.port, '/')).body).toContain('You share no folder')
  })
})

describe('GET /coins', () => {
  it('is text with six decimals', async () => {
    const { headers, body } = await ask(proxy.port, '/coins')
    expect(headers['content-type']).toMatch(/^text\/plain/)
    expect(body).toBe('61.947635\n')
  })

  it('is JSON when asked', async () => {
    const { headers, body } = await ask(proxy.port, '/coins', { headers: { accept: 'application/json' } })
    expect(headers['content-type']).toMatch(/^application\/json/)
    expect(JSON.parse(body)).toEqual({ coins: '61.947635', bytes: 61_947_635 })
  })

  it('says as of when while the hub is away; the text stays the number', async () => {
    peer.coins$ = of({ bytes: 61_947_635, asOfMs: Date.UTC(2026, 0, 2, 3, 4, 5) })
    const { body } = await ask(proxy.port, '/coins', { headers: { accept: 'application/json' } })
    const asOf = '2026-01-02T03:04:05.000Z'
    expect(JSON.parse(body)).toEqual({ coins: '61.947635', bytes: 61_947_635, hub: 'away', asOf })
    expect((await ask(proxy.port, '/coins')).body).toBe('61.947635\n')
  })

  it('says 503 when the hub cannot be asked', async () => {
    peer.coins$ = throwError(() => new LighthouseError('hub-unreachable', 'connection refused'))
    const { status, body } = await ask(proxy.port, '/coins')
    expect(status).toBe(503)
    expect(JSON.parse(body)).toMatchObject({ type: 'about:blank', code: 'hub-unreachable', status: 503 })
  })
})

describe('GET /stats', () => {
  it('is JSON', async () => {
    expect(JSON.parse((await ask(proxy.port, '/stats')).body)).toEqual(someStats)
  })

  it('is one line of text when asked', async () => {
    const { body } = await ask(proxy.port, '/stats', { headers: { accept: 'text/plain' } })
    expect(body.split('\n')).toHaveLength(2)
    expect(body).toContain('nickname=alice hub=authenticated coins=61.947635 udp=open connections=1')
    expect(body).toContain('receiveRate=2500000')
  })

  it('drops the wish when the client leaves', async () => {
    let alive = 0
    const came = new Promise<void>(resolve => {
      peer.stats$ = new Observable(() => {
        alive += 1
        resolve()
        return () => {
          alive -= 1
          left()
        }
      })
    })
    let left = (): void => undefined
    const gone = new Promise<void>(resolve => (left = resolve))
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write(`GET /stats HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
    await came
    socket.destroy()
    await gone
    expect(alive).toBe(0)
  })
})

describe('GET /events', () => {
  /** Opens a stream and gives its text as it grows. */
  function listen(): {
    until: (text: string) => Promise<string>
    closed: Promise<unknown>
    socket: import('node:net').Socket
  } {
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
    onCleanUp(() => void socket.destroy())
    let seen = ''
    const more$ = new Subject<void>()
    socket.on('data', chunk => {
      seen += chunk.toString()
      more$.next()
    })
    const until = async (text: string): Promise<string> => {
      while (!seen.includes(text)) await firstValueFrom(more$)
      return seen
    }
    socket.on('error', () => undefined)
    return { until, closed: once(socket, 'close'), socket }
  }

  it('sends the newest snapshot at once and each one after', async () => {
    const { until } = listen()
    const first = await until('uptimeMs')
    expect(first).toMatch(/^HTTP\/1.1 200/)
    expect(first).toContain('Content-Type: text/event-stream')
    expect(first).toContain('retry: 2000\n\n')
    expect(first).toContain(`event: stats\ndata: ${JSON.stringify(someStats)}\n\n`)
    peer.stats.next({ ...someStats, coins: 1 })
    await until('"coins":1,')
  })

  it('skips snapshots for a client that does not read, and unsubscribes when it leaves', async () => {
    const big = { ...someStats, nickname: 'a'.repeat(1_000_000) }
    const { socket, until } = listen()
    await until('uptimeMs')
    socket.pause()
    for (let sent = 0; sent < 100; sent += 1) {
      peer.stats.next(big)
      await new Promise(setImmediate)
    }
    socket.resume()
    const read = until('"nickname":"last"')
    // The newest is sent once the client has read on.
    while (
      !(await Promise.race([read.then(() => true), new Promise<false>(resolve => setImmediate(resolve, false))]))
    ) {
      peer.stats.next({ ...someStats, nickname: 'last' })
    }
    // 1 MB each: what the operating system took for both sockets, and one.
    expect((await read).split('"nickname":"aaa').length).toBeLessThan(20)
    socket.destroy()
    while (peer.stats.observed) await new Promise(setImmediate)
  })

  it('refuses the thirty-third', async () => {
    const streams = Array.from({ length: 32 }, listen)
    await Promise.all(streams.map(({ until }) => until('uptimeMs')))
    expect((await ask(proxy.port, '/events')).status).toBe(503)
    streams[0]!.socket.destroy()
    while (peer.stats.observers.length > 31) await new Promise(setImmediate)
    expect(await listen().until('uptimeMs')).toMatch(/^HTTP\/1.1 200/)
  })

  it('ends when the snapshots end or fail', async () => {
    const source = new Subject<PeerStats>()
    peer.stats$ = source
    const { until, closed } = listen()
    await until('retry')
    source.error(new Error('gone'))
    expect(await until('0\r\n\r\n')).toMatch(/^HTTP\/1.1 200/)
    proxy.subscription.unsubscribe()
    await closed
  })

  it('ends when the proxy does', async () => {
    const { until, closed } = listen()
    await until('uptimeMs')
    proxy.subscription.unsubscribe()
    expect(peer.stats.observed).toBe(false)
    await closed
  })

  it('answers HEAD without a stream', async () => {
    expect((await ask(proxy.port, '/events', { method: 'HEAD' })).status).toBe(200)
    expect(peer.stats.observed).toBe(false)
  })
})

describe('other requests', () => {
  it.each(['/nothing', '/metrics', '/Coins', '/coins/', '/proxyx/bob/', '//evil.example/'])(
    '%s is 404 with a next step',
    async path => {
      const { status, body } = await ask(proxy.port, path)
      expect(status).toBe(404)
      expect(JSON.parse(body).next).toContain('/proxy/nickname/')
    },
  )

  it('gives people a page', async () => {
    const { headers, body } = await ask(proxy.port, '/nothing', { headers: { accept: 'text/html' } })
    expect(headers['content-type']).toMatch(/^text\/html/)
    expect(body).toContain('<h1>There is nothing here</h1>')
  })

  it.each(['/', '/coins', '/stats', '/events', '/dashboard.js'])('POST %s is 405', async path => {
    const { status, headers } = await ask(proxy.port, path, { method: 'POST' })
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
  })

  it('answers an upgrade that is none as if it had not been asked', async () => {
    const answer = await exchange(
      proxy.port,
      `GET /coins HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 200/)
    expect(answer).toContain('61.947635')
  })
})

describe('guard', () => {
  const routes = [
    '/',
    '/dashboard.js',
    '/coins',
    '/stats',
    '/events',
    '/control/stop',
    '/proxy/bob/',
    '/inline/bob/',
    '/nothing',
  ]
  const own = (): string => `127.0.0.1:${proxy.port}`
  const send = (path: string, lines: readonly string[], method = 'GET'): Promise<string> =>
    exchange(proxy.port, `${method} ${path} HTTP/1.1\r\n${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`)

  it.each(routes)('%s answers to its own names only', async path => {
    const bad = [
      [],
      ['Host: evil.example'],
      ['Host: 127.0.0.1'],
      ['Host: 127.0.0.1:1'],
      [`Host: ${own()}`, `Host: ${own()}`],
    ]
    for (const lines of bad) expect(await send(path, lines)).toMatch(/^HTTP\/1.1 421/)
    expect(peer.asked).toEqual([])
  })

  it.each(routes)('%s refuses other origins, other sites and other ports of this machine', async path => {
    const host = `Host: ${own()}`
    const bad = [
      ['Origin: http://evil.example'],
      ['Origin: null'],
      ['Origin: http://127.0.0.1:1'],
      ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image'],
      ['Sec-Fetch-Site: same-site', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty'],
      ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: iframe', 'Sec-Fetch-User: ?1'],
    ]
    for (const lines of bad) expect(await send(path, [host, ...lines])).toMatch(/^HTTP\/1.1 403/)
    const form = [
      'Sec-Fetch-Site: cross-site',
      'Sec-Fetch-Mode: navigate',
      'Sec-Fetch-Dest: document',
      'Sec-Fetch-User: ?1',
    ]
    expect(await send(path, [host, ...form], 'POST')).toMatch(/^HTTP\/1.1 403/)
    expect(peer.asked).toEqual([])
  })

  it.each(['/proxy/bob/film?x', '/inline/bob/film?x'])('%s asks before an automatic navigation', async path => {
    const drive = [
      `Host: ${own()}`,
      'Accept: text/html',
      'Sec-Fetch-Site: cross-site',
      'Sec-Fetch-Mode: navigate',
      'Sec-Fetch-Dest: document',
    ]
    const page = await send(path, drive)
    expect(page).toMatch(/^HTTP\/1.1 403/)
    expect(page).toContain('Connect to bob?')
    expect(page).toContain(`href="http://${own()}${path}"`)
    expect(peer.asked).toEqual([])
    peer.connection$ = () => throwError(() => new LighthouseError('peer-offline', 'not signed in'))
    expect(await send(path, [...drive, 'Sec-Fetch-User: ?1'])).toMatch(/^HTTP\/1.1 502/)
    expect(peer.asked).toEqual(['bob'])
  })

  it('shows its own pages to any navigation', async () => {
    const drive = [
      `Host: ${own()}`,
      'Sec-Fetch-Site: cross-site',
      'Sec-Fetch-Mode: navigate',
      'Sec-Fetch-Dest: document',
    ]
    expect(await send('/', drive)).toMatch(/^HTTP\/1.1 200/)
  })

  it.each(routes)('%s sends what keeps other pages out, and no CORS', async path => {
    peer.connection$ = () => throwError(() => new LighthouseError('peer-offline', 'not signed in'))
    const head = (await send(path, [`Host: ${own()}`], path === '/events' ? 'HEAD' : 'GET'))
      .split('\r\n\r\n')[0]!
      .toLowerCase()
    expect(head).toContain('x-content-type-options: nosniff')
    expect(head).toContain('cross-origin-resource-policy: same-origin')
    expect(head).toMatch(/content-security-policy: [^\r]*frame-ancestors 'none'/)
    expect(head).not.toContain('access-control-')
    expect(head).not.toContain('x-powered-by')
  })

  it('refuses service workers', async () => {
    expect(await send('/dashboard.js', [`Host: ${own()}`, 'Service-Worker: script'])).toMatch(/^HTTP\/1.1 403/)
  })
})

describe('proxyServer$', () => {
  it('frees its port, and starts again on it', async () => {
    proxy.subscription.unsubscribe()
    const again = await firstValueFrom(proxyServer$({ port: proxy.port, peer }))
    expect(again).toEqual({ port: proxy.port, url: `http://127.0.0.1:${proxy.port}/` })
  })

  it('says which port is taken and what to do', async () => {
    const failure = firstValueFrom(proxyServer$({ port: proxy.port, peer }))
    await expect(failure).rejects.toMatchObject({ code: 'port-in-use', details: { port: proxy.port } })
    await expect(failure).rejects.toThrow('--port-base')
  })

  it('drops what waits, and does nothing when it is dropped before it listens', async () => {
    const answer = ask(proxy.port, '/proxy/bob/').catch((error: NodeJS.ErrnoException) => error.code)
    while (peer.waiting === 0) await new Promise(setImmediate)
    proxy.subscription.unsubscribe()
    expect(peer.waiting).toBe(0)
    expect(await answer).toBe('ECONNRESET')
    proxyServer$({ port: proxy.port, peer }).subscribe().unsubscribe()
    const again = await firstValueFrom(proxyServer$({ port: proxy.port, peer }))
    expect(again.port).toBe(proxy.port)
  })
})
