import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import type { Server } from 'node:http'
import { describe, expect, it } from '@jest/globals'
import { Subject, throwError } from 'rxjs'
import { WebSocket, WebSocketServer } from 'ws'
import type { Tunnel } from '../../../src/protocol/tunnels/tunnels.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
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
const handshake = (path: string, lines: readonly string[] = [`Host: 127.0.0.1:${proxy.port}`]): string =>
  [
    `GET ${path} HTTP/1.1`,
    ...lines,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n',
  ].join('\r\n')

/** A WebSocket server that echoes, and says where it was asked. */
async function echo(): Promise<{ readonly server: Server; readonly sockets: WebSocketServer }> {
  const { port, server } = await startUpstream((_req, res) => res.end())
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, req) => {
    socket.send(`${req.headers.host} ${req.url} ${req.headers.cookie}`)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  sockets.on('headers', headers => headers.push('Set-Cookie: a=b'))
  onCleanUp(() => sockets.clients.forEach(client => client.terminate()))
  peer.leadTo(port)
  return { server, sockets }
}

function open(path: string): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, { headers: { cookie: 'other=service' } })
  onCleanUp(() => socket.terminate())
  return socket
}

/** A server that keeps its sockets and answers with these bytes, if any. */
async function bytesUpstream(bytes: string): Promise<Socket[]> {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(Buffer.from(bytes, 'latin1')))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onCleanUp(() => {
    server.close()
    sockets.forEach(socket => socket.destroy())
  })
  peer.leadTo((server.address() as AddressInfo).port)
  return sockets
}

describe('WebSocket upgrades', () => {
  it.each(['/proxy', '/inline'])('under %s reach the tunnel with path, host and messages', async mount => {
    const { server } = await echo()
    const socket = open(`${mount}/bob/a%2Fb//c?x=1`)
    const upgrade = once(socket, 'upgrade')
    const [greeting] = await once(socket, 'message')
    expect(String(greeting)).toBe(`127.0.0.1:${(server.address() as AddressInfo).port} /a%2Fb//c?x=1 undefined`)
    expect((await upgrade)[0].headers['set-cookie']).toBeUndefined()
    const big = Buffer.alloc(1_000_000, 7)
    socket.send(big)
    expect(Buffer.compare((await once(socket, 'message'))[0] as Buffer, big)).toBe(0)
  })

  it('ends the other side when one closes, with the code', async () => {
    const { sockets } = await echo()
    const socket = open('/proxy/bob/')
    await once(socket, 'message')
    const [server] = sockets.clients
    const closed = once(server!, 'close')
    socket.close(4001, 'enough')
    expect(String((await closed)[0])).toBe('4001')
  })

  it('breaks the client off when the tunnel breaks', async () => {
    const { sockets } = await echo()
    const socket = open('/proxy/bob/')
    await once(socket, 'message')
    const closed = once(socket, 'close')
    socket.on('error', () => undefined)
    for (const client of sockets.clients) client.terminate()
    expect((await closed)[0]).toBe(1006)
  })

  it('leaves nothing when the proxy stops', async () => {
    const { sockets } = await echo()
    const socket = open('/proxy/bob/')
    await once(socket, 'message')
    socket.on('error', () => undefined)
    const closed = once(socket, 'close')
    proxy.subscription.unsubscribe()
    expect((await closed)[0]).toBe(1006)
    await until(() => sockets.clients.size === 0)
  })

  it.each([
    [[], 421],
    [['Host: evil.example'], 421],
    [['Host: OWN', 'Host: OWN'], 421],
    [['Host: OWN', 'Origin: http://evil.example'], 403],
    [['Host: OWN', 'Origin: null'], 403],
    [['Host: OWN', 'Origin: http://127.0.0.1:42001'], 403],
    [['Host: OWN', 'Sec-Fetch-Site: same-site', 'Sec-Fetch-Mode: websocket'], 403],
    [['Host: OWN', 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'], 403],
  ])('with %j get %d', async (lines, status) => {
    const own = lines.map(line => line.replace('OWN', `127.0.0.1:${proxy.port}`))
    for (const path of ['/proxy/bob/', '/inline/bob/', '/events', '/']) {
      expect(await exchange(proxy.port, handshake(path, own))).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    }
    expect(peer.asked).toEqual([])
  })

  it('pass from a page of our own', async () => {
    await echo()
    const host = `127.0.0.1:${proxy.port}`
    const socket = connect(proxy.port, '127.0.0.1')
    onCleanUp(() => void socket.destroy())
    socket.write(handshake('/proxy/bob/', [`Host: ${host}`, `Origin: http://${host}`, 'Sec-Fetch-Site: same-origin']))
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 101/)
  })

  it.each([
    ['/proxy/Bob/', 400],
    ['/coins', 404],
    ['/', 404],
  ])('to %s get %d', async (path, status) => {
    const answer = await exchange(proxy.port, handshake(path))
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toContain('Connection: close')
  })

  it('get the failure of the attempt', async () => {
    peer.connection$ = () => throwError(() => new LighthouseError('no-coins', 'empty'))
    const answer = await exchange(proxy.port, handshake('/proxy/bob/'))
    expect(answer).toMatch(/^HTTP\/1.1 402 /)
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ code: 'no-coins' })
  })

  it('get 502 when the tunnel fails before an answer', async () => {
    const sockets = await bytesUpstream('')
    const answer = exchange(proxy.port, handshake('/proxy/bob/'))
    await until(() => sockets.length === 1)
    sockets[0]!.destroy()
    expect(await answer).toMatch(/^HTTP\/1.1 502 /)
  })

  it('get the reason when the connection ended before an answer', async () => {
    const sockets = await bytesUpstream('')
    const answer = exchange(proxy.port, handshake('/proxy/bob/'))
    await until(() => sockets.length === 1)
    peer.ends.set('bob', new LighthouseError('no-coins', 'your coins are used up'))
    sockets[0]!.destroy()
    expect(await answer).toMatch(/^HTTP\/1.1 402 /)
  })

  it('get the refusal of the other side', async () => {
    await bytesUpstream('HTTP/1.1 403 N\x01o\r\nContent-Length: 4\r\nSet-Cookie: a=b\r\n\r\nnope')
    const answer = await exchange(proxy.port, handshake('/proxy/bob/'))
    expect(answer).toMatch(/^HTTP\/1.1 403 /)
    expect(answer).toMatch(/nope$/)
    expect(answer.toLowerCase()).not.toContain('set-cookie')
  })

  it('get the refusal of the other side whole and without the headers of its connection', async () => {
    const headers =
      'Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nLocation: http://other.example/'
    await bytesUpstream(`HTTP/1.1 302 Found\r\n${headers}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n`)
    const answer = await exchange(proxy.port, handshake('/inline/bob/'))
    expect(answer).toMatch(/^HTTP\/1\.1 302 [^]*\r\nConnection: close\r\n[^]*\r\n\r\n4\r\nnope\r\n0\r\n\r\n/i)
    expect(answer).not.toMatch(/x-hop|keep-alive|location/i)
    await bytesUpstream('HTTP/1.1 000 Odd\r\nContent-Length: 2\r\n\r\nok')
    expect(await exchange(proxy.port, handshake('/inline/bob/'))).toMatch(/^HTTP\/1\.1 502 /)
  })

  it('drop the wish of a client that leaves', async () => {
    peer.connection$ = () => new Subject<Tunnel>()
    for (const leave of ['destroy', 'end', 'resetAndDestroy'] as const) {
      const socket = connect(proxy.port, '127.0.0.1')
      socket.write(handshake('/proxy/bob/'))
      await until(() => peer.waiting === 1)
      socket[leave]()
      await until(() => peer.waiting === 0)
    }
    expect(peer.asked).toEqual(['bob', 'bob', 'bob'])
  })

  it('end upstream when the client leaves before the answer', async () => {
    const sockets = await bytesUpstream('')
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write(handshake('/proxy/bob/'))
    await until(() => sockets.length === 1)
    socket.end()
    await until(() => sockets[0]!.closed)
    expect(sockets).toHaveLength(1)
  })

  it('of other kinds are refused when they carry a body', async () => {
    const answer = await exchange(
      proxy.port,
      `POST /inline/bob/ HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 404 /)
    expect(peer.asked).toEqual([])
  })
})
