import { describe, expect, it, jest } from '@jest/globals'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { filter, firstValueFrom, lastValueFrom, type Observable, ReplaySubject, tap, toArray } from 'rxjs'
import { Server } from 'socket.io'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { socketIoTransport } from '../../../src/adapters/hub/socket-io.client.js'
import { authText } from '../../../src/protocol/signaling/signed-texts.js'
import type { SignalTransportEvent } from '../../../src/ports.js'
import type { Signal } from '../../../src/protocol/signaling/signal.js'
import type { Hub } from '../../../src/hub/app.js'
import { signedReceipt } from '../../streams/support/coins.js'
import { bob, self } from '../../support/receipts.js'
import { type Account, cleanup, description, newAccount, register, startHub } from '../../hub/support.js'

type EventOf<Type> = Extract<SignalTransportEvent, { type: Type }>

/** Connects, answers challenges, and records everything. Disconnected when the test ends. */
function connect(hub: Pick<Hub, 'url'>, { pubKey, privKey }: Account, options: { readonly ifFree?: boolean } = {}) {
  const event$ = new ReplaySubject<SignalTransportEvent>()
  const subscription = socketIoTransport(hub.url, options)
    .connect$(pubKey)
    .pipe(
      tap(event => {
        if (event.type !== 'challenge') return
        event.respond(nodeCrypto.sign(privKey, authText(String(event.hubKey), String(event.challenge))))
      }),
    )
    .subscribe(event$)
  cleanup(() => subscription.unsubscribe())
  const first = <Type extends SignalTransportEvent['type']>(type: Type): Promise<EventOf<Type>> =>
    firstValueFrom((event$ as Observable<any>).pipe(filter(event => event.type === type)))
  return { event$, subscription, first }
}

describe('socketIoTransport', () => {
  it('signs in, sends and receives', async () => {
    const hub = await startHub()
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const [atAlice, atBob] = [connect(hub, alice), connect(hub, bob)]
    const welcome = await atAlice.first('authenticated')
    expect(welcome).toMatchObject({ coins: '100.000000', iceServers: [], head: { seq: 2 } })
    await atBob.first('authenticated')
    const offer = description('offer', hub, alice, bob) as unknown as Signal
    expect(await firstValueFrom(welcome.connection.send$(offer).pipe(toArray()))).toEqual([{ delivered: true }])
    expect((await atBob.first('signal')).message).toEqual(offer)
    const stranger = description('offer', hub, alice, newAccount('x')) as unknown as Signal
    expect(await firstValueFrom(welcome.connection.send$(stranger))).toMatchObject({ error: { code: 'unknown-peer' } })
  })

  it('errors with not-authenticated when the hub refuses the key', async () => {
    const hub = await startHub()
    const { event$ } = connect(hub, newAccount('nobody'))
    await expect(lastValueFrom(event$)).rejects.toMatchObject({ code: 'not-authenticated' })
  })

  it('reports that a newer session has replaced it, before it loses the connection', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const older = connect(hub, alice)
    await older.first('authenticated')
    await connect(hub, alice).first('authenticated')
    await older.first('replaced')
    await expect(lastValueFrom(older.event$)).rejects.toMatchObject({ code: 'hub-unreachable' })
  })

  it('takes over from nobody where it is to sign in only if the key is free', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const first = connect(hub, alice, { ifFree: true })
    await first.first('authenticated')
    const second = connect(hub, alice, { ifFree: true })
    await expect(lastValueFrom(second.event$)).rejects.toMatchObject({ code: 'session-replaced' })
    expect(first.event$.closed).toBe(false)
  })

  it('errors with hub-unreachable when the hub goes, and so does what is sent then', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const { event$, first } = connect(hub, alice)
    const { connection } = await first('authenticated')
    hub.subscription.unsubscribe()
    await expect(lastValueFrom(event$)).rejects.toMatchObject({ code: 'hub-unreachable' })
    const bye = description('offer', hub, alice, alice) as unknown as Signal
    await expect(firstValueFrom(connection.send$(bye))).rejects.toMatchObject({ code: 'hub-unreachable' })
  })

  it('errors with hub-unreachable when nobody listens', async () => {
    const hub = await startHub()
    hub.subscription.unsubscribe()
    const { event$ } = connect(hub, newAccount('alice'))
    await expect(lastValueFrom(event$)).rejects.toMatchObject({ code: 'hub-unreachable' })
  })

  it('closes its socket when unsubscribed: the hub says offline at once', async () => {
    const hub = await startHub()
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const [atAlice, atBob] = [connect(hub, alice), connect(hub, bob)]
    const { connection } = await atAlice.first('authenticated')
    await atBob.first('authenticated')
    atBob.subscription.unsubscribe()
    const offer = description('offer', hub, alice, bob) as unknown as Signal
    const settle = async (): Promise<unknown> => {
      const ack = await firstValueFrom(connection.send$(offer))
      return 'delivered' in ack ? settle() : ack
    }
    expect(await settle()).toMatchObject({ error: { code: 'offline' } })
  })

  describe('with a hostile hub', () => {
    async function hostile(onConnection: (socket: import('socket.io').Socket) => void): Promise<Pick<Hub, 'url'>> {
      const http = createServer()
      const io = new Server(http, { serveClient: false })
      cleanup(() => {
        io.disconnectSockets(true)
        void io.close()
      })
      io.on('connection', onConnection)
      http.listen(0, '127.0.0.1')
      await once(http, 'listening')
      return { url: `http://127.0.0.1:${(http.address() as { port: number }).port}` }
    }

    it('passes on what it gets as unknown and does not throw', async () => {
      const nonsense = [undefined, null, 7, 'text', [], { challenge: { deep: [] } }, Buffer.from([1])]
      const hub = await hostile(socket => {
        for (const value of nonsense)
          for (const event of ['challenge', 'authenticated', 'signal']) socket.emit(event, value)
        socket.emit('error', 'x')
        socket.emit('replaced', 7)
      })
      const { event$, first } = connect(hub, newAccount('alice'))
      await first('replaced')
      const seen = await Promise.all([first('challenge'), first('authenticated'), first('signal')])
      expect(seen.map(({ type }) => type)).toEqual(['challenge', 'authenticated', 'signal'])
      expect(event$.closed).toBe(false)
    })

    it('gives a hub that would replace the other session no proof of the key', async () => {
      const answers: unknown[] = []
      const hub = await hostile(socket => {
        socket.emit('challenge', { challenge: 'x', hub_key: 'y', signature: 'z' }, (text: unknown) =>
          answers.push(text),
        )
      })
      const { event$ } = connect(hub, newAccount('alice'), { ifFree: true })
      await expect(lastValueFrom(event$)).rejects.toMatchObject({ code: 'hub-protocol' })
      expect(answers).toEqual([])
    })

    it('shows its words without control characters', async () => {
      const hub = await hostile(socket => {
        socket.emit('refused', { code: 'not-authenticated', message: `\u001b[2Jgone${'!'.repeat(1_000)}` })
      })
      const failure = await lastValueFrom(connect(hub, newAccount('alice')).event$).catch((error: Error) => error)
      expect((failure as Error).message).toMatch(/^[^\p{Cc}]{10,300}$/u)
    })

    it.each([
      ['nothing', []],
      ['an unknown code', [{ error: { code: 'x' } }]],
      ['text', ['yes']],
    ])('errors with hub-protocol when it acknowledges with %s', async (_name, ack) => {
      const hub = await hostile(socket => {
        socket.on('signal', (...args) => (args.at(-1) as (...values: unknown[]) => void)(...ack))
        socket.emit('authenticated', {})
      })
      const alice = newAccount('alice')
      const { connection } = await connect(hub, alice).first('authenticated')
      const offer = description('offer', { ...hub, port: 0, hubKey: '' }, alice, newAccount('x')) as unknown as Signal
      await expect(firstValueFrom(connection.send$(offer))).rejects.toMatchObject({ code: 'hub-protocol' })
    })

    it('waits for the answer to a receipt longer than a hub takes to give a batch up, and no longer', async () => {
      const errors: unknown[] = []
      const hub = await hostile(socket => void socket.emit('authenticated', {}))
      // The library takes its timers when it connects. Nothing else that it waits for is one.
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance'] })
      try {
        const { connection } = await connect(hub, newAccount('alice')).first('authenticated')
        connection.settle$(signedReceipt('one', 1, bob, self)).subscribe({ error: error => errors.push(error) })
        jest.advanceTimersByTime(15_500)
        expect(errors).toEqual([])
        jest.advanceTimersByTime(1_000)
      } finally {
        jest.useRealTimers()
      }
      expect(errors).toMatchObject([{ code: 'hub-unreachable' }])
    })

    it('loses the connection to one that does not acknowledge a signal within five seconds', async () => {
      const hub = await hostile(socket => void socket.emit('authenticated', {}))
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance'] })
      try {
        const alice = newAccount('alice')
        const { event$, first } = connect(hub, alice)
        const { connection } = await first('authenticated')
        const offer = description('offer', { ...hub, port: 0, hubKey: '' }, alice, newAccount('x')) as unknown as Signal
        const sent = firstValueFrom(connection.send$(offer))
        const ends = Promise.allSettled([sent, lastValueFrom(event$)])
        jest.advanceTimersByTime(4_900)
        expect(event$.closed).toBe(false)
        jest.advanceTimersByTime(200)
        expect(await ends).toMatchObject([
          { reason: { code: 'hub-unreachable' } },
          { reason: { code: 'hub-unreachable' } },
        ])
      } finally {
        jest.useRealTimers()
      }
    })

    it('loses the connection to one that sends too much', async () => {
      const hub = await hostile(socket => socket.emit('signal', 'x'.repeat(200_000)))
      const { event$ } = connect(hub, newAccount('alice'))
      await expect(lastValueFrom(event$)).rejects.toMatchObject({ code: 'hub-unreachable' })
    })

    it('does not wait for an acknowledgement once the connection is lost', async () => {
      const hub = await hostile(socket => {
        socket.on('signal', () => socket.disconnect(true))
        socket.emit('authenticated', {})
      })
      const alice = newAccount('alice')
      const { connection } = await connect(hub, alice).first('authenticated')
      const offer = description('offer', { ...hub, port: 0, hubKey: '' }, alice, newAccount('x')) as unknown as Signal
      await expect(firstValueFrom(connection.send$(offer))).rejects.toMatchObject({ code: 'hub-unreachable' })
    })
  })
})
