import { describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createDeframer, stepDeframer } from '../../src/protocol/mux/deframer.js'
import { createMux, step } from '../../src/protocol/mux/step.js'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'
import type { MuxEffect, MuxEvent } from '../../src/protocol/mux/state.js'
import { encodeFrames, type Frame, headerBytes, type MuxVersion, writeHeader } from '../../src/protocol/mux/frame.js'
import { pattern } from '../interop/support/pattern.js'
import type { FrameVector, Vectors } from './vectors.js'

/** Golden frames, captured from xtaci/smux by `interop vectors`; interop/vectors.spec.ts captures them anew. */
const golden = JSON.parse(readFileSync(new URL('../../../spec/vectors/smux.json', import.meta.url), 'utf8')) as Vectors

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** The whole frame: what the vector spells out, and the rest of the pattern. */
function wholeFrame(vector: FrameVector): Uint8Array {
  const shown = bytesOf(vector.hex)
  const rest = vector.command === 'psh' ? pattern(vector.seed, vector.size).subarray(shown.length - headerBytes) : []
  const whole = new Uint8Array([...shown, ...rest])
  expect(whole.length).toBe(vector.bytes)
  expect(createHash('sha256').update(whole).digest('hex')).toBe(vector.sha256)
  return whole
}

function decode(bytes: Uint8Array, version: MuxVersion): readonly Frame[] {
  const [state, frames] = stepDeframer(createDeframer({ version, rst: false }), bytes)
  expect(state.heldBytes).toBe(0)
  return frames
}

/** As `encodeFrame`, but with all data in one frame, however much: Go sends up to 65,535 bytes. */
function encodeWhole(frame: Frame, version: MuxVersion): Uint8Array {
  if (frame.command !== 'psh') return encodeFrames([frame], version)
  const bytes = new Uint8Array(headerBytes + frame.data.length)
  bytes.set(frame.data, writeHeader(bytes, 0, version, 'psh', frame.data.length, frame.streamId))
  return bytes
}

describe('the golden frames of xtaci/smux', () => {
  it('are of every kind', () => {
    const kinds = (version: number): string[] => [
      ...new Set(golden.frames.filter(frame => frame.version === version).map(frame => frame.command)),
    ]
    expect(kinds(1).toSorted()).toEqual(['fin', 'nop', 'psh', 'syn'])
    expect(kinds(2).toSorted()).toEqual(['fin', 'nop', 'psh', 'syn', 'upd'])
  })

  it.each(golden.frames.map(frame => [`${frame.name} version ${frame.version}, ${frame.bytes} bytes`, frame] as const))(
    'decode and encode again byte for byte: %s',
    (_name, vector) => {
      const whole = wholeFrame(vector)
      const frames = decode(whole, vector.version)
      expect(frames).toHaveLength(1)
      const frame = frames[0]!
      expect(frame.command).toBe(vector.command)
      expect(frame.streamId).toBe(vector.streamId)
      if (frame.command === 'psh') expect(hexOf(frame.data)).toBe(hexOf(pattern(vector.seed, vector.size)))
      if (frame.command === 'upd') expect(frame.window).toBe(65_536)
      expect(hexOf(encodeWhole(frame, vector.version))).toBe(hexOf(whole))
      if (vector.size <= 4096) expect(hexOf(encodeFrames([frame], vector.version))).toBe(hexOf(whole))
    },
  )

  it.each(golden.frames.filter(frame => frame.size > 4096))(
    'are cut into frames of 4,096 when we send $size bytes (version $version)',
    ({ version, streamId, size, seed }) => {
      const data = pattern(seed, size)
      const frames = decode(encodeFrames([{ command: 'psh', streamId, data }], version), version)
      const parts = frames.map(frame => (frame.command === 'psh' ? frame.data : new Uint8Array()))
      expect(parts.slice(0, -1).every(part => part.length === 4096)).toBe(true)
      expect(hexOf(new Uint8Array(Buffer.concat(parts)))).toBe(hexOf(data))
    },
  )
})

describe.each(golden.conversations)('the golden conversation of version $version', ({ version, client, server }) => {
  it.each([
    ['client', client],
    ['server', server],
  ])('of the %s decodes and encodes again byte for byte', (_side, hex) => {
    const encoded = decode(bytesOf(hex), version).map(frame => encodeWhole(frame, version))
    expect(hexOf(new Uint8Array(Buffer.concat(encoded)))).toBe(hex)
  })

  it('gives our server the data of the script', () => {
    const frames = decode(bytesOf(client), version)
    const config = { ...defaultMuxConfig('server', { version, rst: false }), acceptStreams: true }
    // What Go's server said is not replayed, so that Go's updates would be for more than was sent.
    const heard = frames.filter(frame => frame.command !== 'upd')
    const [, effects] = step(createMux(config), { type: 'frames', frames: heard, now: 0 })
    const summary = effects.map(effect => {
      if (effect.type === 'deliver') return `deliver ${effect.id} ${hexOf(effect.bytes)}`
      return 'id' in effect ? `${effect.type} ${effect.id}` : effect.type
    })
    expect(summary).toEqual([
      'accept 3',
      'accept 5',
      `deliver 3 ${hexOf(pattern(1, 5))}`,
      'end 3',
      `deliver 5 ${hexOf(pattern(3, 4096))}`,
      'end 5',
    ])
  })

  it('is what our client sends when it follows the script', () => {
    // Our client cannot take part of a message: it takes what each of Go's says before it goes on, as the script does.
    const config = defaultMuxConfig('client', { version, rst: false })
    const answers = decode(bytesOf(server), version)
    const events: MuxEvent[] = [
      { type: 'open', id: 3 },
      { type: 'write', id: 3, bytes: pattern(1, 5) },
      ...answers.filter(frame => frame.streamId === 3 && frame.command !== 'fin').map(arrive),
      { type: 'open', id: 5 },
      { type: 'write', id: 5, bytes: pattern(3, 4096) },
      ...answers.filter(frame => frame.streamId === 5).map(arrive),
      { type: 'end', id: 3 },
      { type: 'end', id: 5 },
    ]
    const sent: Uint8Array[] = []
    let state = createMux(config)
    const perform = (event: MuxEvent): void => {
      const [next, effects] = step(state, event)
      state = next
      for (const effect of effects) {
        expect(effect.type).not.toBe('fail')
        if (effect.type === 'send') sent.push(encodeFrames(effect.frames, version))
        if (effect.type === 'deliver') perform(takenOf(effect))
      }
    }
    events.forEach(perform)
    // Go announces a window of 65,536 bytes, we one of 262,144; everything else is the same.
    const ours = decode(new Uint8Array(Buffer.concat(sent)), version)
    const theirs = decode(bytesOf(client), version)
    expect(ours).toEqual(theirs.map(frame => (frame.command === 'upd' ? { ...frame, window: 262_144 } : frame)))
  })
})

function arrive(frame: Frame): MuxEvent {
  return { type: 'frames', frames: [frame], now: 0 }
}

function takenOf(effect: Extract<MuxEffect, { type: 'deliver' }>): MuxEvent {
  return { type: 'consumed', id: effect.id, bytes: effect.bytes.length, now: 0 }
}
