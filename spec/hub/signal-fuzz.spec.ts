import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { description, newAccount, next, type openSocket, register, send, session, signIn, startHub } from './support.js'

const seed = 20_261_122

/** Sends one and returns its acknowledgement, or undefined when the hub ended the connection for it. */
function sendAny(socket: ReturnType<typeof openSocket>, args: readonly unknown[]): Promise<unknown> {
  return new Promise(resolve => {
    const over = (): void => resolve(undefined)
    socket.once('disconnect', over)
    socket.emit('signal', ...args, (ack: unknown) => {
      socket.off('disconnect', over)
      resolve(ack)
    })
  })
}

describe(`hostile signals, seed ${seed}`, () => {
  it('are refused one by one, mutated or made up, and reach nobody', async () => {
    const hub = await startHub({ rateLimits: { signalBurst: 100_000 } })
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const [a, b] = [await signIn(hub, alice), await signIn(hub, bob)]
    const heard: any[] = []
    b.socket.on('signal', signal => heard.push(signal))
    const keys = [alice.pubKey, bob.pubKey, newAccount('x').pubKey, '', '__proto__']
    const mutated = fc
      .tuple(
        fc.constantFrom('type', 'session', 'from', 'to', 'payload', 'signature', '__proto__', 'constructor'),
        fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(...keys), fc.string({ maxLength: 5_000 })),
      )
      .map(([name, value]) => {
        const signal = description('offer', hub, alice, bob)
        return Object.fromEntries([...Object.entries(signal).filter(([key]) => key !== name), [name, value]])
      })
    const anything = fc.oneof(
      { weight: 3, arbitrary: mutated },
      { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 5 }) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { minLength: 1, maxLength: 20 }), async signals => {
        const acks: any[] = await Promise.all(signals.map(signal => send(a.socket, signal)))
        for (const ack of acks) expect(ack.delivered === true || typeof ack.error.code === 'string').toBe(true)
      }),
      { numRuns: 150, seed },
    )
    for (const signal of heard) expect(signal).toMatchObject({ from: alice.pubKey, to: bob.pubKey })
    expect((await fetch(`${hub.url}/v1/health`)).status).toBe(200)
  })

  it('that are no signals at all, nest for ever, name reserved events or are too large cost at most the sender', async () => {
    const hub = await startHub()
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const witness = await signIn(hub, bob)
    const deep = JSON.parse('['.repeat(3_000) + ']'.repeat(3_000))
    for (const args of [
      [],
      [null],
      [() => undefined],
      [deep],
      [{ ...description('offer', hub, alice, bob), payload: deep }],
      ['x'.repeat(60_000)],
      ['x'.repeat(200_000)],
      [Buffer.alloc(100_000)],
      Array.from({ length: 50 }, () => ({})),
    ]) {
      const { socket } = await signIn(hub, alice)
      const ack = await sendAny(socket, args)
      expect(ack === undefined || 'error' in (ack as object)).toBe(true)
      socket.disconnect()
    }
    const { socket } = await signIn(hub, alice)
    const closed = next(socket, 'disconnect')
    socket.emit('error', new Error('not mine'))
    await closed
    const bye = { type: 'bye', session, from: bob.pubKey, to: alice.pubKey, payload: { reason: '' } }
    expect(await send(witness.socket, bye)).toMatchObject({ error: { code: 'offline' } })
  })

  /** Writes the text on the connection of somebody who has signed in, as no client would. */
  async function sendRaw(
    hub: Awaited<ReturnType<typeof startHub>>,
    account: ReturnType<typeof newAccount>,
    text: string,
  ) {
    const { socket } = await signIn(hub, account)
    const closed = next(socket, 'disconnect')
    const { ws } = (socket.io.engine as any).transport as { ws: { send(text: string): void } }
    ws.send(text)
    return { socket, closed }
  }

  it.each(['4', '42[', '4{"a":1}', '451-["signal",{"_placeholder":true,"num":9}]', '9', ''])(
    'that are no packets at all, like "%s", end the connection they came on and no other',
    async packet => {
      const hub = await startHub()
      const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
      const witness = await signIn(hub, bob)
      const { socket, closed } = await sendRaw(hub, alice, packet)
      // One of them promises more to come, and this is not it.
      socket.emit('signal', null)
      await closed
      expect(await sendAny(witness.socket, [null])).toMatchObject({ error: { code: 'malformed' } })
      expect((await signIn(hub, alice)).welcome.coins).toBe('100.000000')
    },
  )

  it.each(['42', '43999[]'])('that say nothing, like "%s", change nothing', async packet => {
    const hub = await startHub()
    const { socket } = await sendRaw(hub, await register(hub, 'alice'), packet)
    expect(await sendAny(socket, [null])).toMatchObject({ error: { code: 'malformed' } })
  })

  it('for somebody who does not read pile up to a bound and are refused then', async () => {
    const hub = await startHub({ rateLimits: { signalBurst: 100_000 } })
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const [{ socket }, deaf] = [await signIn(hub, alice), await signIn(hub, bob)]
    const tcp = (deaf.socket.io.engine as any).transport.ws._socket as import('node:net').Socket
    tcp.pause()
    const offer = description('offer', hub, alice, bob, { sdp: 'A'.repeat(60_000) })
    const flood = async (left: number): Promise<unknown> => {
      const ack = await send(socket, offer)
      return ack.delivered === true && left > 0 ? flood(left - 1) : ack
    }
    // The kernel's buffers on loopback take a few MiB before the hub's own bound counts.
    expect(await flood(1_000)).toMatchObject({ error: { code: 'rate-limited' } })
    tcp.destroy()
  })
})
