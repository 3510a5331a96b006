import { beforeAll, expect, it } from '@jest/globals'
import { describeIf, hasGoSmux } from '../support/requires.js'
import { connect, type Sides } from './support/connect.js'
import { buildGoProgram, goBuildMs, type GoProgram, goReason } from './support/go-program.js'

const sizes = [0, 1, 4095, 4096, 4097, 32_768, 65_536, 10_000_000]
const sides = [
  { role: 'server', version: 1 },
  { role: 'server', version: 2 },
  { role: 'client', version: 1 },
  { role: 'client', version: 2 },
] as const

describeIf(hasGoSmux(), goReason)('transfers between xtaci/smux and ours', () => {
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

  it.each(sides)('carries every size both ways, all streams at once: we are the $role, version $version', options =>
    within(options, async ({ ours, go }) => {
      const exchange = async (size: number, index: number): Promise<void> => {
        const { stream: id } = await go.ask({ do: 'open' })
        const seed = 1000 + index
        const [wrote, stream] = await Promise.all([
          // One byte ahead, so that the stream is known on both sides whatever its size.
          go.ask({ do: 'write', stream: id, size: size + 1, seed }),
          ours.until(() => ours.stream(id) !== undefined).then(() => ours.stream(id)!),
        ])
        const [sent, read] = await Promise.all([
          stream.send(size, seed + 500),
          go.ask({ do: 'read', stream: id, size }),
        ])
        await go.ask({ do: 'close', stream: id })
        stream.end()
        expect(wrote).toMatchObject({ bytes: size + 1, error: '' })
        expect(await stream.ended).toEqual({ type: 'finished', bytes: size + 1, sha256: wrote.sha256 })
        expect(read).toMatchObject({ bytes: size, sha256: sent.sha256, error: '' })
      }
      await Promise.all(sizes.map(exchange))
      await ours.until(() => ours.state().streams.size === 0)
      expect((await go.ask({ do: 'count' })).count).toBe(0)
    }),
  )

  it.each(sides)('carries every size on streams that we open: we are the $role, version $version', options =>
    within(options, async ({ ours, go }) => {
      const exchange = async (size: number, index: number): Promise<void> => {
        const stream = ours.open()
        const seed = 1 + index
        const [sent, read] = await Promise.all([
          stream.send(size, seed),
          go.ask({ do: 'accept' }).then(async ({ stream: id }) => {
            expect(id % 2).toBe(options.role === 'client' ? 1 : 0)
            return { ...(await go.ask({ do: 'read', stream: id, size })), from: id }
          }),
        ])
        expect(read).toMatchObject({ bytes: size, sha256: sent.sha256, error: '' })
        const back = await go.ask({ do: 'write', stream: read.from, size, seed: seed + 100 })
        await go.ask({ do: 'close', stream: read.from })
        stream.end()
        expect(await stream.ended).toEqual({ type: 'finished', bytes: size, sha256: back.sha256 })
      }
      // One by one: Go accepts in the order of the SYNs.
      for (const [index, size] of sizes.entries()) await exchange(size, index)
      await ours.until(() => ours.state().streams.size === 0)
    }),
  )

  it.each(sides)('leaves the other direction open after our FIN: we are the $role, version $version', options =>
    within(options, async ({ ours, go }) => {
      const stream = ours.open()
      const sent = await stream.send(100_000, 7)
      stream.end()
      const { stream: id } = await go.ask({ do: 'accept' })
      // Reads up to FIN. smux has no CloseWrite: what it still writes is its answer, and Close ends both directions.
      expect(await go.ask({ do: 'read', stream: id, size: -1 })).toMatchObject({ ...sent, error: '' })
      // Version 2 of smux takes our FIN for "no more updates" and gives up once the window is full: the answer fits in it.
      const wrote = await go.ask({
        do: 'write',
        stream: id,
        size: options.version === 2 ? 262_144 : 5_000_000,
        seed: 8,
      })
      expect(wrote.error).toBe('')
      await go.ask({ do: 'close', stream: id })
      expect(await stream.ended).toEqual({ type: 'finished', bytes: wrote.bytes, sha256: wrote.sha256 })
      await ours.until(() => ours.state().streams.size === 0)
    }),
  )

  it.each(sides)('drops a stream that Go closed while we write: we are the $role, version $version', options =>
    within(options, async ({ ours, go }) => {
      const stream = ours.open()
      const sending = stream.send(3_000_000, 9)
      const { stream: id } = await go.ask({ do: 'accept' })
      await go.ask({ do: 'read', stream: id, size: 10 })
      await go.ask({ do: 'close', stream: id })
      expect(await stream.ended).toMatchObject({ type: 'finished', bytes: 0 })
      if (options.version === 1) {
        await sending
        stream.end()
      } else {
        // No update will come any more: the stream is given up after a time without progress, since Go has no RST.
        for (let ticks = 0; ticks < 60; ticks++) ours.tick(true)
        await stream.gone
      }
      await ours.until(() => ours.state().streams.size === 0)
      // The connection is as good as before.
      const other = ours.open()
      other.write(new Uint8Array(3))
      const { stream: next } = await go.ask({ do: 'accept' })
      expect(await go.ask({ do: 'read', stream: next, size: 3 })).toMatchObject({ bytes: 3, error: '' })
    }),
  )

  it.each(sides)('opens and closes 1,000 short streams from either side: we are the $role, version $version', options =>
    within(options, async ({ ours, go }) => {
      ours.echo()
      expect(await go.ask({ do: 'churn', count: 1000, size: 300 })).toMatchObject({ count: 1000, error: '' })
      await ours.until(() => ours.state().streams.size === 0)

      const echoing = go.ask({ do: 'echo' })
      const exchange = async (seed: number): Promise<void> => {
        const stream = ours.open()
        const sent = await stream.send(300, seed)
        stream.end()
        expect(await stream.ended).toEqual({ type: 'finished', ...sent })
      }
      const queue = Array.from({ length: 1000 }, (_, index) => index + 1)
      const worker = async (): Promise<void> => {
        for (let seed = queue.pop(); seed !== undefined; seed = queue.pop()) await exchange(seed)
      }
      await Promise.all(Array.from({ length: 16 }, worker))
      await ours.until(() => ours.state().streams.size === 0)
      expect((await go.ask({ do: 'count' })).count).toBe(0)
      await go.ask({ do: 'shut' })
      expect((await echoing).count).toBe(1000)
    }),
  )
})
