/** What becomes of the connections on both sides of `/inline`: kept, half-closed, pipelined. */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import type { Tunnel } from '../../../src/protocol/tunnels/tunnels.js'
import {
  exchange,
  onCleanUp,
  peer,
  proxy,
  proxyForEach,
  startUpstream,
  until,
} from '../../support/proxy-fixture.node.js'

proxyForEach()

/** A server that answers everything with these bytes and ends. What it was sent, by connection. */
async function answering(bytes: string): Promise<string[]> {
  const seen: string[] = []
  const server = createServer(socket => {
    onCleanUp(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket.once('data', data => {
      seen.push(data.toString('latin1'))
      socket.end(Buffer.from(bytes, 'latin1'))
    })
  }).listen(0, '127.0.0.1')
  onCleanUp(() => void server.close())
  await once(server, 'listening')
  peer.leadTo((server.address() as AddressInfo).port)
  return seen
}

const get = (path: string, version = '1.1', lines: readonly string[] = []): string =>
  [`GET ${path} HTTP/${version}`, `Host: 127.0.0.1:${proxy.port}`, ...lines, '', ''].join('\r\n')

describe('the headers of a connection', () => {
  it('of the client end at the proxy', async () => {
    const seen = await answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    await exchange(
      proxy.port,
      get('/inline/bob/', '1.1', [
        'Connection: close, X-Hop, TE',
        'X-Hop: 1',
        'TE: trailers',
        'Trailer: X-Sum',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'Proxy-Authorization: Basic eDp5',
        'X-Mine: 1',
      ]),
    )
    const names = [...seen[0]!.matchAll(/^([^:\r\n]+): /gm)].map(([, name]) => name!.toLowerCase())
    expect(names.toSorted()).toEqual(['connection', 'host', 'x-mine'])
    expect(seen[0]).toMatch(/\r\nConnection: close\r\n/i)
  })

  it.each([
    ['a length', 'Content-Length: 2\r\n', 'ok'],
    ['chunks', 'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n', '2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n'],
    ['its end', '', 'ok'],
  ])('of the tunnel end at the proxy, where an answer is framed by %s', async (_what, framing, body) => {
    await answering(
      `HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\n${framing}\r\n${body}`,
    )
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onCleanUp(() => agent.destroy())
    const ports = new Set<number | undefined>()
    for (let count = 0; count < 3; count += 1) {
      const req = request({ port: proxy.port, path: '/inline/bob/', agent }).end()
      const [res] = (await once(req, 'response')) as [IncomingMessage]
      ports.add(res.socket.localPort)
      expect(Buffer.concat(await res.toArray()).toString()).toBe('ok')
      expect(res.headers.connection).toBe('keep-alive')
      for (const name of ['x-hop', 'proxy-authenticate', 'upgrade', 'trailer']) {
        expect(res.headers).not.toHaveProperty([name])
      }
    }
    expect(ports.size).toBe(1)
  })

  it('close where the client wants it closed', async () => {
    await answering('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok')
    const text = await exchange(proxy.port, get('/inline/bob/', '1.1', ['Connection: close']))
    expect(text).toMatch(/\r\nConnection: close\r\n/)
    expect(await exchange(proxy.port, get('/inline/bob/', '1.0'))).toMatch(/\r\nConnection: close\r\n[^]*ok$/)
  })

  it('give no chunks to a client that does not know them', async () => {
    await answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n')
    const text = await exchange(proxy.port, get('/inline/bob/', '1.0'))
    expect(text).toMatch(/\r\n\r\nok$/)
    expect(text).not.toMatch(/transfer-encoding/i)
  })
})

describe('a client that has ended its side', () => {
  /** Sends, ends its own side, and gives all that comes until the other one ends. */
  function halfClosed(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(text))
      onCleanUp(() => void socket.destroy())
      const chunks: Buffer[] = []
      socket.on('data', chunk => chunks.push(chunk))
      socket.on('end', () => resolve(Buffer.concat(chunks).toString('latin1')))
      socket.on('error', reject)
    })
  }

  it.each(['1.0', '1.1'])('gets its answer from the proxy itself over HTTP/%s', async version => {
    expect(await halfClosed(get('/coins', version))).toMatch(/^HTTP\/1\.1 200 [^]*61\.947635\n$/)
    expect(await halfClosed(get('/', version))).toMatch(/<h1>alice<\/h1>/)
    expect(await halfClosed(get('/nothing', version))).toMatch(/^HTTP\/1\.1 404 /)
  })

  it.each(['1.0', '1.1'])('gets the redirect and the answer of a peer, however late, over HTTP/%s', async version => {
    const { port } = await startUpstream((_req, res) => setImmediate(() => res.end('the answer')))
    for (const [mount, answer] of [
      ['proxy', /^HTTP\/1\.1 302 /],
      ['inline', /the answer/],
    ] as const) {
      const tunnel$ = new Subject<Tunnel>()
      peer.connection$ = () => tunnel$
      const text = halfClosed(get(`/${mount}/bob/`, version))
      await until(() => peer.waiting === 1)
      // By then the end has been seen and looked into: what comes on another connection is later.
      await exchange(proxy.port, get('/coins', '1.1', ['Connection: close']))
      expect(peer.waiting).toBe(1)
      tunnel$.next({ nickname: 'bob', host: '127.0.0.1', port })
      expect(await text).toMatch(answer)
    }
  })

  it('gets the answers to all that it has sent', async () => {
    const text = await halfClosed(get('/coins') + get('/nothing') + get('/coins'))
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
  })

  it('gets its answer after an upload', async () => {
    const { port } = await startUpstream((req, res) => void req.pipe(res))
    peer.leadTo(port)
    const head = `PUT /inline/bob/ HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nContent-Length: 5\r\n\r\n`
    expect(await halfClosed(`${head}hello`)).toMatch(/hello/)
  })
})

describe('requests sent at once', () => {
  it('are all answered, in order, one at a time', async () => {
    const count = 300
    let open = 0
    let most = 0
    const { port } = await startUpstream((req, res) => {
      open += 1
      most = Math.max(most, open)
      setImmediate(() => {
        open -= 1
        res.end(`<${req.url}>`)
      })
    })
    peer.leadTo(port)
    const requests = Array.from({ length: count }, (_, index) => get(`/inline/bob/${index}`))
    const text = await exchange(proxy.port, `${requests.join('')}${get('/coins', '1.1', ['Connection: close'])}`)
    expect(text.match(/<\/\d+>/g)).toEqual(requests.map((_, index) => `</${index}>`))
    expect(text).toMatch(/61\.947635\n$/)
    expect(most).toBe(1)
  })

  it('wait outside while others of the connection wait inside', async () => {
    const tunnel$ = new Subject<Tunnel>()
    peer.connection$ = () => tunnel$
    const socket = connect(proxy.port, '127.0.0.1')
    onCleanUp(() => void socket.destroy())
    const drained = { value: false }
    // More than the systems of both ends buffer.
    const requests = get('/proxy/bob/').repeat(250_000)
    socket.write(requests, () => (drained.value = true))
    await until(() => peer.waiting === 1)
    for (let count = 0; count < 5; count += 1) await exchange(proxy.port, get('/coins', '1.1', ['Connection: close']))
    expect(peer.asked).toHaveLength(1)
    expect(drained.value).toBe(false)
    let answers = 0
    socket.on('data', data => (answers += data.toString('latin1').split('HTTP/1.1 302').length - 1))
    peer.leadTo(42001)
    tunnel$.next({ nickname: 'bob', host: '127.0.0.1', port: 42001 })
    await until(() => answers > 2_000)
  })

  it('are bounded: where too many wait in all, the connections that bring more are closed, and no other', async () => {
    const tunnel$ = new Subject<Tunnel>()
    peer.connection$ = () => tunnel$
    const each = 1_000
    const clients = Array.from({ length: 6 }, () => {
      const client = { socket: connect(proxy.port, '127.0.0.1'), answers: 0 }
      onCleanUp(() => void client.socket.destroy())
      client.socket.on('error', () => undefined)
      client.socket.on('data', data => (client.answers += data.toString('latin1').split('HTTP/1.1 302').length - 1))
      client.socket.write(get('/proxy/bob/').repeat(each))
      return client
    })
    await until(() => clients.some(({ socket }) => socket.closed))
    expect((await exchange(proxy.port, get('/coins', '1.1', ['Connection: close']))).slice(9, 12)).toBe('200')
    const open = clients.filter(({ socket }) => !socket.closed)
    expect(open.length).toBeGreaterThanOrEqual(4)
    peer.leadTo(42001)
    tunnel$.next({ nickname: 'bob', host: '127.0.0.1', port: 42001 })
    await until(() => open.every(({ answers, socket }) => answers === each || socket.closed))
    expect(open.filter(({ answers }) => answers === each).length).toBeGreaterThanOrEqual(4)
  })
})
