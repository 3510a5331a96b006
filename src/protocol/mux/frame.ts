import { LighthouseError } from '../errors.js'

/**
 * The smux frame: 8 bytes of header, then data (docs/PROTOCOL.md section 1; github.com/xtaci/smux).
 *
 *     0        1         2              4                 8
 *     | version | command | size u16 LE | stream ID u32 LE | data …
 */
export const headerBytes = 8

/** Most data we put into one frame. Small, so that a stream's turn is short. */
export const maxSentDataBytes = 4096

/** Most data a frame can carry: its size is 16 bits wide. Accepted from others. */
export const maxDataBytes = 65_535

/** Size of a UPD's data: consumed and window, u32 LE each. */
export const updBytes = 8

/** Size of an RCP's data: the receipt's bytes as u64 LE and its signature. */
export const rcpBytes = 72

/** Highest stream ID: it is 32 bits wide. */
export const maxStreamId = 0xffff_ffff

/** Versions of the frame: 2 has windows, 1 has not. */
export type MuxVersion = 1 | 2

/** What both sides agreed in offer and answer. */
export interface MuxAgreement {
  readonly version: MuxVersion
  /** Whether RST exists between these two. Without it a failure is sent as FIN. */
  readonly rst: boolean
  /** Whether RCP exists between these two, which carries receipts to the seeder. Default false. */
  readonly receipts?: boolean
  /** Whether the side that answered sends a NOP at once, before which the other one sends nothing. Default false. */
  readonly greet?: boolean
}

/** One frame. `consumed` and `window` are bytes modulo 2³². */
export type Frame =
  | { readonly command: 'syn' | 'fin' | 'nop' | 'rst'; readonly streamId: number }
  | { readonly command: 'psh'; readonly streamId: number; readonly data: Uint8Array }
  | { readonly command: 'upd'; readonly streamId: number; readonly consumed: number; readonly window: number }
  | ({ readonly command: 'rcp'; readonly streamId: number } & FramedReceipt)

/** What of a receipt travels in a frame: both sides know the rest. `bytes` is cumulative, `signature` has 64 bytes. */
export interface FramedReceipt {
  readonly bytes: number
  readonly signature: Uint8Array
}

const commands = ['syn', 'fin', 'psh', 'nop', 'upd', 'rst', 'rcp'] as const
const codes = { syn: 0, fin: 1, psh: 2, nop: 3, upd: 4, rst: 5, rcp: 6 } as const

/** The sizes of frames whose command fixes them. */
const fixedBytes = { syn: 0, fin: 0, nop: 0, rst: 0, upd: updBytes, rcp: rcpBytes } as const

/** Size of a frame on the wire: of the several that a PSH with more than 4,096 bytes of data becomes, together. */
export function frameBytes(frame: Frame): number {
  if (frame.command !== 'psh') return headerBytes + fixedBytes[frame.command]
  const { length } = frame.data
  return length <= maxSentDataBytes ? headerBytes + length : Math.ceil(length / maxSentDataBytes) * headerBytes + length
}

/** Writes a header at `offset` and returns the offset behind it. */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  version: MuxVersion,
  command: Frame['command'],
  size: number,
  streamId: number,
): number {
  target[offset] = version
  target[offset + 1] = codes[command]
  target[offset + 2] = size & 0xff
  target[offset + 3] = size >>> 8
  target[offset + 4] = streamId & 0xff
  target[offset + 5] = (streamId >>> 8) & 0xff
  target[offset + 6] = (streamId >>> 16) & 0xff
  target[offset + 7] = streamId >>> 24
  return offset + headerBytes
}

/** The receipt whose data begins at `offset`. Throws `frame-size` for a number of bytes that is no safe integer. */
export function readReceipt(source: Uint8Array, offset: number): FramedReceipt {
  const bytes = Number(new DataView(source.buffer, source.byteOffset + offset, rcpBytes).getBigUint64(0, true))
  if (!Number.isSafeInteger(bytes)) throw new LighthouseError('frame-size', 'RCP frame for more bytes than there are')
  // A copy: a view would keep the whole message alive.
  return { bytes, signature: Uint8Array.from(source.subarray(offset + 8, offset + rcpBytes)) }
}

/**
 * Writes a frame at `offset` and returns the offset behind it. A PSH with more than 4,096 bytes of data becomes several,
 * back to back; one without data is a header alone.
 */
function writeFrame(target: Uint8Array, offset: number, version: MuxVersion, frame: Frame): number {
  const { command, streamId } = frame
  if (command === 'psh') {
    let at = offset
    let start = 0
    do {
      const part =
        frame.data.length <= maxSentDataBytes ? frame.data : frame.data.subarray(start, start + maxSentDataBytes)
      at = writeHeader(target, at, version, command, part.length, streamId)
      target.set(part, at)
      at += part.length
      start += maxSentDataBytes
    } while (start < frame.data.length)
    return at
  }
  const size = fixedBytes[command]
  const at = writeHeader(target, offset, version, command, size, streamId)
  if (command === 'upd') {
    const view = new DataView(target.buffer, target.byteOffset + at, size)
    view.setUint32(0, frame.consumed, true)
    view.setUint32(4, frame.window, true)
  } else if (command === 'rcp') {
    new DataView(target.buffer, target.byteOffset + at, size).setBigUint64(0, BigInt(frame.bytes), true)
    target.set(frame.signature, at + 8)
  }
  return at + size
}

/** Frames as bytes, back to back, in what `allocate` gives for exactly so many. Each byte of data is copied once. */
export function encodeFrames(
  frames: readonly Frame[],
  version: MuxVersion,
  allocate = (bytes: number): Uint8Array => new Uint8Array(bytes),
): Uint8Array {
  let bytes = 0
  for (const frame of frames) bytes += frameBytes(frame)
  const target = allocate(bytes)
  let offset = 0
  for (const frame of frames) offset = writeFrame(target, offset, version, frame)
  return target
}

/** The command and data size of the header at `offset`, checked against what was agreed. Throws the typed error. */
export function readHeader(
  bytes: Uint8Array,
  offset: number,
  agreement: MuxAgreement,
): { readonly command: Frame['command']; readonly size: number; readonly streamId: number } {
  const version = bytes[offset]!
  if (version !== agreement.version) {
    throw new LighthouseError(
      'frame-version',
      `frame of version ${version} on a version ${agreement.version} connection`,
    )
  }
  const command = commands[bytes[offset + 1]!]
  if (
    command === undefined ||
    (command === 'rst' && !agreement.rst) ||
    (command === 'rcp' && agreement.receipts !== true) ||
    (command === 'upd' && agreement.version === 1)
  ) {
    throw new LighthouseError('frame-command', `frame with command ${bytes[offset + 1]!}, which was not agreed`)
  }
  const size = bytes[offset + 2]! | (bytes[offset + 3]! << 8)
  const expected = command === 'psh' ? size : fixedBytes[command]
  if (size !== expected) {
    throw new LighthouseError(
      'frame-size',
      `${command.toUpperCase()} frame with ${size} bytes of data, not ${expected}`,
    )
  }
  const streamId =
    (bytes[offset + 4]! | (bytes[offset + 5]! << 8) | (bytes[offset + 6]! << 16) | (bytes[offset + 7]! << 24)) >>> 0
  return { command, size, streamId }
}
