import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { asyncScheduler, filter, firstValueFrom, map, NEVER, ReplaySubject, type Subscription } from 'rxjs'
import { nodeTcp } from '../../src/adapters/tcp/tcp.node.js'
import type { TcpListenEvent } from '../../src/ports.js'
import { session$ } from '../../src/streams/mux/session.js'
import type { SessionEvent } from '../../src/streams/mux/session-reports.js'
import { isSame, patternBytes } from '../support/pattern.js'
import type { ChannelPair } from './support/pairs.js'
import { backTo, resources } from './support/resources.js'

const sessionOptions = {
  agreement: { version: 2, rst: true } as const,
  roundTripMs$: NEVER,
  clock: performance,
  scheduler: asyncScheduler,
}

/** So many bytes of the pattern, in the pieces of a busy program. */
function* pieces(total: number): Generator<Uint8Array> {
  for (let offset = 0; offset < total; offset += 500_000) {
    yield patternBytes(3, offset, Math.min(500_000, total - offset))
  }
}

/** What a program behind the far session does with each connection. */
type Service = (socket: Socket) => void

/** All until the other side's end; the socket can still be written to, which iterating over it would end. */
function readAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('end', () => resolve(Buffer.concat(chunks)))
    socket.once('error', reject)
  })
}

/** Two sessions joined over a channel, with real TCP connections at both ends. */
export function describeSession(name: string, makePair: () => Promise<ChannelPair>): void {
  describe(`two sessions over ${name}`, () => {
    let before: Readonly<Record<string, number>>
    let pair: ChannelPair
    let server: Server
    let service: Service
    let served: Socket[]
    let clients: Socket[]
    let port: number
    let subscriptions: Subscription[] = []
    const errors: unknown[] = []

    beforeEach(async () => {
      before = resources()
      errors.length = 0
      served = []
      clients = []
      pair = await makePair()
      server = createServer({ allowHalfOpen: true }, socket => {
        served.push(socket)
        socket.on('error', () => undefined)
        service(socket)
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const target = (server.address() as AddressInfo).port
      const listener$ = new ReplaySubject<TcpListenEvent>()
      const listening = nodeTcp.listen$({ port: 0, host: '127.0.0.1' }).subscribe(listener$)
      const listen = firstValueFrom(listener$.pipe(filter(event => event.type === 'listening')))
      const socket$ = listener$.pipe(
        filter(event => event.type === 'socket'),
        map(({ socket }) => socket),
      )
      const observer = { next: (_event: SessionEvent) => undefined, error: (error: unknown) => errors.push(error) }
      const [near, far] = pair.channels
      subscriptions = [
        listening,
        session$({ ...sessionOptions, channel: near, role: 'client', socket$ }).subscribe(observer),
        session$({
          ...sessionOptions,
          channel: far,
          role: 'server',
          socket$: NEVER,
          dial: () => nodeTcp.dial({ host: '127.0.0.1', port: target }),
        }).subscribe(observer),
      ]
      port = (await listen).port
    })

    afterEach(async () => {
      for (const socket of [...clients, ...served]) socket.destroy()
      for (const subscription of subscriptions) subscription.unsubscribe()
      for (const close of pair.close) close()
      server.close()
      await backTo(before)
    })

    const dial = (): Socket => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      clients.push(socket)
      return socket
    }

    it('carries several streams at once, each whole, and both halves of each', async () => {
      service = socket => socket.pipe(socket)
      const sizes = [0, 1, 4095, 4096, 4097, 65_536, 300_000, 900_000]
      const answers = await Promise.all(
        sizes.map((size, index) => {
          const socket = dial()
          socket.end(patternBytes(index, 0, size))
          return readAll(socket)
        }),
      )
      expect(answers.map((answer, index) => isSame(answer, patternBytes(index, 0, sizes[index]!)))).toEqual(
        sizes.map(() => true),
      )
      expect(errors).toEqual([])
    })

    it('half-closes: an answer may begin after the end of the request', async () => {
      service = socket => {
        void readAll(socket).then(request => socket.end(`you said ${request.toString()}`))
      }
      const socket = dial()
      socket.end('hello')
      expect((await readAll(socket)).toString()).toBe('you said hello')
    })

    it('carries ten million bytes with the right hash', async () => {
      const total = 10_000_000
      const hash = createHash('sha256')
      for (const piece of pieces(total)) hash.update(piece)
      service = socket => {
        for (const piece of pieces(total)) socket.write(piece)
        socket.end()
      }
      const socket = dial()
      socket.end()
      const got = createHash('sha256').update(await readAll(socket))
      expect(got.digest('hex')).toBe(hash.digest('hex'))
    })

    it('resets one stream at both ends without disturbing another', async () => {
      const broken: Promise<unknown>[] = []
      service = socket => {
        // Until it is stopped.
        const more = (): void => {
          while (!socket.destroyed && socket.write(patternBytes(3, 0, 65_536)));
        }
        socket.once('data', kind => {
          if (kind.toString() !== 'endless') {
            socket.end(patternBytes(4, 0, 700_000))
            return
          }
          broken.push(new Promise(resolve => socket.once('close', resolve)))
          socket.on('drain', more)
          more()
        })
      }
      const endless = dial()
      endless.write('endless')
      await once(endless, 'data')
      const other = dial()
      other.end('the other')
      const answer = readAll(other)
      endless.resetAndDestroy()
      await Promise.all(broken)
      expect(isSame(await answer, patternBytes(4, 0, 700_000))).toBe(true)
      expect(errors).toEqual([])
    })

    it('shows a program whose other end breaks a reset, never an end', async () => {
      service = socket => {
        socket.write('the beginning')
        socket.once('data', () => socket.resetAndDestroy())
      }
      const socket = dial()
      await once(socket, 'data')
      socket.write('now')
      const [error] = (await once(socket, 'error').catch((cause: unknown) => [cause])) as [NodeJS.ErrnoException]
      expect(error.code).toBe('ECONNRESET')
    })

    it('shows every program a reset when the channel ends', async () => {
      service = socket => void socket.write('the beginning')
      const sockets = [dial(), dial()]
      await Promise.all(sockets.map(socket => once(socket, 'data')))
      const failures = sockets.map(async socket => {
        const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
        return error.code
      })
      pair.close[1]()
      expect(await Promise.all(failures)).toEqual(['ECONNRESET', 'ECONNRESET'])
    })
  })
}
