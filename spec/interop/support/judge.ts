/**
 * Says what our deframer and multiplexer make of a sequence of bytes, in the words of the Go program's `judge` mode, and
 * where the two are known to differ.
 */
import { createHash, type Hash } from 'node:crypto'
import { createDeframer, stepDeframer, type DeframerState } from '../../../src/protocol/mux/deframer.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { createMux, step } from '../../../src/protocol/mux/step.js'
import { defaultMuxConfig } from '../../../src/protocol/mux/config.js'
import { type Frame, headerBytes, type MuxVersion } from '../../../src/protocol/mux/frame.js'

export interface StreamJudgement {
  readonly id: number
  readonly bytes: number
  readonly sha256: string
  readonly fin: boolean
  readonly consumed: number
  readonly window: number
}

export interface Judgement {
  /** `truncated`: the bytes end within a header or within data of which something came. `rejected`: fatal. */
  readonly verdict: 'end' | 'truncated' | 'rejected'
  /** Bytes read up to the verdict. */
  readonly read: number
  readonly streams: readonly StreamJudgement[]
}

/**
 * Rules of ours (docs/PROTOCOL.md section 1) that xtaci/smux 1.5.16 does not have. A sequence that breaks one is compared up
 * to the frame that does; what Go makes of the frame itself stands in `differences` of frames.spec.ts, and is tested there.
 */
export type Difference =
  | 'size-of-syn-fin-nop'
  | 'size-of-upd'
  | 'upd-in-version-1'
  | 'syn-of-own-parity'
  | 'upd-for-more-than-sent'
  | 'data-after-fin'
  | 'more-than-window'

export interface Judged {
  readonly judgement: Judgement
  /** The rule that ends the comparison before `judgement.read`. */
  readonly difference: Difference | undefined
}

export interface Sequence {
  readonly version: MuxVersion
  /** Whose bytes these are: the other side has the other role. */
  readonly from: 'client' | 'server'
  readonly bytes: Uint8Array
}

const code = { syn: 0, fin: 1, psh: 2, nop: 3, upd: 4 } as const

/**
 * The rule of ours that the frame at the start of `bytes` breaks: read from the bytes alone, so that a mistake of ours is not
 * taken for a rule. Undefined when nothing excuses the error.
 */
function differenceOf(error: LighthouseError, { version, from }: Sequence, bytes: Uint8Array): Difference | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const command = bytes[1]
  const size = view.getUint16(2, true)
  const streamId = view.getUint32(4, true)
  if (bytes[0] !== version) return undefined
  switch (error.code) {
    case 'frame-command':
      return command === code.upd && version === 1 ? 'upd-in-version-1' : undefined
    case 'frame-size':
      if (command === code.upd) return size === 8 ? undefined : 'size-of-upd'
      return command === code.psh || size === 0 ? undefined : 'size-of-syn-fin-nop'
    case 'protocol-violation':
      if (command === code.syn) {
        return streamId === 0 || streamId % 2 === (from === 'client' ? 0 : 1) ? 'syn-of-own-parity' : undefined
      }
      if (command === code.upd) return view.getUint32(8, true) === 0 ? undefined : 'upd-for-more-than-sent'
      return command === code.psh ? 'more-than-window' : undefined
    default:
      return undefined
  }
}

/** Nothing is sent and nothing taken: only what arrives counts. */
export function judgeOurs(sequence: Sequence): Judged {
  const { version, from, bytes } = sequence
  const agreement = { version, rst: false }
  const config = { ...defaultMuxConfig(from === 'client' ? 'server' : 'client', agreement), acceptStreams: true }
  const contents = new Map<number, { readonly hash: Hash; bytes: number }>()
  let deframer: DeframerState = createDeframer(agreement)
  let mux = createMux(config)
  let offset = 0
  let frameAt = 0

  const judged = (verdict: Judgement['verdict'], read: number, difference?: Difference): Judged => ({
    judgement: {
      verdict,
      read,
      streams: [...mux.streams.values()]
        .toSorted((a, b) => a.id - b.id)
        .map(stream => {
          const content = contents.get(stream.id)!
          const { id, finReceived: fin, peerConsumed: consumed, peerWindow: window } = stream
          return { id, bytes: content.bytes, sha256: content.hash.copy().digest('hex'), fin, consumed, window }
        }),
    },
    difference,
  })

  while (offset < bytes.length) {
    // Just what the deframer waits for, so that the offset of each frame is known.
    const part = bytes.subarray(offset, offset + deframer.neededBytes - deframer.heldBytes)
    let frames: readonly Frame[]
    try {
      ;[deframer, frames] = stepDeframer(deframer, part)
    } catch (error) {
      if (!(error instanceof LighthouseError)) throw error
      const difference = differenceOf(error, sequence, bytes.subarray(frameAt))
      return difference === undefined ? judged('rejected', frameAt + headerBytes) : judged('end', frameAt, difference)
    }
    offset += part.length
    const frame = frames[0]
    if (frame === undefined) continue
    const before = mux
    if (frame.command === 'psh' && frame.data.length > 0 && before.streams.get(frame.streamId)?.finReceived === true) {
      return judged('end', frameAt, 'data-after-fin')
    }
    const [next, effects] = step(before, { type: 'frames', frames, now: 0 })
    for (const effect of effects) {
      if (effect.type === 'fail') {
        const difference = differenceOf(effect.error, sequence, bytes.subarray(frameAt))
        if (difference === undefined) throw effect.error
        return judged('end', frameAt, difference)
      }
      if (effect.type === 'accept') contents.set(effect.id, { hash: createHash('sha256'), bytes: 0 })
      if (effect.type === 'deliver') {
        const content = contents.get(effect.id)!
        content.hash.update(effect.bytes)
        content.bytes += effect.bytes.length
      }
    }
    mux = next
    frameAt = offset
  }
  // Go tells a header without any data from the end of the bytes no more than a connection that ended between frames.
  const partial = deframer.heldBytes !== 0 && deframer.heldBytes !== headerBytes
  return judged(partial ? 'truncated' : 'end', offset)
}
