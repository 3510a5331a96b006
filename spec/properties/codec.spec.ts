import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { from, lastValueFrom, toArray } from 'rxjs'
import { deframe } from '../../src/operators/deframe.js'
import { pack } from '../../src/operators/pack.js'
import { isLighthouseError } from '../../src/protocol/errors.js'
import { createDeframer, stepDeframer, type DeframerState } from '../../src/protocol/mux/deframer.js'
import { createMux, step } from '../../src/protocol/mux/step.js'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'
import type { MuxState } from '../../src/protocol/mux/state.js'
import {
  encodeFrames,
  type Frame,
  headerBytes,
  maxDataBytes,
  maxSentDataBytes,
  type MuxAgreement,
} from '../../src/protocol/mux/frame.js'
import { deepFreeze } from '../support/freeze.js'

const agreement = fc.record({
  version: fc.constantFrom(1 as const, 2 as const),
  rst: fc.boolean(),
  receipts: fc.boolean(),
})
const streamId = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 0xffff_ffff }))
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const data = fc
  .tuple(fc.oneof(fc.nat(20), fc.integer({ min: 4090, max: 4100 }), fc.nat(20_000)), fc.nat(255))
  .map(([length, first]) => Uint8Array.from({ length }, (_, index) => first + index * 7))

/** Any frame that may be said under an agreement. */
function frameOf({ version, rst, receipts = false }: MuxAgreement): fc.Arbitrary<Frame> {
  const plain = (['syn', 'fin', 'nop', ...(rst ? (['rst'] as const) : [])] as const).map(command =>
    fc.record({ command: fc.constant(command), streamId }),
  )
  const psh = fc.record({ command: fc.constant('psh' as const), streamId, data })
  const upd = fc.record({ command: fc.constant('upd' as const), streamId, consumed: u32, window: u32 })
  const rcp = fc.record({
    command: fc.constant('rcp' as const),
    streamId: fc.constant(0),
    bytes: fc.maxSafeNat(),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  })
  return fc.oneof(...plain, psh, ...(version === 2 ? [upd] : []), ...(receipts ? [rcp] : []))
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** The bytes in chunks of these lengths, over and over. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? bytes.length
    chunks.push(bytes.subarray(offset, offset + length))
    offset += length
  }
  return chunks
}

/** PSH in the pieces in which it travels. */
function pieces(frames: readonly Frame[]): Frame[] {
  return frames.flatMap(frame => {
    if (frame.command !== 'psh' || frame.data.length <= 4096) return [frame]
    return cut(frame.data, [4096]).map(part => ({ ...frame, data: part }))
  })
}

function summary(frames: readonly Frame[]): unknown[] {
  return frames.map(frame =>
    frame.command === 'psh' ? { ...frame, data: Buffer.from(frame.data).toString('base64') } : frame,
  )
}

/** Every byte is a copy of the deframer's own, and no more than one frame is held. */
function checkHeld(state: DeframerState, chunk: Uint8Array): void {
  if (state.heldBytes > headerBytes + maxDataBytes) throw new Error(`holds ${state.heldBytes} bytes`)
  let held = 0
  for (const part of state.held) {
    held += part.length
    if (part.buffer === chunk.buffer || part.buffer.byteLength !== part.length)
      throw new Error('keeps a view of the chunk')
  }
  if (held !== state.heldBytes) throw new Error('counts wrong')
}

describe('frames and bytes', () => {
  it('are exact inverses: any frames, any chunking, both versions, with RST and RCP and without', () => {
    const run = agreement.chain(agreed =>
      fc.tuple(
        fc.constant(agreed),
        fc.array(frameOf(agreed), { maxLength: 30 }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9000 })), { minLength: 1 }),
        fc.boolean(),
      ),
    )
    fc.assert(
      fc.property(run, ([agreed, frames, lengths, asBuffer]) => {
        const bytes = join(frames.map(frame => encodeFrames([frame], agreed.version)))
        let state = createDeframer(agreed)
        const back: Frame[] = []
        for (const chunk of cut(asBuffer ? Buffer.from(bytes) : bytes, lengths)) {
          const [next, some] = stepDeframer(deepFreeze(state), chunk)
          state = next
          checkHeld(state, chunk)
          back.push(...some)
        }
        expect(state.heldBytes).toBe(0)
        expect(summary(back)).toEqual(summary(pieces(frames)))
      }),
      { numRuns: 500 },
    )
  })

  it('are exact inverses with `pack` and `deframe`, in any batches, and no message is longer than it may be', async () => {
    const run = agreement.chain(agreed =>
      fc.tuple(
        fc.constant(agreed),
        fc.array(fc.array(frameOf(agreed), { maxLength: 12 }), { maxLength: 6 }),
        fc.integer({ min: headerBytes + maxSentDataBytes, max: 70_000 }),
        fc.boolean(),
      ),
    )
    await fc.assert(
      fc.asyncProperty(run, async ([agreed, batches, maxMessageBytes, shares]) => {
        // Memory of exactly the size asked for, dirty and in the middle of more, as an arena gives it.
        const allocate = (bytes: number): Uint8Array => new Uint8Array(bytes + 9).fill(0xa5).subarray(5, 5 + bytes)
        const options = { version: agreed.version, maxMessageBytes, ...(shares && { allocate }) }
        const messages = await lastValueFrom(from(batches).pipe(pack(options), toArray()))
        const longest = messages.reduce((most, { length }) => Math.max(most, length), 0)
        expect(longest).toBeLessThanOrEqual(maxMessageBytes)
        expect(messages.every(({ length }) => length > 0)).toBe(true)
        const back = await lastValueFrom(from(messages).pipe(deframe(agreed), toArray()))
        expect(summary(back)).toEqual(summary(pieces(batches.flat())))
      }),
      { numRuns: 300 },
    )
  })

  it('come back from chunks of one byte without copying each byte again and again', () => {
    const bytes = new Uint8Array(headerBytes + maxDataBytes)
    bytes.set([1, 2, 0xff, 0xff, 3, 0, 0, 0])
    let state = createDeframer({ version: 1, rst: false })
    let [copied, longest] = [0, 0]
    const known = new Set<Uint8Array>()
    const back: Frame[] = []
    for (const chunk of cut(bytes, [1])) {
      const [next, frames] = stepDeframer(state, chunk)
      state = next
      back.push(...frames)
      for (const part of state.held) {
        if (known.has(part)) continue
        known.add(part)
        copied += part.length
      }
      longest = Math.max(longest, state.held.length)
    }
    expect(back).toMatchObject([{ command: 'psh', data: { length: maxDataBytes } }])
    expect(longest).toBeLessThanOrEqual(20)
    expect(copied).toBeLessThan(bytes.length * 20)
  })
})

/** A small generator of the specs' own (mulberry32), so that a seed gives the same run on every machine. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const seed = Number(process.env['LIGHTHOUSE_FUZZ_SEED'] ?? 20_261_122)
/** The full figure: LIGHTHOUSE_FUZZ_CHUNKS=1000000 npm test -- codec */
const fuzzChunks = Number(process.env['LIGHTHOUSE_FUZZ_CHUNKS'] ?? 250_000)
const everything = { version: 2, rst: true, receipts: true } as const
const typed = ['frame-version', 'frame-command', 'frame-size'] as const

function randomFrame(random: (below: number) => number): Frame {
  const id = random(12)
  const command = (['syn', 'fin', 'psh', 'psh', 'psh', 'nop', 'upd', 'rst', 'rcp'] as const)[random(9)]!
  if (command === 'psh') return { command, streamId: id, data: new Uint8Array(random(random(10) === 0 ? 9000 : 60)) }
  if (command === 'upd') return { command, streamId: id, consumed: random(5000), window: random(2 ** 31) }
  if (command === 'rcp') return { command, streamId: id, bytes: random(2 ** 31), signature: new Uint8Array(64) }
  return { command, streamId: id }
}

/** Chunks of real frames cut anywhere, some with changed bytes, some of noise alone. */
function randomChunk(random: (below: number) => number): Uint8Array {
  const kind = random(10)
  if (kind === 0) return Uint8Array.from({ length: random(40) }, () => random(256))
  const bytes = encodeFrames([randomFrame(random)], 2)
  if (kind < 3 && bytes.length > 0) bytes[random(Math.min(bytes.length, 12))] = random(256)
  return kind < 6 ? bytes.subarray(random(4) === 0 ? random(bytes.length) : 0, bytes.length - random(3)) : bytes
}

describe(`${fuzzChunks} random and mutated chunks (seed ${seed})`, () => {
  it('throw nothing but typed errors through deframe, and hold one frame at most', () => {
    const random = randomOf(seed)
    let state = createDeframer(everything)
    let [errors, frames, most] = [0, 0, 0]
    for (let index = 0; index < fuzzChunks; index++) {
      const chunk = randomChunk(random)
      try {
        const [next, some] = stepDeframer(state, chunk)
        state = next
        frames += some.length
        most = Math.max(most, state.heldBytes)
        checkHeld(state, chunk)
      } catch (error) {
        if (!isLighthouseError(error, ...typed)) throw error
        errors++
        state = createDeframer(everything)
      }
    }
    expect(most).toBeLessThanOrEqual(headerBytes + maxDataBytes)
    // The run went deep enough to mean something.
    expect(frames).toBeGreaterThan(fuzzChunks / 10)
    expect(errors).toBeGreaterThan(fuzzChunks / 100)
  }, 600_000)

  it('throw nothing through the multiplexer: each connection ends with one typed `fail` or goes on, bounded', () => {
    const random = randomOf(seed + 1)
    let fails = 0
    let mux: MuxState | undefined
    for (let index = 0; index < fuzzChunks / 10; index++) {
      mux ??= createMux({
        ...defaultMuxConfig(random(2) === 0 ? 'client' : 'server', everything),
        receipts: true,
        acceptStreams: true,
        maxStreams: 4,
        idleFramesPerTick: 300,
        channelBytes: random(2) * 1e9,
      })
      const frames = Array.from({ length: random(5) }, () => randomFrame(random))
      const events = [
        { type: 'frames', frames, now: index } as const,
        { type: 'open', id: mux.config.role === 'client' ? 3 + 2 * random(5) : 2 + 2 * random(5) } as const,
        { type: 'write', id: random(12), bytes: new Uint8Array(random(6000)) } as const,
        { type: 'consumed', id: random(12), bytes: 0, now: index } as const,
        { type: 'end', id: random(12) } as const,
        { type: 'reset', id: random(12) } as const,
        { type: 'credit', bytes: random(1e6) } as const,
        { type: 'receipt', receipt: { bytes: random(1e6), signature: new Uint8Array(64) } } as const,
      ]
      const event = events[random(3) === 0 ? random(events.length) : 0]!
      if (event.type === 'open' && mux.streams.has(event.id)) continue
      const [next, effects] = step(mux, event)
      mux = next
      const failures = effects.flatMap(effect => (effect.type === 'fail' ? [effect.error] : []))
      for (const error of failures) {
        // Ours, and not a crash inside that was wrapped as one.
        if (error.code !== 'protocol-violation' || error.cause !== undefined) throw error
      }
      fails += failures.length
      if (next.streams.size > 4 || next.control.length > 4200) throw new Error('grows beyond its bounds')
      if (failures.length > 0) {
        expect(step(next, { type: 'frames', frames: [], now: 0 })).toEqual([next, []])
        mux = undefined
      }
    }
    expect(fails).toBeGreaterThan(100)
  }, 600_000)
})
