import { beforeAll, expect, it } from '@jest/globals'
import { describeIf, hasGoSmux } from '../support/requires.js'
import { connect, connectGo, type Sides } from './support/connect.js'
import { buildGoProgram, goBuildMs, type GoProgram, goReason } from './support/go-program.js'
import { startMuxPeer } from './support/mux-peer.js'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'

const size = 10_000_000
const chunk = 65_536
const roles = ['server', 'client'] as const
const sides = roles.flatMap(role => [{ role, version: 1 } as const, { role, version: 2 } as const])

describeIf(hasGoSmux(), goReason)('bounds between xtaci/smux and ours', () => {
  let program: GoProgram
  beforeAll(async () => {
    program = await buildGoProgram()
  }, goBuildMs)

  async function within(options: Parameters<typeof connect>[1], test: (pair: Sides) => Promise<void>): Promise<void> {
    const pair = await connect(program, options)
    try {
      await test(pair)
    } finally {
      await pair.stop()
    }
  }

  it.each(sides)('waits for a Go reader that does not read: we are the $role, version $version', options =>
    within(options, async ({ ours, go }) => {
      const stream = ours.open()
      // Without a window the operating system's buffers fill first, and they grow to many megabytes.
      const all = options.version === 1 ? 40_000_000 : size
      const sending = stream.send(all, 1)
      const { stream: id } = await go.ask({ do: 'accept' })
      if (options.version === 2) {
        // All of the first window, and not a byte more.
        await ours.until(() => ours.state().streams.get(stream.id)!.written === 262_144)
        // Another stream of the same connection is not held up.
        const other = ours.open()
        const { stream: otherId } = await go.ask({ do: 'accept' })
        const sent = await other.send(100_000, 2)
        expect(await go.ask({ do: 'read', stream: otherId, size: 100_000 })).toMatchObject({ ...sent, error: '' })
        expect(ours.state().streams.get(stream.id)!.written).toBe(262_144)
      } else {
        // Version 1 has no window: Go stops reading the connection, and the channel's room runs out.
        await ours.until(() => ours.state().room <= 0 && ours.state().streams.get(stream.id)!.paused)
      }
      const read = go.ask({ do: 'read', stream: id, size: all })
      const sent = await sending
      expect(await read).toMatchObject({ ...sent, bytes: all, error: '' })
      expect(ours.peaks().queued).toBeLessThanOrEqual(256 * 1024 + chunk)
    }),
  )

  it.each(roles)('lets Go send no more than the window while our reader is paused: we are the %s', role =>
    within({ role, version: 2 }, async ({ ours, go }) => {
      const { stream: id } = await go.ask({ do: 'open' })
      const writing = go.ask({ do: 'write', stream: id, size, seed: 3 })
      const stream = await ours.accept()
      stream.pause()
      await ours.until(() => ours.state().streams.get(id)!.received === ours.state().streams.get(id)!.granted)
      // Go answers on another stream of the same connection meanwhile.
      const other = ours.open()
      other.write(new Uint8Array(10))
      const { stream: otherId } = await go.ask({ do: 'accept' })
      const wrote = await go.ask({ do: 'write', stream: otherId, size: 100_000, seed: 4 })
      await go.ask({ do: 'close', stream: otherId })
      expect(await other.ended).toEqual({ type: 'finished', bytes: 100_000, sha256: wrote.sha256 })
      expect(ours.peaks().untaken).toBeLessThanOrEqual(262_144 + chunk)
      stream.resume()
      const all = await writing
      await go.ask({ do: 'close', stream: id })
      expect(all.error).toBe('')
      expect(await stream.ended).toEqual({ type: 'finished', bytes: size, sha256: all.sha256 })
    }),
  )

  it.each(roles)('gives up a version 1 stream whose reader is too far behind, and no other: we are the %s', role =>
    within({ role, version: 1 }, async ({ ours, go }) => {
      const { stream: id } = await go.ask({ do: 'open' })
      const writing = go.ask({ do: 'write', stream: id, size, seed: 5 })
      const stream = await ours.accept()
      stream.pause()
      expect(await stream.ended).toMatchObject({ type: 'aborted', error: { code: 'stream-overrun' } })
      expect(ours.peaks().untaken).toBeLessThanOrEqual(4 * 1024 * 1024)
      // What Go still writes is dropped; it sees the end of the stream.
      expect(await writing).toMatchObject({ bytes: size, error: '' })
      expect(await go.ask({ do: 'read', stream: id, size: -1 })).toMatchObject({ bytes: 0, error: '' })
      const { stream: next } = await go.ask({ do: 'open' })
      const wrote = await go.ask({ do: 'write', stream: next, size: 1000, seed: 6 })
      const other = await ours.accept()
      await go.ask({ do: 'close', stream: next })
      expect(await other.ended).toEqual({ type: 'finished', bytes: 1000, sha256: wrote.sha256 })
    }),
  )

  it.each(sides)('answers streams beyond the limit with FIN: we are the $role, version $version', async options => {
    const goRole = options.role === 'client' ? 'server' : 'client'
    const { socket, go, stop } = await connectGo(program, { role: goRole, version: options.version })
    try {
      // Go knows a stream only after its SYN has gone, and drops what comes before: we listen when it knows all.
      const opened = [await go.ask({ do: 'open' }), await go.ask({ do: 'open' }), await go.ask({ do: 'open' })]
      const agreement = { version: options.version, rst: false }
      const config = { ...defaultMuxConfig(options.role, agreement), acceptStreams: true, maxStreams: 2 }
      const ours = startMuxPeer(socket, config)
      ours.echo()
      socket.resume()
      expect(await go.ask({ do: 'read', stream: opened[2]!.stream, size: -1 })).toMatchObject({ bytes: 0, error: '' })
      const wrote = await go.ask({ do: 'write', stream: opened[0]!.stream, size: 1000, seed: 7 })
      const heard = await go.ask({ do: 'read', stream: opened[0]!.stream, size: 1000 })
      expect(heard).toMatchObject({ bytes: 1000, sha256: wrote.sha256, error: '' })
      expect(ours.state().streams.size).toBe(2)
    } finally {
      await stop()
    }
  })

  it.each(sides)('treats a stream that Go closes at once as ended: we are the $role, version $version', options =>
    within(options, async ({ ours, go }) => {
      const stream = ours.open()
      const { stream: id } = await go.ask({ do: 'accept' })
      await go.ask({ do: 'close', stream: id })
      expect(await stream.ended).toMatchObject({ type: 'finished', bytes: 0 })
      stream.end()
      await ours.until(() => ours.state().streams.size === 0)
    }),
  )

  it.each(sides)(
    'ends every stream as broken when Go closes the session: we are the $role, version $version',
    options =>
      within(options, async ({ ours, go }) => {
        const streams = [ours.open(), ours.open(), ours.open()]
        for (const stream of streams) stream.write(new Uint8Array(100))
        for (const _ of streams) await go.ask({ do: 'accept' })
        await go.ask({ do: 'shut' })
        expect((await ours.over).code).toBe('channel-closed')
        for (const stream of streams) {
          expect(await stream.ended).toMatchObject({ type: 'aborted', error: { code: 'channel-closed' } })
        }
      }),
  )

  it.each([
    { ours: 1, theirs: 2 },
    { ours: 2, theirs: 1 },
  ] as const)('refuses Go of version $theirs on a version $ours connection', async ({ ours: version, theirs }) => {
    const { socket, go, stop } = await connectGo(program, { role: 'client', version: theirs })
    try {
      const ours = startMuxPeer(socket, defaultMuxConfig('server', { version, rst: false }))
      socket.resume()
      const { stream } = await go.ask({ do: 'open' })
      expect((await ours.over).code).toBe('frame-version')
      expect((await go.ask({ do: 'read', stream, size: 1 })).bytes).toBe(0)
    } finally {
      await stop()
    }
  })

  it.each([1, 2] as const)('keeps a session of Go alive with NOP, and is kept: version %i', version => {
    // Nothing but NOPs for 22 of Go's intervals, which is twice the time after which it gives up a silent session.
    const goOptions = { keepAliveMs: 100, timeoutMs: 1000 }
    return within({ role: 'server', version, config: { keepAliveTicks: 1 }, goOptions }, async ({ ours, go }) => {
      for (let nops = 1; nops <= 22; nops++) {
        await ours.until(() => ours.heard().nop >= nops)
        ours.tick()
      }
      expect(ours.state().ticksSinceReceived).toBeLessThanOrEqual(1)
      ours.echo()
      expect(await go.ask({ do: 'churn', count: 1, size: 10 })).toMatchObject({ count: 1, error: '' })
    })
  })

  it('is given up by Go when it says nothing, and gives up Go when Go says nothing', async () => {
    await within({ role: 'server', version: 1, goOptions: { keepAliveMs: 50, timeoutMs: 100 } }, async ({ ours }) => {
      expect((await ours.over).code).toBe('channel-closed')
      expect(ours.heard().nop).toBeGreaterThan(0)
    })
    await within({ role: 'server', version: 1 }, async ({ ours }) => {
      for (let ticks = 0; ticks < 30; ticks++) ours.tick()
      expect((await ours.over).code).toBe('peer-silent')
    })
  })
})
