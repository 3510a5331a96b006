import { concatMap, endWith, filter, from, map, type OperatorFunction, pipe, scan } from 'rxjs'
import { createDeframer, type DeframerState, stepDeframer } from '../protocol/mux/deframer.js'
import { LighthouseError } from '../protocol/errors.js'
import { verifyAgreement } from '../protocol/mux/config.js'
import type { Frame, MuxAgreement } from '../protocol/mux/frame.js'

const defaults: MuxAgreement = { version: 1, rst: false }
const end = Symbol('end of the source')

/**
 * Turns bytes, cut anywhere, into batches of frames: one batch for each chunk that completes any.
 *
 *     source          --a----b----c---|   a: a frame and a half, b: the other half, c: three frames
 *     deframeBatch()  --1----1----3---|
 *
 * Starts and ends with its source. Errors with `frame-version`, `frame-command` or `frame-size` at the first malformed
 * header, and with `frame-size` when the source completes within a frame. Buffers the part of one frame that has arrived,
 * at most 65,542 bytes, in copies of its own. Data of whole frames are views of the chunk: copy what you keep.
 *
 * @param agreement version (default 1) and whether RST exists (default false). Throws `invalid-option` for others.
 * @see docs/PROTOCOL.md section 1
 * @example
 * import { deframeBatch } from 'lighthouse-peer/operators'
 * import { of } from 'rxjs'
 *
 * // Two frames of version 1, cut in the middle of the second: SYN and FIN of stream 3.
 * const bytes = Uint8Array.of(1, 0, 0, 0, 3, 0, 0, 0, 1, 1, 0, 0, 3, 0, 0, 0)
 * of(bytes.subarray(0, 12), bytes.subarray(12))
 *   .pipe(deframeBatch())
 *   .subscribe(frames => console.log(frames.map(({ command }) => command).join()))
 * // → syn
 * // → fin
 */
export function deframeBatch(agreement: MuxAgreement = defaults): OperatorFunction<Uint8Array, readonly Frame[]> {
  verifyAgreement(agreement)
  const initial: readonly [DeframerState, readonly Frame[]] = [createDeframer(agreement), []]
  return pipe(
    endWith(end),
    scan(
      ([state], chunk: Uint8Array | typeof end): readonly [DeframerState, readonly Frame[] | undefined] => {
        if (chunk !== end) return stepDeframer(state, chunk)
        return [state, state.heldBytes === 0 ? [] : undefined]
      },
      initial as readonly [DeframerState, readonly Frame[] | undefined],
    ),
    map(([, frames]) => {
      if (frames === undefined) throw new LighthouseError('frame-size', 'the bytes end within a frame')
      return frames
    }),
    filter(frames => frames.length > 0),
  )
}

/**
 * Turns bytes, cut anywhere, into frames: the inverse of `frame`.
 *
 *     source     --a----b----c-----|   a: a frame and a half, b: the other half, c: three frames
 *     deframe()  --f----f----(fff)-|
 *
 * Starts, ends, errors and buffers as `deframeBatch` does.
 *
 *
 * @example
 * import { deframe, frame, type Frame } from 'lighthouse-peer/operators'
 * import { of } from 'rxjs'
 *
 * of<Frame>({ command: 'psh', streamId: 3, data: new Uint8Array(5000) })
 *   .pipe(frame({ version: 2 }), deframe({ version: 2, rst: true }))
 *   .subscribe(received => console.log(received.command, received.command === 'psh' && received.data.length))
 * // → psh 4096
 * // → psh 904
 */
export function deframe(agreement: MuxAgreement = defaults): OperatorFunction<Uint8Array, Frame> {
  return pipe(
    deframeBatch(agreement),
    concatMap(frames => from(frames)),
  )
}
