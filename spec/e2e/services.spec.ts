/**
 * `--share host:port`: any TCP service of the sharing machine, through the proxy and through the tunnel's port itself.
 */
import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { WebSocket, WebSocketServer } from 'ws'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { open, readText } from '../support/transfer.node.js'

const startCluster = clusters()
let alice: ClusterPeer
let web: HttpServer
let lines: Server

/** A line protocol in which either side may say that it is done before the other is. */
function serveLines(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  let heard = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    heard += chunk
    // The one who hangs up first: says so, sends no more, and goes on listening.
    if (heard.startsWith('goodbye\n') && socket.writable) socket.end('bye, tell me more\n')
  })
  socket.on('end', () => {
    const count = heard.split('\n').length - 1
    if (socket.writable) socket.end(`${count} lines, the last was ${heard.split('\n').at(-2)}\n`)
    else lines.emit('heard', heard)
  })
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

beforeAll(async () => {
  web = createHttpServer((req, res) => {
    req
      .setEncoding('utf8')
      .toArray()
      .then(
        parts => res.end(`${req.method} ${req.url} ${parts.join('')}`),
        (error: unknown) => res.destroy(error as Error),
      )
  })
  const sockets = new WebSocketServer({ server: web })
  sockets.on('connection', (socket, { url }) => {
    socket.send(`welcome to ${url}`)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  lines = createServer({ allowHalfOpen: true }, serveLines)
  for (const server of [web, lines]) await once(server.listen(0, '127.0.0.1'), 'listening')
  const { peers } = await startCluster({
    alice: {},
    webber: { share: `127.0.0.1:${portOf(web)}` },
    liner: { share: `127.0.0.1:${portOf(lines)}` },
  })
  alice = peers.alice!
})

afterAll(() => {
  web.close()
  web.closeAllConnections()
  lines.close()
})

/** The next message of a WebSocket. */
async function message(socket: WebSocket): Promise<Buffer> {
  const [data] = (await once(socket, 'message')) as [Buffer]
  return data
}

describe('a shared web server', () => {
  it.each(['/proxy', '/inline'])('echoes WebSocket messages through %s', async mount => {
    const socket = new WebSocket(`${alice.proxy.replace('http', 'ws').slice(0, -1)}${mount}/webber/chat?room=1`)
    expect((await message(socket)).toString()).toBe('welcome to /chat?room=1')
    socket.send('grüß dich 🎈')
    expect((await message(socket)).toString()).toBe('grüß dich 🎈')
    const large = Buffer.alloc(3_000_000, 'media')
    socket.send(large)
    expect((await message(socket)).equals(large)).toBe(true)
    socket.close(4001, 'enough')
    expect((await once(socket, 'close'))[0]).toBe(4001)
  })

  it('gets a POST that was redirected with its body, by 307', async () => {
    const url = `${alice.proxy}proxy/webber/form?x=%20`
    const redirect = await open(url, { method: 'POST', body: 'a=1', follow: false })
    expect(redirect.status).toBe(307)
    const question = { method: 'POST', body: 'a=1', headers: { 'content-length': '3' } }
    expect((await readText(url, question)).text).toBe('POST /form?x=%20 a=1')
    expect((await readText(url.replace('/proxy/', '/inline/'), question)).text).toBe('POST /form?x=%20 a=1')
  })
})

/** All that the other side says until it is done. Leaves our own direction open. */
async function hear(socket: Socket): Promise<string> {
  let heard = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    heard += chunk
  })
  await once(socket, 'end')
  return heard
}

describe('a shared service that is not HTTP', () => {
  const tunnel = async (): Promise<Socket> => {
    const { headers } = await open(`${alice.proxy}proxy/liner/`, { follow: false })
    const { hostname, port } = new URL(headers.location!)
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }

  it('answers after its client has half-closed', async () => {
    const socket = await tunnel()
    socket.end('one\ntwo\nthree\n')
    expect(await hear(socket)).toBe('3 lines, the last was three\n')
  })

  it('goes on reading after it has half-closed itself', async () => {
    const socket = await tunnel()
    const heard = once(lines, 'heard')
    socket.write('goodbye\n')
    expect(await hear(socket)).toBe('bye, tell me more\n')
    // Our direction is still open.
    const more = 'and another thing\n'.repeat(50_000)
    socket.end(more)
    const [whole] = (await heard) as [string]
    expect([whole.length, whole === `goodbye\n${more}`]).toEqual([more.length + 8, true])
  })

  it('carries a hundred connections beside each other', async () => {
    const sockets = await Promise.all(Array.from({ length: 100 }, tunnel))
    const answers = sockets.map(socket => hear(socket))
    for (const [index, socket] of sockets.entries()) socket.end(`number ${index}\n`)
    expect(await Promise.all(answers)).toEqual(sockets.map((_, index) => `1 lines, the last was number ${index}\n`))
  })
})
