/** Random sequences of frames: well-formed ones, mutated ones, and bytes that never were frames. */
import { encodeFrames, headerBytes, type MuxVersion, writeHeader } from '../../../src/protocol/mux/frame.js'
import type { Sequence } from './judge.js'
import { pattern } from './pattern.js'

const dataSizes = [0, 1, 2, 7, 8, 9, 15, 16, 17, 40, 100]
const rareDataSizes = [1000, 4095, 4096, 4097, 32_768, 65_535]

export function randomSequence(random: () => number): Sequence {
  const below = (limit: number): number => Math.floor(random() * limit)
  const oneOf = <T>(values: readonly T[]): T => values[below(values.length)]!
  const version = oneOf<MuxVersion>([1, 2])
  const from = oneOf(['client', 'server'] as const)
  const firstId = from === 'client' ? 3 : 2
  const bytes = (size: number): Uint8Array => pattern(1 + below(2 ** 31), size)
  const streamId = (): number => {
    if (random() < 0.97) return firstId + 2 * below(4)
    return oneOf([0, 1, 2, 3, 4, 0xffff_ffff, 0xffff_fffe, below(2 ** 32)])
  }
  const psh = (): Uint8Array => {
    const data = bytes(random() < 0.02 ? oneOf(rareDataSizes) : oneOf(dataSizes))
    const whole = new Uint8Array(headerBytes + data.length)
    whole.set(data, writeHeader(whole, 0, version, 'psh', data.length, streamId()))
    return whole
  }
  const frame = (): Uint8Array => {
    const command = oneOf(['syn', 'syn', 'syn', 'psh', 'psh', 'psh', 'psh', 'fin', 'nop', 'upd', 'other'] as const)
    if (command === 'psh') return psh()
    if (command === 'other') {
      const header = encodeFrames([{ command: oneOf(['rst', 'nop'] as const), streamId: streamId() }], version)
      if (random() < 0.2) header[oneOf([0, 1])] = below(256)
      return random() < 0.8 ? new Uint8Array() : header
    }
    if (command === 'upd') {
      if (version === 1 && random() < 0.9) return new Uint8Array()
      const consumed = random() < 0.8 ? 0 : below(2 ** 32)
      return encodeFrames([{ command, streamId: streamId(), consumed, window: below(2 ** 32) }], version)
    }
    return encodeFrames([{ command, streamId: streamId() }], version)
  }
  const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))
  const mutate = (whole: Uint8Array): Uint8Array => {
    const at = below(whole.length + 1)
    switch (below(4)) {
      case 0: {
        const changed = whole.slice()
        if (at < changed.length) changed[at] = changed[at]! ^ (1 << below(8))
        return changed
      }
      case 1:
        return join([whole.subarray(0, at), bytes(1 + below(9)), whole.subarray(at)])
      case 2:
        return join([whole.subarray(0, at), whole.subarray(at + 1 + below(9))])
      default:
        return whole.subarray(0, at)
    }
  }

  if (random() < 0.05) return { version, from, bytes: join([Uint8Array.of(version, below(6)), bytes(below(60))]) }
  let whole = join(Array.from({ length: 1 + below(24) }, frame))
  if (random() < 0.5) for (let count = 1 + below(3); count > 0; count--) whole = mutate(whole)
  return { version, from, bytes: whole }
}
