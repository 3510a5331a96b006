/** Uploads that are refused before they are over: the client gets that answer, whatever it still sends. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { throwError } from 'rxjs'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { onCleanUp, peer, proxy, proxyForEach, startUpstream } from '../../support/proxy-fixture.node.js'

proxyForEach()

/** More than all buffers on the way hold, so that it cannot be sent before it is answered. */
const uploadBytes = 40_000_000

/** How a client says how long its upload is. */
const framings = {
  'a known length': [`Content-Length: ${uploadBytes}`],
  chunks: ['Transfer-Encoding: chunked'],
  'a known length that waits for 100': [`Content-Length: ${uploadBytes}`, 'Expect: 100-continue'],
  'chunks that wait for 100': ['Transfer-Encoding: chunked', 'Expect: 100-continue'],
} as const

/**
 * Sends all of the body, or as much as it can, and gives what came back by the end. Reads nothing before, if `late`, as
 * simple clients do. Does not wait for 100, as no client has to.
 */
function upload(path: string, lines: readonly string[], late: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true })
    onCleanUp(() => void socket.destroy())
    const chunked = lines.some(line => line.includes('chunked'))
    const piece = Buffer.alloc(50_000, 'x')
    const part = chunked
      ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
      : piece
    let rest = uploadBytes / piece.length
    let text = ''
    let over = false
    const more = (): void => {
      while (rest > 0 && !over && socket.writable) {
        rest -= 1
        if (!socket.write(part)) return
      }
      if (rest === 0 && chunked) socket.write('0\r\n\r\n')
      if (rest === 0) socket.resume()
      rest = -1
    }
    socket.on('data', data => {
      text += data.toString('latin1')
      over ||= /HTTP\/1\.1 [2-5]/.test(text)
    })
    if (late) socket.pause()
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
    socket.on('drain', more)
    socket.write([`PUT ${path} HTTP/1.1`, `Host: 127.0.0.1:${proxy.port}`, ...lines, '', ''].join('\r\n'))
    more()
  })
}

/** How a server refuses: what it says, and what it does then. */
const refusals = {
  'closes at once': ['HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n', 'destroy'],
  resets: ['HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno\n', 'resetAndDestroy'],
  'ends and does not read': [
    'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno\n\r\n0\r\n\r\n',
    'end',
  ],
  'says it in old HTTP': ['HTTP/1.0 507 Full\r\n\r\nno\n', 'destroy'],
} as const

/** A server that looks at the headers and no further. */
async function refusing([answer, close]: readonly [string, 'destroy' | 'resetAndDestroy' | 'end']): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    onCleanUp(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.pause()
      socket.write(answer, () => socket[close]())
    })
  }).listen(0, '127.0.0.1')
  onCleanUp(() => void server.close())
  await once(server, 'listening')
  peer.leadTo((server.address() as AddressInfo).port)
}

describe.each(Object.entries(framings))('an upload with %s', (_framing, lines) => {
  describe.each([
    ['reads while it sends', false],
    ['sends everything first', true],
  ])('by a client that %s', (_who, late) => {
    it.each(Object.entries(refusals))('brings the answer of a server that %s', async (_how, refusal) => {
      await refusing(refusal)
      for (let turn = 0; turn < 4; turn += 1) {
        const text = await upload('/inline/bob/film', lines, late)
        expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${refusal[0].slice(9, 12)} [^]*no\\n`))
      }
    })

    it('brings the answer of the proxy itself', async () => {
      peer.connection$ = () => throwError(() => new LighthouseError('no-coins', 'empty'))
      expect(await upload('/inline/bob/film', lines, late)).toMatch(/^HTTP\/1\.1 402 [^]*"no-coins"/)
      peer.leadTo(42001)
      expect(await upload('/proxy/bob/film', lines, late)).toMatch(/^HTTP\/1\.1 307 /)
      expect(await upload('/coins', lines, late)).toMatch(/^HTTP\/1\.1 405 /)
    })
  })
})

describe('Expect: 100-continue', () => {
  /** Sends the headers, and gives what comes first: the way is free, or an answer. */
  async function asking(): Promise<{ readonly first: 'continue' | number; readonly finish: () => Promise<string> }> {
    const headers = { expect: '100-continue', 'content-length': 5 }
    const req = request({ port: proxy.port, path: '/inline/bob/', method: 'PUT', headers, agent: false })
    req.on('error', () => undefined)
    onCleanUp(() => void req.destroy())
    req.flushHeaders()
    const response = once(req, 'response') as Promise<[IncomingMessage]>
    const first = await Promise.race([
      once(req, 'continue').then(() => 'continue' as const),
      response.then(([res]) => res.statusCode!),
    ])
    return {
      first,
      finish: async () => {
        req.end('hello')
        return Buffer.concat(await (await response)[0].toArray()).toString()
      },
    }
  }

  it('is answered by who is asked: a refusal costs no body', async () => {
    const { port, server } = await startUpstream(() => undefined)
    server.on('checkContinue', (_req, res) => void res.writeHead(413, { Connection: 'close' }).end())
    peer.leadTo(port)
    expect((await asking()).first).toBe(413)
  })

  it('is answered by who is asked: go on', async () => {
    const { port, server } = await startUpstream(() => undefined)
    server.on('checkContinue', (req, res) => {
      res.writeContinue()
      req.pipe(res)
    })
    peer.leadTo(port)
    const { first, finish } = await asking()
    expect(first).toBe('continue')
    expect(await finish()).toBe('hello')
  })

  it('is not asked of a server by a client of HTTP/1.0', async () => {
    const seen: IncomingMessage[] = []
    const { port } = await startUpstream((req, res) => {
      seen.push(req)
      req.pipe(res)
    })
    peer.leadTo(port)
    const socket = connect(proxy.port, '127.0.0.1')
    onCleanUp(() => void socket.destroy())
    socket.write(
      `PUT /inline/bob/ HTTP/1.0\r\nHost: 127.0.0.1:${proxy.port}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    )
    expect(Buffer.concat(await socket.toArray()).toString()).toMatch(/^HTTP\/1\.1 200 [^]*hello$/)
    expect(seen[0]!.headers.expect).toBeUndefined()
  })
})

describe('a connection that is closed gently', () => {
  const head = (path: string): string =>
    `PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nContent-Length: ${uploadBytes}\r\n\r\n`

  it('is closed at once when the proxy stops', async () => {
    peer.leadTo(42001)
    const socket: Socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
    onCleanUp(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket.resume().write(head('/proxy/bob/'))
    await once(socket, 'end')
    proxy.subscription.unsubscribe()
    while (!socket.closed) {
      socket.write('more')
      await new Promise(setImmediate)
    }
    expect(peer.asked).toEqual(['bob'])
  })

  it('brings no further request', async () => {
    peer.leadTo(42001)
    const socket: Socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
    onCleanUp(() => void socket.destroy())
    let text = ''
    socket.on('data', data => (text += data.toString('latin1')))
    socket.write(head('/proxy/bob/'))
    await once(socket, 'end')
    socket.on('error', () => undefined)
    socket.write(Buffer.alloc(uploadBytes))
    socket.end(head('/proxy/carol/'))
    await once(socket, 'close')
    expect(text).toMatch(/^HTTP\/1\.1 307 /)
    expect(peer.asked).toEqual(['bob'])
  })
})
