import { describe, expect, it } from '@jest/globals'
import { createDeframer, stepDeframer } from '../../../src/protocol/mux/deframer.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { encodeFrames, type Frame, frameBytes, type MuxAgreement } from '../../../src/protocol/mux/frame.js'

const all = { version: 2, rst: true } as const

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

describe('the smux frame', () => {
  it.each<[Frame, 1 | 2, string]>([
    [{ command: 'syn', streamId: 3 }, 1, '0100000003000000'],
    [{ command: 'fin', streamId: 0x01020304 }, 2, '0201000004030201'],
    [{ command: 'psh', streamId: 0xffff_ffff, data: Uint8Array.of(9, 8, 7) }, 1, '01020300ffffffff090807'],
    [{ command: 'psh', streamId: 5, data: new Uint8Array() }, 2, '0202000005000000'],
    [{ command: 'nop', streamId: 0 }, 2, '0203000000000000'],
    [{ command: 'upd', streamId: 2, consumed: 0x1_0000_0002, window: 262_144 }, 2, '02040800020000000200000000000400'],
    [{ command: 'rst', streamId: 7 }, 2, '0205000007000000'],
    [
      { command: 'rcp', streamId: 0, bytes: 0x01_0203_0405_0607, signature: new Uint8Array(64).fill(0xab) },
      2,
      `02064800000000000706050403020100${'ab'.repeat(64)}`,
    ],
    [
      { command: 'rcp', streamId: 0, bytes: 1, signature: new Uint8Array(64).fill(1) },
      1,
      `01064800000000000100000000000000${'01'.repeat(64)}`,
    ],
  ])('%j in version %i', (frame, version, expected) => {
    expect(hex(encodeFrames([frame], version))).toBe(expected)
    expect(frameBytes(frame)).toBe(expected.length / 2)
  })

  it('carries at most 4,096 bytes of data when we send it', () => {
    for (const [length, headers] of [
      [4096, 1],
      [4097, 2],
      [8192, 2],
      [70_000, 18],
    ] as const) {
      const bytes = encodeFrames([{ command: 'psh', streamId: 3, data: new Uint8Array(length).fill(1) }], 2)
      expect(bytes).toHaveLength(length + headers * 8)
      const [, frames] = stepDeframer(createDeframer(all), bytes)
      const sizes = frames.map(frame => (frame.command === 'psh' ? frame.data.length : -1))
      expect(sizes).toHaveLength(headers)
      expect(Math.max(...sizes)).toBe(4096)
      expect(sizes.reduce((a, b) => a + b)).toBe(length)
    }
  })

  it('is accepted with up to 65,535 bytes of data', () => {
    const bytes = new Uint8Array(8 + 65_535).fill(5)
    bytes.set([2, 2, 0xff, 0xff, 3, 0, 0, 0])
    const [, frames] = stepDeframer(createDeframer(all), bytes)
    expect(frames).toMatchObject([{ command: 'psh', streamId: 3, data: { length: 65_535 } }])
  })
})

describe('a malformed header', () => {
  const cases: [string, readonly number[], MuxAgreement, string][] = []
  for (const version of [0, 1, 3, 255]) cases.push([`version ${version}`, [version, 0, 0, 0], all, 'frame-version'])
  cases.push(['version 2 on version 1', [2, 0, 0, 0], { version: 1, rst: true }, 'frame-version'])
  for (const command of [6, 7, 128, 255]) cases.push([`command ${command}`, [2, command, 0, 0], all, 'frame-command'])
  cases.push(['RCP where receipts are false', [2, 6, 72, 0], { ...all, receipts: false }, 'frame-command'])
  for (const size of [0, 71, 73]) {
    cases.push([`RCP with ${size} bytes`, [2, 6, size, 0], { ...all, receipts: true }, 'frame-size'])
  }
  cases.push(['RST, not agreed', [2, 5, 0, 0], { version: 2, rst: false }, 'frame-command'])
  cases.push(['UPD in version 1', [1, 4, 8, 0], { version: 1, rst: true }, 'frame-command'])
  for (const command of [0, 1, 3, 5]) {
    cases.push([`command ${command} with a byte`, [2, command, 1, 0], all, 'frame-size'])
    cases.push([`command ${command} with 65,280 bytes`, [2, command, 0, 255], all, 'frame-size'])
  }
  for (const size of [0, 7, 9]) cases.push([`UPD with ${size} bytes`, [2, 4, size, 0], all, 'frame-size'])
  cases.push(['UPD with 2,056 bytes', [2, 4, 8, 8], all, 'frame-size'])

  it.each(cases)(
    '%s is refused with its typed error, whole or byte by byte, first or later',
    (_name, start, agreed, code) => {
      const bad = Uint8Array.of(...start, 1, 0, 0, 0)
      const good = encodeFrames([{ command: 'nop', streamId: 0 }], agreed.version)
      const error = (chunks: readonly Uint8Array[]): unknown => {
        let state = createDeframer(agreed)
        try {
          for (const chunk of chunks) [state] = stepDeframer(state, chunk)
          return state
        } catch (thrown) {
          return thrown instanceof LighthouseError ? thrown.code : thrown
        }
      }
      expect(error([bad])).toBe(code)
      expect(error([Uint8Array.of(...good, ...bad, ...new Uint8Array(100))])).toBe(code)
      expect(error([good, ...Array.from(bad, byte => Uint8Array.of(byte))])).toBe(code)
      // Nothing of its data is waited for: the header alone decides, and not before it is there.
      expect(error([bad.subarray(0, 7)])).toMatchObject({ heldBytes: 7 })
    },
  )
})

describe('an RCP frame', () => {
  const agreed = { ...all, receipts: true }
  const encoded = (bytes: number): Uint8Array =>
    encodeFrames([{ command: 'rcp', streamId: 0, bytes, signature: new Uint8Array(64).fill(7) }], 2)

  it('for more bytes than a safe integer can count is refused, whole or byte by byte', () => {
    const most = encoded(Number.MAX_SAFE_INTEGER)
    expect(stepDeframer(createDeframer(agreed), most)[1]).toMatchObject([{ command: 'rcp', bytes: 2 ** 53 - 1 }])
    for (const beyond of [0x20, 0x3f, 0xff]) {
      const bytes = encoded(0)
      bytes[14] = beyond
      expect(() => stepDeframer(createDeframer(agreed), bytes)).toThrow(expect.objectContaining({ code: 'frame-size' }))
      const parts = Array.from(bytes, byte => Uint8Array.of(byte))
      const all = (): unknown => parts.reduce((state, part) => stepDeframer(state, part)[0], createDeframer(agreed))
      expect(all).toThrow(expect.objectContaining({ code: 'frame-size' }))
    }
  })

  it('keeps no message alive', () => {
    const [, [frame]] = stepDeframer(
      createDeframer(agreed),
      Buffer.concat([encoded(5), new Uint8Array(60_000)]).subarray(0, 80),
    )
    expect(frame?.command === 'rcp' && frame.signature.buffer.byteLength).toBe(64)
  })
})
