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
 * @example chunk$.pipe(deframe({ version: 2, rst: true }))
 */
export function deframe(agreement: MuxAgreement = defaults): OperatorFunction<Uint8Array, Frame> {
  return pipe(
    deframeBatch(agreement),
    concatMap(frames => from(frames)),
  )
}
