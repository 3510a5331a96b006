import { map, type OperatorFunction } from 'rxjs'
import { oneOf, optional, verifyOptions } from '../protocol/options.js'
import { encodeFrame, type Frame, type MuxVersion } from '../protocol/mux/frame.js'

/**
 * Turns frames into bytes: the inverse of `deframe`.
 *
 *     source  --s-----p----f--|      s: SYN, p: PSH with 5,000 bytes, f: FIN
 *     frame() --a-----b----c--|      b: one chunk holding two frames, 4,096 and 904 bytes of data
 *
 * Emits one `Uint8Array` for each frame, of at most 4,096 bytes of data a frame: a longer PSH becomes several frames back
 * to back. Starts, ends and errors with its source; buffers nothing.
 *
 * @param options `version` 1 or 2, written into each header; default 1. Throws `invalid-option` for others.
 * @see docs/PROTOCOL.md section 1 (the smux frame)
 * @example of<Frame>({ command: 'psh', streamId: 3, data }).pipe(frame({ version: 2 }))
 */
export function frame(options: { readonly version?: MuxVersion } = {}): OperatorFunction<Frame, Uint8Array> {
  verifyOptions(options, { version: optional(oneOf(1, 2)) })
  const { version = 1 } = options
  return map(value => encodeFrame(value, version))
}
