import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { filter, firstValueFrom, map, ReplaySubject, skip, type Subscription } from 'rxjs'
import { nodeTcp } from '../../../src/adapters/tcp/tcp.node.js'
import type { ByteSocket, SocketEvent, TcpListenEvent } from '../../../src/ports.js'
import type { LighthouseError } from '../../../src/protocol/errors.js'
import { backTo, resources } from '../../compliance/support/resources.js'
import { heapBytes } from '../../support/garbage.node.js'
import { isSame, patternBytes } from '../../support/pattern.js'

const host = '127.0.0.1'
const cleanups: (() => void)[] = []
let before: Readonly<Record<string, number>>

beforeEach(() => {
  before = resources()
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup()
  await backTo(before)
})

function keepSubscription(subscription: Subscription): Subscription {
  cleanups.push(() => subscription.unsubscribe())
  return subscription
}

/** What a ByteSocket says, in order. */
function record(socket: ByteSocket) {
  const event$ = new ReplaySubject<SocketEvent>()
  const outcome = { value: undefined as string | undefined }
  const over = new Promise<string>(resolve => {
    const end = (value: string): void => {
      outcome.value = value
      resolve(value)
    }
    keepSubscription(
      socket.event$.subscribe({
        next: event => event$.next(event),
        error: (error: LighthouseError) => end(error.code),
        complete: () => end('complete'),
      }),
    )
  })
  const next = (type: SocketEvent['type']): Promise<SocketEvent> =>
    firstValueFrom(event$.pipe(filter(event => event.type === type)))
  return { event$, over, outcome, next }
}

async function listen() {
  const events$ = new ReplaySubject<TcpListenEvent>()
  const subscription = keepSubscription(nodeTcp.listen$({ port: 0, host }).subscribe(events$))
  const { port } = await firstValueFrom(events$.pipe(filter(event => event.type === 'listening')))
  const socket$ = events$.pipe(
    filter(event => event.type === 'socket'),
    map(({ socket }) => socket),
  )
  let dialled = 0
  const dial = async (): Promise<{ readonly client: Socket; readonly socket: ByteSocket }> => {
    const client = connect({ port, host, allowHalfOpen: true })
    cleanups.push(() => client.destroy())
    const socket = await firstValueFrom(socket$.pipe(skip(dialled++)))
    if (client.connecting) await once(client, 'connect')
    return { client, socket }
  }
  return { port, subscription, dial }
}

async function service(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    cleanups.push(() => socket.destroy())
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  cleanups.push(() => server.close())
  server.listen(0, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

describe('nodeTcp.listen$', () => {
  it('says its port, then every connection', async () => {
    const { dial, port } = await listen()
    expect(port).toBeGreaterThan(0)
    const { client, socket } = await dial()
    const { next } = record(socket)
    client.write('hello')
    const event = await next('chunk')
    expect(event.type === 'chunk' && Buffer.from(event.bytes).toString()).toBe('hello')
  })

  it('binds for itself alone: port-in-use, with the port', async () => {
    const { port } = await listen()
    const error = await firstValueFrom(nodeTcp.listen$({ port, host })).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'port-in-use', details: { port } })
  })

  it('says address-unavailable for an address that is not this machine’s', async () => {
    const error = await firstValueFrom(nodeTcp.listen$({ port: 0, host: '192.0.2.77' })).catch(
      (cause: unknown) => cause,
    )
    expect(error).toMatchObject({ code: 'address-unavailable' })
  })

  it('closes the 513th connection at once, and no other', async () => {
    const { port, dial } = await listen()
    const open = await Promise.all(Array.from({ length: 512 }, dial))
    const more = connect({ port, host })
    for (const client of [more, ...open.map(({ client }) => client)]) client.on('error', () => undefined)
    await new Promise(resolve => more.resume().on('close', resolve))
    expect(open.some(({ client }) => client.destroyed)).toBe(false)
    open[0]!.socket.reset()
    await new Promise(resolve => open[0]!.client.on('close', resolve))
    open.push(await dial())
    for (const { client } of open) client.destroy()
    for (const { socket } of open) socket.reset()
  })

  it('frees the port at once when it is unsubscribed from', async () => {
    const { port, subscription } = await listen()
    subscription.unsubscribe()
    const again = nodeTcp.listen$({ port, host })
    expect(await firstValueFrom(again)).toEqual({ type: 'listening', port })
  })
})

describe('a socket of nodeTcp', () => {
  it('is half-open: it may write after the other program has ended, and complete after both', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    const { next, over, outcome } = record(socket)
    client.end('the request')
    await next('end')
    socket.write(Buffer.from('the answer'))
    const [answer] = (await once(client, 'data')) as [Buffer]
    expect([answer.toString(), outcome.value]).toEqual(['the answer', undefined])
    socket.end()
    client.resume()
    expect(await over).toBe('complete')
  })

  it('reports how much of what was written has been consumed', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    const { event$ } = record(socket)
    client.resume()
    const sizes = [1, 70_000, 3]
    const all = firstValueFrom(
      event$.pipe(
        filter(event => event.type === 'consumed'),
        map((event, index) => ({ bytes: event.bytes, index })),
        filter(({ index }) => index === sizes.length - 1),
      ),
    )
    for (const size of sizes) socket.write(new Uint8Array(size))
    await all
    const taken: number[] = []
    event$.subscribe(event => {
      if (event.type === 'consumed') taken.push(event.bytes)
    })
    expect(taken).toEqual(sizes)
  })

  it('does not report as consumed what its program does not read', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    client.pause()
    const { event$ } = record(socket)
    const taken: number[] = []
    event$.subscribe(event => {
      if (event.type === 'consumed') taken.push(event.bytes)
    })
    // More than both systems' buffers hold.
    for (let index = 0; index < 64; index++) socket.write(new Uint8Array(1024 * 1024))
    await new Promise(resolve => setImmediate(resolve))
    expect(taken.length).toBeLessThan(64)
    client.resume()
    await firstValueFrom(event$.pipe(filter(() => taken.length === 64)))
    expect(taken.reduce((sum, bytes) => sum + bytes, 0)).toBe(64 * 1024 * 1024)
  })

  it('says of each write whether it retains the bytes: not when the system has them, nor behind others', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    client.pause()
    record(socket)
    expect(socket.write(Buffer.from('fits'))).toBe('copied')
    // The first that does not fit is in use; what comes behind it is copied.
    const answers = Array.from({ length: 40 }, () => socket.write(new Uint8Array(1024 * 1024)))
    expect(answers.filter(answer => answer === 'retained')).toHaveLength(1)
    expect(socket.write(Buffer.from('behind'))).toBe('copied')
  })

  it('retains bytes that wait for the connection', async () => {
    const port = await service(socket => socket.resume())
    const socket = nodeTcp.dial({ host, port })
    const { next } = record(socket)
    expect([socket.write(Buffer.from('early')), socket.write(Buffer.from('late'))]).toEqual(['retained', 'copied'])
    await next('consumed')
  })

  it('buffers bytes behind others at about their size, however small the pieces, and brings them in order', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    client.pause()
    const { event$ } = record(socket)
    // What does not fit into both systems' buffers is what the pieces wait behind.
    const first = 64 * 1024 * 1024
    socket.write(new Uint8Array(first))
    const pieces = 262_144
    const before = await heapBytes()
    for (let index = 0; index < pieces; index++) socket.write(Uint8Array.of(index % 251))
    socket.end()
    expect((await heapBytes()) - before).toBeLessThan(4 * pieces)
    let [taken, received, wrong] = [0, 0, 0]
    event$.subscribe(event => {
      if (event.type === 'consumed') taken += event.bytes
    })
    client.on('data', (chunk: Buffer) => {
      for (let index = Math.max(0, first - received); index < chunk.length; index++) {
        if (chunk[index] !== (received + index - first) % 251) wrong++
      }
      received += chunk.length
    })
    await once(client.resume(), 'end')
    expect([taken, received, wrong]).toEqual([first + pieces, first + pieces, 0])
  })

  it('brings a program that pauses the bytes as they were written, though their memory is used again', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    client.pause()
    const { event$ } = record(socket)
    const size = 60_000
    const count = 400
    let scratch = new Uint8Array(size)
    for (let index = 0; index < count; index++) {
      scratch.set(patternBytes(1, index * size, size))
      // As the arena does: what is in use is given up, everything else is overwritten.
      if (socket.write(scratch)) scratch = new Uint8Array(size)
      else scratch.fill(0)
    }
    let received = 0
    let wrong = 0
    client.on('data', (bytes: Buffer) => {
      if (!isSame(bytes, patternBytes(1, received, bytes.length))) wrong++
      received += bytes.length
    })
    client.resume()
    let taken = 0
    await firstValueFrom(
      event$.pipe(filter(event => event.type === 'consumed' && (taken += event.bytes) === size * count)),
    )
    while (received < size * count) await once(client, 'data')
    expect([received, wrong]).toEqual([size * count, 0])
  })

  it('shows an abort as a reset, never as an end', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    const { over } = record(socket)
    let ended = false
    client.on('end', () => (ended = true)).resume()
    socket.write(Buffer.from('a part'))
    await once(client, 'data')
    socket.reset()
    socket.reset()
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    expect([error.code, ended, await over]).toEqual(['ECONNRESET', false, 'stream-reset'])
  })

  it('shows a reset when it is unsubscribed from in the middle', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    const subscription = socket.event$.subscribe()
    client.write('x')
    subscription.unsubscribe()
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
  })

  it('errors when the other program resets it', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    const { over, next } = record(socket)
    client.write('x')
    await next('chunk')
    client.resetAndDestroy()
    expect(await over).toBe('stream-reset')
  })

  it.each([
    ['idle', 0],
    ['written to', 1024 * 1024 * 64],
  ])('errors, and says no end, when a reset arrives together with data (%s)', async (_name, pending) => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    client.pause()
    const { over, event$ } = record(socket)
    const types: string[] = []
    event$.subscribe(({ type }) => types.push(type))
    if (pending > 0) socket.write(new Uint8Array(pending))
    client.write('the last words', () => client.resetAndDestroy())
    expect(await over).toBe('stream-reset')
    expect(types).toEqual(['chunk'])
  })

  it('is over at once when it is aborted while its last words wait for a program that does not read', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    client.pause()
    const { over } = record(socket)
    socket.write(new Uint8Array(1024 * 1024 * 64))
    socket.end()
    socket.reset()
    expect(await over).toBe('stream-reset')
  })

  it('errors at once when it is read after it broke', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    const { over } = record(socket)
    client.resetAndDestroy()
    await over
    expect(await record(socket).over).toBe('stream-reset')
    socket.write(new Uint8Array(10))
    socket.end()
    socket.pause()
    socket.reset()
  })

  it('stops reading while it is paused, so that pressure reaches the program, and resumes', async () => {
    const { dial } = await listen()
    const { client, socket } = await dial()
    const { event$ } = record(socket)
    let received = 0
    event$.subscribe(event => {
      if (event.type === 'chunk') received += event.bytes.length
    })
    socket.pause()
    const total = 64 * 1024 * 1024
    let drained = false
    client.write(new Uint8Array(total), () => (drained = true))
    // A round over another connection: by then this one has been read from, if it ever is.
    const other = await dial()
    other.client.write('x')
    await record(other.socket).next('chunk')
    expect(received).toBeLessThanOrEqual(65_536)
    expect(drained).toBe(false)
    socket.resume()
    await firstValueFrom(event$.pipe(filter(() => received === total)))
    expect(received).toBe(total)
  })

  it('that is paused before it is read says nothing but that it broke, and what was written once it goes on', async () => {
    const { dial } = await listen()
    const [stays, breaks] = [await dial(), await dial()]
    for (const { socket } of [stays, breaks]) socket.pause()
    const [one, other] = [record(stays.socket), record(breaks.socket)]
    stays.client.end('unread')
    breaks.client.resetAndDestroy()
    expect(await other.over).toBe('stream-reset')
    const types: string[] = []
    for (const { event$ } of [one, other]) event$.subscribe(({ type }) => types.push(type))
    expect(types).toEqual([])
    stays.socket.resume()
    await one.next('end')
    expect(types).toEqual(['chunk', 'end'])
  })

  it('says an end without data that came before it was read, and only once it goes on', async () => {
    const { dial } = await listen()
    const [empty, later] = [await dial(), await dial()]
    empty.socket.pause()
    for (const { client } of [empty, later]) client.end()
    // Both ends have come by then: the connections are handled in turn.
    await record(later.socket).next('end')
    const types: string[] = []
    const { event$, next } = record(empty.socket)
    event$.subscribe(({ type }) => types.push(type))
    expect(types).toEqual([])
    empty.socket.resume()
    await next('end')
    expect(types).toEqual(['end'])
  })
})

describe('nodeTcp.dial', () => {
  it('may be written to before it is connected', async () => {
    const port = await service(socket => socket.pipe(socket))
    const socket = nodeTcp.dial({ host, port })
    const { next, over } = record(socket)
    socket.write(Buffer.from('early'))
    socket.end()
    const event = await next('chunk')
    expect(event.type === 'chunk' && Buffer.from(event.bytes).toString()).toBe('early')
    expect(await over).toBe('complete')
  })

  it('reads nothing from the system while it is paused, and all of it then', async () => {
    const total = 8 * 1024 * 1024
    const port = await service(socket => socket.end(new Uint8Array(total)))
    const [held, other] = [nodeTcp.dial({ host, port }), nodeTcp.dial({ host, port })]
    held.pause()
    const { event$, next } = record(held)
    // The other one was dialled later and is read to its end: by then this one would have been read from.
    await record(other).next('end')
    const types: string[] = []
    let received = 0
    event$.subscribe(event => {
      types.push(event.type)
      if (event.type === 'chunk') received += event.bytes.length
    })
    expect(types).toEqual([])
    held.resume()
    await next('chunk')
    held.pause()
    const before = received
    await record(nodeTcp.dial({ host, port })).next('end')
    expect(received).toBe(before)
    held.resume()
    await next('end')
    expect(received).toBe(total)
  })

  it.each(['destroy', 'resetAndDestroy'] as const)(
    'tells what a program said that takes no more, and then that it broke (%s)',
    async close => {
      const port = await service(socket => {
        socket.once('data', () => {
          socket.pause()
          socket.write('no', () => socket[close]())
        })
      })
      for (let turn = 0; turn < 20; turn++) {
        const socket = nodeTcp.dial({ host, port })
        const { event$, over, outcome } = record(socket)
        const said: string[] = []
        event$.subscribe(event => {
          if (event.type !== 'consumed')
            said.push(event.type === 'chunk' ? Buffer.from(event.bytes).toString() : event.type)
        })
        while (outcome.value === undefined) {
          socket.write(new Uint8Array(10_000))
          await new Promise(resolve => setImmediate(resolve))
        }
        expect([await over, said]).toEqual(['stream-reset', ['no']])
      }
    },
  )

  it('breaks when a program that has ended its side closes the connection', async () => {
    const services: Socket[] = []
    const port = await service(socket => {
      services.push(socket)
      socket.once('data', () => socket.pause().end('no'))
    })
    const socket = nodeTcp.dial({ host, port })
    const { over, next, outcome } = record(socket)
    socket.write(new Uint8Array(10_000))
    await next('end')
    services[0]!.destroy()
    while (outcome.value === undefined) {
      socket.write(new Uint8Array(10_000))
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(await over).toBe('stream-reset')
  })

  it('says its local port while it is connected, and again when it is over', async () => {
    const seen: number[] = []
    const port = await service(socket => {
      seen.push(socket.remotePort!)
      socket.end()
    })
    const calls: [number, boolean][] = []
    const socket = nodeTcp.dial({ host, port, onLocalPort: (local, open) => calls.push([local, open]) })
    const { next, over } = record(socket)
    await next('end')
    socket.end()
    await over
    await new Promise(resolve => setImmediate(resolve))
    expect(calls).toEqual([
      [seen[0], true],
      [seen[0], false],
    ])
  })

  it('says nothing of a port when nobody listens, and errors', async () => {
    const { port, subscription } = await listen()
    subscription.unsubscribe()
    const calls: unknown[] = []
    const socket = nodeTcp.dial({ host, port, onLocalPort: (...call) => calls.push(call) })
    expect(await record(socket).over).toBe('stream-reset')
    expect(calls).toEqual([])
  })

  it('leaves nothing when it is aborted before it is connected', async () => {
    const port = await service(() => undefined)
    const socket = nodeTcp.dial({ host, port })
    socket.reset()
    expect(await record(socket).over).toBe('stream-reset')
  })
})
