import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import { WebSocket, WebSocketServer } from 'ws'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { ask, cleanUp, exchange, onCleanUp, startUpstream } from '../../support/proxy-fixture.node.js'
import { helloFor } from '../../support/tls-hello.node.js'
import { converse, startService, startTunnel, type TunnelFixture } from '../../support/tunnel-fixture.node.js'

afterEach(cleanUp)

const hello = (_req: IncomingMessage, res: ServerResponse): void =>
  void res.setHeader('Content-Type', 'text/plain').end('hello')

async function site(listener = hello, options?: Parameters<typeof startTunnel>[1]): Promise<TunnelFixture> {
  const { port } = await startUpstream(listener)
  return startTunnel(() => port, options)
}

const browser = {
  'sec-fetch-site': 'none',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-user': '?1',
}
const own = ({ port }: TunnelFixture): string => `bob.localhost:${port}`

describe('the names of a tunnel', () => {
  it.each(['127.0.0.1', 'localhost', '[::1]', 'bob.localhost', 'BOB.localhost'])('%s is one', async name => {
    const tunnel = await site()
    expect(await ask(tunnel.port, '/', { headers: { host: `${name}:${tunnel.port}` } })).toMatchObject({ status: 200 })
  })

  it.each([
    ['none', []],
    ['two', ['Host: OWN', 'Host: OWN']],
    ['another', ['Host: evil.example']],
    ['another with the port', ['Host: evil.example:PORT']],
    ['one without the port', ['Host: 127.0.0.1']],
    ['one with another port', ['Host: 127.0.0.1:1']],
    ['a longer one', ['Host: bob.localhost.evil.example:PORT']],
    ['one below its own', ['Host: a.bob.localhost:PORT']],
    ['one that no peer has', ['Host: xn--bb-eka.localhost:PORT']],
  ])('with %s it is 421, and nothing reaches the peer', async (_what, lines) => {
    const tunnel = await site()
    const head = ['GET / HTTP/1.1', ...lines, '\r\n'].join('\r\n')
    const text = head.replaceAll('OWN', `127.0.0.1:${tunnel.port}`).replaceAll('PORT', String(tunnel.port))
    expect(await exchange(tunnel.port, text)).toMatch(/^HTTP\/1\.1 421 [^]*Connection: close/i)
    expect(tunnel.streams()).toBe(0)
  })

  it.each(['carol', 'c4-r0l'])('of another peer, %s, lead to the proxy, and to no other bytes', async name => {
    const tunnel = await site(hello, { proxyPort: 41_999 })
    const answer = await ask(tunnel.port, '/a%2Fb?c', { headers: { host: `${name}.localhost:${tunnel.port}` } })
    expect([answer.status, answer.headers.location]).toEqual([302, `http://127.0.0.1:41999/proxy/${name}/a%2Fb?c`])
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(tunnel.streams()).toBe(0)
  })

  it('can be more where a port is forwarded', async () => {
    const tunnel = await site(({ headers }, res) => res.end(headers.host), { allowedHosts: ['nas.local', 'desk:8080'] })
    const status = async (host: string) => (await ask(tunnel.port, '/', { headers: { host } })).status
    expect([await status('nas.local:1'), await status('NAS.local'), await status('desk:8080')]).toEqual([200, 200, 200])
    expect([await status('desk:8081'), await status('desk')]).toEqual([421, 421])
    const { body } = await ask(tunnel.port, '/', { headers: { host: 'desk:8080' } })
    expect(body).toBe(`127.0.0.1:${tunnel.port}`)
  })

  it('of browsers are the peer’s own', async () => {
    const tunnel = await site()
    const answer = await ask(tunnel.port, '/x?y', { headers: { ...browser, host: `127.0.0.1:${tunnel.port}` } })
    expect([answer.status, answer.headers.location]).toEqual([302, `http://${own(tunnel)}/x?y`])
    const headers = { ...browser, host: own(tunnel) }
    expect(await ask(tunnel.port, '/', { headers })).toMatchObject({ status: 200, body: 'hello' })
    expect(tunnel.streams()).toBe(1)
  })
})

describe('what other pages ask of a tunnel', () => {
  it.each<[string, Record<string, string>, number]>([
    [
      'a script of another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
      403,
    ],
    [
      'a page on another port',
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      403,
    ],
    ['another origin', { origin: 'http://evil.example' }, 403],
    ['no origin of its own', { origin: 'null' }, 403],
    ['a navigation without a click', { ...browser, 'sec-fetch-site': 'cross-site', 'sec-fetch-user': '?0' }, 403],
    ['a frame', { ...browser, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' }, 403],
    [
      'a service worker',
      { 'service-worker': 'script', 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'serviceworker' },
      403,
    ],
    ['a click', { ...browser, 'sec-fetch-site': 'cross-site' }, 200],
    [
      'a page of the same peer',
      { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      200,
    ],
  ])('%s', async (_who, headers, status) => {
    const tunnel = await site()
    expect((await ask(tunnel.port, '/', { headers: { ...headers, host: own(tunnel) } })).status).toBe(status)
    expect(tunnel.streams()).toBe(status === 200 ? 1 : 0)
  })

  it.each([
    { origin: 'http://evil.example' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'websocket', 'sec-fetch-dest': 'websocket' },
    { host: 'evil.example' },
  ])('a WebSocket with %j is refused', async headers => {
    const tunnel = await site()
    const socket = new WebSocket(`ws://127.0.0.1:${tunnel.port}/`, { headers })
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error.message).toMatch(/Unexpected server response: 4(?:03|21)/)
    expect(tunnel.streams()).toBe(0)
  })
})

describe('what a peer serves on its tunnel', () => {
  const powerful: Record<string, string> = {
    'set-cookie': 'a=b',
    'service-worker-allowed': '/',
    'access-control-allow-origin': '*',
    'access-control-allow-credentials': 'true',
    'clear-site-data': '"*"',
    'alt-svc': 'h3=":443"',
    'strict-transport-security': 'max-age=99999',
    refresh: '0; url=http://evil.example/',
    'x-own': 'kept',
  }

  it.each([
    ['programs', {}],
    ['browsers', browser],
  ])('has no powers over what %s keep', async (_who, headers) => {
    const tunnel = await site((_req, res) => res.writeHead(200, { ...powerful, 'content-type': 'text/plain' }).end('x'))
    const answer = await ask(tunnel.port, '/', { headers: { ...headers, host: own(tunnel) } })
    const passed = Object.keys(powerful).filter(name => answer.headers[name] === powerful[name])
    expect(passed).toEqual(['x-own'])
  })

  it('keeps a Refresh to itself', async () => {
    const tunnel = await site((_req, res) => res.writeHead(200, { refresh: '1; url=/next' }).end())
    expect((await ask(tunnel.port, '/', { headers: { host: own(tunnel) } })).headers['refresh']).toBe('1; url=/next')
  })

  it.each([
    [301, 302],
    [308, 307],
    [302, 302],
    [303, 303],
  ])('redirects with %i as %i', async (sent, passed) => {
    const tunnel = await site((_req, res) => res.writeHead(sent, { location: '/there' }).end())
    const answer = await ask(tunnel.port, '/', { headers: { host: own(tunnel) } })
    expect([answer.status, answer.headers.location]).toEqual([passed, '/there'])
  })

  it.each([
    ['text/html', 'max-age=99999', true],
    ['image/svg+xml', 'max-age=99999', true],
    ['video/mp4', 'max-age=99999', false],
    ['application/pdf', 'no-store', false],
  ])('is in a sandbox as %s where a browser keeps nothing', async (type, caching, isInSandbox) => {
    const tunnel = await site((_req, res) =>
      res
        .writeHead(200, {
          'content-type': type,
          'cache-control': caching,
          'content-security-policy': "script-src 'none'",
        })
        .end('x'),
    )
    const { headers } = await ask(tunnel.port, '/', { headers: { ...browser, host: own(tunnel) } })
    expect(String(headers['content-security-policy']).includes('sandbox')).toBe(isInSandbox)
    expect(headers['cache-control']).toBe(isInSandbox || caching === 'no-store' ? 'no-store' : 'no-cache')
    const plain = await ask(tunnel.port, '/', { headers: { host: own(tunnel) } })
    expect(plain.headers).toMatchObject({ 'cache-control': caching, 'content-security-policy': "script-src 'none'" })
  })

  it('is asked about when it wants to run something, once for each peer', async () => {
    const tunnel = await site((_req, res) =>
      res.writeHead(200, { 'content-type': 'text/html' }).end('<script></script>'),
    )
    const headers = { ...browser, host: own(tunnel) }
    const asked = await ask(tunnel.port, '/a?b', { headers })
    expect([asked.status, asked.headers.location]).toEqual([302, 'http://127.0.0.1:42000/sites/bob?to=%2Fa%3Fb'])
    tunnel.sites.choose('bob', 'plain')
    const plain = await ask(tunnel.port, '/', { headers })
    expect([plain.status, String(plain.headers['content-security-policy'])]).toEqual([
      200,
      expect.stringContaining('sandbox'),
    ])
    tunnel.sites.choose('bob', 'trusted')
    const trusted = await ask(tunnel.port, '/', { headers })
    expect([trusted.status, trusted.headers['content-security-policy']]).toEqual([200, "frame-ancestors 'self'"])
  })

  it('cannot change with an answer that nothing changed what a browser has been told', async () => {
    const tunnel = await site((_req, res) =>
      res
        .writeHead(304, { etag: '"a"', 'content-type': 'text/html', 'content-security-policy': 'default-src *' })
        .end(),
    )
    const { status, headers } = await ask(tunnel.port, '/', { headers: { ...browser, host: own(tunnel) } })
    expect([status, headers.etag, headers['content-type'], headers['content-security-policy']]).toEqual([
      304,
      '"a"',
      undefined,
      undefined,
    ])
  })

  it('spends 10 coins an hour at most by itself', async () => {
    const tunnel = await site((_req, res) => res.end(Buffer.alloc(4_000_000)))
    const image = {
      host: own(tunnel),
      'sec-fetch-site': 'same-origin',
      'sec-fetch-mode': 'no-cors',
      'sec-fetch-dest': 'image',
    }
    const fetched = async (headers: Record<string, string>): Promise<number> => {
      try {
        const { status, body } = await ask(tunnel.port, '/a', { headers })
        return status === 200 ? body.length : -status
      } catch {
        return 0
      }
    }
    expect([await fetched(image), await fetched(image)]).toEqual([4_000_000, 4_000_000])
    // The third one breaks at the bound.
    expect([await fetched(image), await fetched(image)]).toEqual([0, -403])
    expect(await fetched({ host: own(tunnel) })).toBe(4_000_000)
    tunnel.sites.choose('bob', 'plain')
    expect(await fetched({ ...browser, host: own(tunnel) })).toBe(4_000_000)
    tunnel.sites.allowMore('bob')
    expect(await fetched(image)).toBe(4_000_000)
  })
})

describe('HTTP through a tunnel', () => {
  const get = (port: number, path = '/', lines: readonly string[] = []): string =>
    [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...lines, '\r\n'].join('\r\n')

  it('carries requests one after the other, and at once, on a connection that stays', async () => {
    const tunnel = await site(({ url }, res) => res.end(`<${url}>`))
    const text = get(tunnel.port, '/1') + get(tunnel.port, '/2') + get(tunnel.port, '/3', ['Connection: close'])
    expect((await exchange(tunnel.port, text)).match(/<[^>]*>/g)).toEqual(['</1>', '</2>', '</3>'])
  })

  it('answers a program that has ended its side', async () => {
    const tunnel = await site((_req, res) => setImmediate(() => res.end('late')))
    expect(await converse(tunnel.port, get(tunnel.port, '/'), { end: true, until: /late/ })).toMatch(/ 200 [^]*late/)
  })

  it('brings headers before a body that takes its time, events as they come, and trailers', async () => {
    let finish = (): void => undefined
    const tunnel = await site((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', trailer: 'x-sum' })
      res.flushHeaders()
      finish = () => {
        res.write('data: 1\n\n')
        res.addTrailers({ 'x-sum': '42' })
        res.end()
      }
    })
    const req = request({ host: '127.0.0.1', port: tunnel.port, agent: false }).end()
    const [answer] = (await once(req, 'response')) as [IncomingMessage]
    const heard = Promise.all([once(answer, 'data'), once(answer, 'end')])
    finish()
    const [[event]] = await heard
    expect([String(event), answer.trailers]).toEqual(['data: 1\n\n', { 'x-sum': '42' }])
  })

  it('asks for a body only once the other side wants it', async () => {
    const { port, server } = await startUpstream((req, res) => void req.pipe(res))
    let wanted = 0
    server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
      wanted += 1
      res.writeContinue()
      req.pipe(res)
    })
    const tunnel = await startTunnel(() => port)
    const req = request({
      host: '127.0.0.1',
      port: tunnel.port,
      method: 'PUT',
      headers: { expect: '100-continue' },
      agent: false,
    })
    req.flushHeaders()
    await once(req, 'continue')
    req.end('the body')
    const [answer] = (await once(req, 'response')) as [IncomingMessage]
    const [body] = (await once(answer, 'data')) as [Buffer]
    expect([wanted, body.toString()]).toEqual([1, 'the body'])
  })

  it('joins WebSockets', async () => {
    const { port, server } = await startUpstream(hello)
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', socket => socket.on('message', data => socket.send(data)))
    sockets.on('headers', headers => headers.push('Set-Cookie: a=b'))
    onCleanUp(() => sockets.clients.forEach(client => client.terminate()))
    const tunnel = await startTunnel(() => port)
    const socket = new WebSocket(`ws://127.0.0.1:${tunnel.port}/`)
    onCleanUp(() => socket.terminate())
    const [[answer]] = (await Promise.all([once(socket, 'upgrade'), once(socket, 'open')])) as [
      [IncomingMessage],
      unknown,
    ]
    socket.send('echo')
    expect([String((await once(socket, 'message'))[0]), answer.headers['set-cookie']]).toEqual(['echo', undefined])
  })

  it('leaves HTTP for another protocol as the two sides agree', async () => {
    const { port, server } = await startUpstream(hello)
    server.on('upgrade', (req, socket, head) => {
      socket.write(`HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n`)
      socket.on('error', () => undefined)
      socket.write(head)
      socket.pipe(socket)
    })
    const tunnel = await startTunnel(() => port)
    const text = `${get(tunnel.port, '/attach', ['Connection: Upgrade', 'Upgrade: tcp'])}raw bytes`
    expect(await converse(tunnel.port, text, { until: /raw bytes/ })).toMatch(
      /^HTTP\/1\.1 101 UPGRADED[^]*Upgrade: tcp/,
    )
  })

  it.each<[string, LighthouseError, number]>([
    ['is offline', new LighthouseError('peer-offline', 'bob is not signed in'), 502],
    ['cannot be paid', new LighthouseError('no-coins', 'empty'), 402],
    ['does not answer', new LighthouseError('connect-timeout', 'late'), 504],
    ['has too many streams', new LighthouseError('too-many-streams', 'full'), 503],
    ['made room for another', new LighthouseError('too-many-connections', 'evicted'), 503],
    ['resets the stream', new LighthouseError('stream-reset', 'reset'), 502],
  ])('says why when the peer %s', async (_what, reason, status) => {
    const tunnel = await site(hello, { failure: () => reason })
    const answer = await ask(tunnel.port, '/', { headers: { accept: 'application/json' } })
    expect([answer.status, (JSON.parse(answer.body) as { code: string }).code]).toEqual([status, reason.code])
  })

  it('says so when nothing listens behind it, and works as soon as something does', async () => {
    const { port, server } = await startUpstream(hello)
    const tunnel = await startTunnel(() => port)
    server.close()
    await once(server, 'close')
    expect(await ask(tunnel.port, '/')).toMatchObject({
      status: 502,
      body: expect.stringContaining('may not be running'),
    })
    const again = createServer(hello).listen(port, '127.0.0.1')
    onCleanUp(() => void again.close())
    await once(again, 'listening')
    expect((await ask(tunnel.port, '/')).status).toBe(200)
  })
})

describe('other protocols through a tunnel', () => {
  it.each([
    'hello',
    'GET key\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\x00',
  ])('%j is carried as it is', async bytes => {
    const { port } = await startService(socket => socket.pipe(socket))
    const tunnel = await startTunnel(() => port)
    const text = await converse(tunnel.port, Buffer.from(bytes, 'latin1'), { end: true })
    expect(text).toBe(bytes)
  })

  it('begins with the other side where the program waits for it', async () => {
    const { port } = await startService(socket => {
      socket.write('220 ready\r\n')
      socket.pipe(socket)
    })
    const tunnel = await startTunnel(() => port)
    const socket = connect(tunnel.port, '127.0.0.1').on('error', () => undefined)
    onCleanUp(() => void socket.destroy())
    expect(String((await once(socket, 'data'))[0])).toBe('220 ready\r\n')
    socket.write('abc')
    expect(String((await once(socket, 'data'))[0])).toBe('abc')
    socket.write('HELO me\r\n')
    expect(String((await once(socket, 'data'))[0])).toBe('HELO me\r\n')
  })

  it('takes a connection that was opened early for HTTP, when that is what comes', async () => {
    const tunnel = await site()
    const socket = connect(tunnel.port, '127.0.0.1').on('error', () => undefined)
    onCleanUp(() => void socket.destroy())
    while (tunnel.streams() === 0) await new Promise(setImmediate)
    socket.write('GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n')
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 421 /)
  })

  it('carries TLS for its own names, and turns a page away that has it for another, before the peer hears of it', async () => {
    const { port } = await startService(socket => socket.once('data', bytes => socket.end(bytes)))
    const tunnel = await startTunnel(() => port)
    const alert = '\x15\x03\x03\x00\x02\x02\x70'
    const heard = async (name?: string): Promise<string> => converse(tunnel.port, await helloFor(name))
    expect(await heard('evil.example')).toBe(alert)
    expect(tunnel.streams()).toBe(0)
    expect(await heard('bob.localhost')).toMatch(/^\x16\x03.*bob\.localhost/s)
    expect(await heard()).toMatch(/^\x16\x03/)
    expect(tunnel.streams()).toBe(2)
  })

  it('turns such a page away that was silent at first', async () => {
    const { port } = await startService(() => undefined)
    const tunnel = await startTunnel(() => port)
    const socket = connect(tunnel.port, '127.0.0.1')
    onCleanUp(() => void socket.destroy())
    while (tunnel.streams() === 0) await new Promise(setImmediate)
    socket.write(await helloFor('evil.example'))
    expect((await once(socket, 'data'))[0]).toEqual(Buffer.of(21, 3, 3, 0, 2, 2, 112))
    await once(socket.resume(), 'close')
  })

  it('lets no page speak to a service that spoke first', async () => {
    const { port } = await startService(socket => socket.write('220 ready\r\n'))
    const tunnel = await startTunnel(() => port)
    const socket = connect(tunnel.port, '127.0.0.1').on('error', () => undefined)
    await once(socket, 'data')
    socket.write('POST / HTTP/1.1\r\nHost: evil.example\r\n\r\n')
    expect(await once(socket, 'error')).toMatchObject([{ code: 'ECONNRESET' }])
  })

  it('frees its port and closes what it answered when it closes', async () => {
    const tunnel = await site()
    const socket = connect(tunnel.port, '127.0.0.1').on('error', () => undefined)
    socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${tunnel.port}\r\n\r\n`)
    await once(socket, 'data')
    const over = new Promise(resolve => socket.on('error', () => undefined).on('close', resolve))
    tunnel.close()
    await over
    const server = createServer().listen(tunnel.port, '127.0.0.1')
    await once(server, 'listening')
    expect(server.listening).toBe(true)
    server.close()
  })
})
