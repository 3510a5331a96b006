import { map, type OperatorFunction } from 'rxjs'
import { encodeFrames, type Frame, type MuxVersion } from '../protocol/mux/frame.js'
import { func, oneOf, optional, verifyOptions } from '../protocol/options.js'

/**
 * Turns frames into bytes: the inverse of `deframe`, and with batches of frames that of `deframeBatch`.
 *
 *     source  --s-----p----[f,s]--|   s: SYN, p: PSH with 5,000 bytes, [f,s]: a batch of FIN and SYN
 *     frame() --a-----b----c------|   b: one chunk holding two frames, 4,096 and 904 bytes of data
 *
 * Emits one `Uint8Array` for each frame or batch, of at most 4,096 bytes of data a frame: a longer PSH becomes several
 * frames back to back. Each byte is copied once. Starts, ends and errors with its source; buffers nothing.
 *
 * @param options `version` 1 or 2, written into each header; default 1. `allocate` gives exactly so many bytes to write a chunk
 * to, whatever they hold; default a new array each. Throws `invalid-option` for others.
 * @see docs/PROTOCOL.md section 1 (the smux frame)
 * @example
 * import { frame, type Frame } from 'lighthouse-peer/operators'
 * import { of } from 'rxjs'
 *
 * of<Frame>({ command: 'psh', streamId: 3, data: Uint8Array.of(7, 8) })
 *   .pipe(frame({ version: 2 }))
 *   .subscribe(bytes => console.log(bytes.join(' ')))
 * // → 2 2 2 0 3 0 0 0 7 8
 */
export function frame(
  options: {
    readonly version?: MuxVersion | undefined
    readonly allocate?: ((bytes: number) => Uint8Array) | undefined
  } = {},
): OperatorFunction<Frame | readonly Frame[], Uint8Array> {
  verifyOptions(options, { version: optional(oneOf(1, 2)), allocate: optional(func) })
  const { version = 1, allocate } = options
  return map(value => encodeFrames('command' in value ? [value] : value, version, allocate))
}
