import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { LighthouseError } from '../../../src/protocol/errors.js'
import {
  ask,
  exchange,
  onCleanUp,
  peer,
  proxy,
  proxyForEach,
  startUpstream,
  until,
} from '../../support/proxy-fixture.node.js'

proxyForEach()

/** An upstream that answers every request with this, whatever it was. */
async function upstream(listener: (req: IncomingMessage, res: ServerResponse) => void): Promise<number> {
  const { port } = await startUpstream(listener)
  peer.leadTo(port)
  return port
}

/** An upstream that sends these very bytes to everybody and lets the test end the sockets. */
async function bytesUpstream(bytes: string, end = false): Promise<Socket[]> {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(Buffer.from(bytes, 'latin1'))
      if (end) socket.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onCleanUp(() => {
    server.close()
    sockets.forEach(socket => socket.destroy())
  })
  peer.leadTo((server.address() as AddressInfo).port)
  return sockets
}

describe('/inline/:nickname/*', () => {
  it('carries method, path, query, headers and body, and brings the answer', async () => {
    const seen: IncomingMessage[] = []
    const port = await upstream((req, res) => {
      seen.push(req)
      res.writeHead(201, { 'X-Own': 'yes', 'Content-Type': 'text/plain' })
      req.pipe(res)
    })
    const answer = await ask(proxy.port, '/inline/bob/a%2Fb/../c?x=%20&y', {
      method: 'PUT',
      headers: { 'x-mine': '1', cookie: 'other=service', te: 'trailers', connection: 'x-hop', 'x-hop': '1' },
      body: 'hello',
    })
    expect(answer).toMatchObject({ status: 201, body: 'hello', headers: { 'x-own': 'yes' } })
    expect(seen[0]).toMatchObject({ method: 'PUT', url: '/a%2Fb/../c?x=%20&y' })
    expect(seen[0]!.headers).toMatchObject({ host: `127.0.0.1:${port}`, 'x-mine': '1', 'content-length': '5' })
    for (const name of ['cookie', 'te', 'x-hop']) expect(seen[0]!.headers[name]).toBeUndefined()
  })

  it.each([
    ['/inline/bob', '/'],
    ['/inline/bob?x', '/?x'],
    ['/inline/bob//double//slash', '//double//slash'],
    ['/inline/bob/%00%ff%zz', '/%00%ff%zz'],
    ['/inline/bob/caf%C3%A9%e2%80%8b', '/caf%C3%A9%e2%80%8b'],
    ['/inline/bob/x?a?b', '/x?a?b'],
    ['/inline/bob/x?', '/x?'],
    ['/inline/bob/http://evil.example/', '/http://evil.example/'],
  ])('%j asks for %j', async (path, url) => {
    await upstream((req, res) => res.end(req.url, 'latin1'))
    const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: close\r\n\r\n`
    expect(await exchange(proxy.port, Buffer.from(head, 'latin1'))).toContain(url)
  })

  it('carries a DELETE with a body of unknown length', async () => {
    await upstream((req, res) => req.pipe(res))
    const answer = await exchange(
      proxy.port,
      `DELETE /inline/bob/ HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    )
    expect(answer).toContain('hello')
  })

  it('asks for a body only once there is somewhere to put it', async () => {
    await upstream((req, res) => req.pipe(res))
    const req = request({ port: proxy.port, path: '/inline/bob/', method: 'PUT', headers: { expect: '100-continue' } })
    req.flushHeaders()
    await once(req, 'continue')
    req.end('hello')
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    expect(String((await res.toArray())[0])).toBe('hello')
  })

  it('streams both ways without waiting for the end', async () => {
    await upstream((req, res) => {
      res.flushHeaders()
      req.on('data', chunk => res.write(chunk))
      req.on('end', () => res.end())
    })
    const req = request({ port: proxy.port, path: '/inline/bob/', method: 'POST' })
    req.write('one')
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    expect(String((await once(res, 'data'))[0])).toBe('one')
    req.write('two')
    expect(String((await once(res, 'data'))[0])).toBe('two')
    req.end()
    await once(res, 'end')
  })

  it.each([
    ['next?page=2', '/inline/bob/films/next?page=2'],
    ['/top', '/inline/bob/top'],
    ['../../../proxy/carol/', '/inline/bob/proxy/carol/'],
    ['http://127.0.0.1:PORT/x?y', '/inline/bob/x?y'],
  ])('shows the Location %j as %j', async (sent, shown) => {
    const port: number = await upstream((_req, res) => {
      res.writeHead(302, { Location: sent.replace('PORT', String(port)) }).end()
    })
    expect((await ask(proxy.port, '/inline/bob/films/')).headers.location).toBe(shown)
  })

  it.each([301, 302, 303, 307, 308])(
    'names where a %d out of the share leads, and does not send anybody there',
    async status => {
      const target = 'http://127.0.0.1:1/proxy/carol/'
      await upstream(
        (_req, res) => void res.writeHead(status, { Location: target, Refresh: `0; url=${target}` }).end('x'),
      )
      const program = await ask(proxy.port, '/inline/bob/')
      expect(program.status).toBe(502)
      expect(program.headers).not.toHaveProperty('location')
      expect(program.headers).not.toHaveProperty('refresh')
      expect(JSON.parse(program.body)).toMatchObject({
        title: 'bob redirects you elsewhere',
        detail: expect.stringContaining(target),
      })
      const person = await ask(proxy.port, '/inline/bob/', { headers: { accept: 'text/html' } })
      expect(person.body).toContain(`<a href="${target}">`)
    },
  )

  it('makes no link of a redirect to something else than a page', async () => {
    await upstream((_req, res) => void res.writeHead(302, { Location: 'javascript:alert(1)' }).end())
    const { status, body } = await ask(proxy.port, '/inline/bob/', { headers: { accept: 'text/html' } })
    expect(status).toBe(502)
    expect(body).toContain('javascript:alert(1)')
    expect(body).not.toContain('href')
  })

  it('passes no address on in other headers', async () => {
    await upstream((_req, res) => {
      res.writeHead(201, {
        Location: 'http://other.example/',
        'Content-Location': '/a',
        Link: '<http://other.example/>; rel=preload, </b>; rel=next',
        Refresh: '3; url=/proxy/carol/',
      })
      res.end()
    })
    const { status, headers } = await ask(proxy.port, '/inline/bob/')
    expect(status).toBe(201)
    for (const name of ['location', 'content-location', 'link', 'refresh']) expect(headers).not.toHaveProperty(name)
  })

  it('removes powers over this origin from what others serve', async () => {
    await upstream((_req, res) => {
      res.writeHead(200, {
        'Content-Type': 'text/html',
        'Set-Cookie': 'a=b',
        'Service-Worker-Allowed': '/',
        'Access-Control-Allow-Origin': '*',
        'Clear-Site-Data': '"*"',
        'Content-Security-Policy': 'default-src *; frame-ancestors *',
        'Cross-Origin-Resource-Policy': 'cross-origin',
        Connection: 'close, X-Hop',
        'X-Hop': '1',
      })
      res.end('<script>fetch("/proxy/carol/")</script>')
    })
    const { headers } = await ask(proxy.port, '/inline/bob/')
    const gone = ['set-cookie', 'service-worker-allowed', 'access-control-allow-origin', 'clear-site-data', 'x-hop']
    for (const name of gone) expect(headers[name]).toBeUndefined()
    expect(headers['content-security-policy']).toBe("sandbox allow-downloads; frame-ancestors 'none'")
    expect(headers['cross-origin-resource-policy']).toBe('same-origin')
  })

  it.each([
    ['video/mp4', false],
    ['image/png', false],
    ['image/svg+xml', true],
    ['application/xml', true],
    ['', true],
  ])('puts %j in a sandbox: %s', async (type, sandboxed) => {
    await upstream((_req, res) => {
      if (type !== '') res.setHeader('Content-Type', type)
      res.end()
    })
    const policy = (await ask(proxy.port, '/inline/bob/')).headers['content-security-policy']
    expect(String(policy).startsWith('sandbox')).toBe(sandboxed)
  })

  it('says 502 when the tunnel fails before an answer', async () => {
    const { port, server } = await startUpstream(req => req.socket.destroy())
    peer.leadTo(port)
    const broken = await ask(proxy.port, '/inline/bob/', { headers: { accept: 'text/html' } })
    expect(broken.status).toBe(502)
    expect(broken.body).toContain('The connection to bob was lost')
    server.close()
    await once(server, 'close')
    expect((await ask(proxy.port, '/inline/bob/')).status).toBe(502)
  })

  it('says why the tunnel is over when the connection ended before an answer', async () => {
    const { port } = await startUpstream(req => {
      peer.ends.set('bob', new LighthouseError('no-coins', 'your coins are used up'))
      req.socket.resetAndDestroy()
    })
    peer.leadTo(port)
    const { status, body } = await ask(proxy.port, '/inline/bob/')
    expect(status).toBe(402)
    expect(JSON.parse(body)).toMatchObject({ code: 'no-coins', detail: 'your coins are used up' })
  })

  it.each([
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin', 'end'],
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin', 'resetAndDestroy'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n', 'end'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n', 'resetAndDestroy'],
    ['up to the close', 'HTTP/1.1 200 OK\r\n\r\nbegin', 'resetAndDestroy'],
  ] as const)('breaks the client off when an answer %s is cut: %#', async (_what, bytes, cut) => {
    const sockets = await bytesUpstream(bytes)
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write(`GET /inline/bob/ HTTP/1.0\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
    let text = ''
    const began = new Promise<void>(resolve => {
      socket.on('data', chunk => {
        text += chunk.toString()
        if (text.endsWith('begin')) resolve()
      })
    })
    const failed = once(socket, 'error')
    await began
    sockets[0]![cut]()
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET')
  })

  it('ends cleanly where the other side did', async () => {
    await bytesUpstream('HTTP/1.1 200 OK\r\n\r\nall of it', true)
    expect((await ask(proxy.port, '/inline/bob/')).body).toBe('all of it')
  })

  it.each([
    ['HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok', 200],
    ['HTTP/1.1 000 Odd\r\nContent-Length: 2\r\n\r\nok', 502],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok', 502],
    ['SSH-2.0-OpenSSH_9.9\r\n', 502],
    ['HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok', 502],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, 502],
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n', 502],
  ])('survives the answer %.40j', async (bytes, status) => {
    await bytesUpstream(bytes)
    expect((await ask(proxy.port, '/inline/bob/')).status).toBe(status)
  })

  it('leaves no request upstream when twenty clients abort', async () => {
    let open = 0
    await upstream((_req, res) => {
      open += 1
      res.once('close', () => (open -= 1))
      res.setHeader('Content-Type', 'video/mp4')
      const more = (): void => {
        while (!res.destroyed && res.write(Buffer.alloc(65_536)));
      }
      res.on('drain', more)
      more()
    })
    const clients = Array.from({ length: 20 }, () => {
      const req = request({ port: proxy.port, path: '/inline/bob/film.mp4', agent: false })
      req.on('error', () => undefined)
      req.end()
      return req
    })
    await Promise.all(clients.map(async req => once((await once(req, 'response'))[0] as IncomingMessage, 'data')))
    expect(open).toBe(20)
    for (const req of clients) req.destroy()
    await until(() => open === 0)
    expect(peer.waiting).toBe(0)
  })

  it('leaves none when the client leaves before the answer', async () => {
    let open = 0
    await upstream((_req, res) => {
      open += 1
      res.once('close', () => (open -= 1))
    })
    const req = request({ port: proxy.port, path: '/inline/bob/', agent: false })
    req.on('error', () => undefined)
    req.end()
    await until(() => open === 1)
    req.destroy()
    await until(() => open === 0)
    expect((await ask(proxy.port, '/coins')).status).toBe(200)
  })
})
