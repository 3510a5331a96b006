import { appendJoined, concat } from '../bytes.js'
import { type Frame, headerBytes, type MuxAgreement, readHeader, readReceipt } from './frame.js'

/** The bytes of a frame that has not fully arrived: at most its header and its data, less one byte. */
export interface DeframerState {
  readonly agreement: MuxAgreement
  readonly held: readonly Uint8Array[]
  readonly heldBytes: number
  /** Bytes that the held frame has in all, once its header is known; the header's before. */
  readonly neededBytes: number
}

export function createDeframer(agreement: MuxAgreement): DeframerState {
  return { agreement, held: [], heldBytes: 0, neededBytes: headerBytes }
}

function readFrame(bytes: Uint8Array, offset: number, header: ReturnType<typeof readHeader>): Frame {
  const { command, size, streamId } = header
  const start = offset + headerBytes
  if (command === 'psh') return { command, streamId, data: bytes.subarray(start, start + size) }
  if (command === 'upd') {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, size)
    return { command, streamId, consumed: view.getUint32(0, true), window: view.getUint32(4, true) }
  }
  if (command === 'rcp') return { command, streamId, ...readReceipt(bytes, start) }
  return { command, streamId }
}

/**
 * Takes the next bytes, cut anywhere, and returns the frames they complete. Data of frames that lie whole in `chunk` are
 * views of it. Throws `frame-version`, `frame-command` or `frame-size` at the first malformed header, before any of its
 * data is held; the state must not be used after that.
 */
export function stepDeframer(state: DeframerState, chunk: Uint8Array): readonly [DeframerState, readonly Frame[]] {
  const frames: Frame[] = []
  const { agreement } = state
  let { held, heldBytes, neededBytes } = state
  let offset = 0
  while (heldBytes > 0 && offset < chunk.length) {
    const part = chunk.subarray(offset, offset + neededBytes - heldBytes)
    held = appendJoined(held, part)
    heldBytes += part.length
    offset += part.length
    if (heldBytes < neededBytes) break
    const bytes = concat(held)
    const header = readHeader(bytes, 0, agreement)
    neededBytes = headerBytes + header.size
    if (heldBytes < neededBytes) continue
    frames.push(readFrame(bytes, 0, header))
    held = []
    heldBytes = 0
    neededBytes = headerBytes
  }
  while (heldBytes === 0 && chunk.length - offset >= headerBytes) {
    const header = readHeader(chunk, offset, agreement)
    const end = offset + headerBytes + header.size
    if (end > chunk.length) {
      neededBytes = headerBytes + header.size
      break
    }
    frames.push(readFrame(chunk, offset, header))
    offset = end
  }
  if (heldBytes === 0 && offset < chunk.length) {
    // Not `slice`: on Node's Buffer that is a view, which would keep the chunk alive.
    held = [concat([chunk.subarray(offset)])]
    heldBytes = chunk.length - offset
  }
  return [{ agreement, held, heldBytes, neededBytes }, frames]
}
