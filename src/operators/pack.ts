import { concatMap, type OperatorFunction, pipe } from 'rxjs'
import { type Frame, headerBytes, maxSentDataBytes, type MuxVersion } from '../protocol/mux/frame.js'
import { groupFrames } from '../protocol/mux/pack.js'
import { func, oneOf, optional, type OptionRules, verifyOptions, whole } from '../protocol/options.js'
import { frame } from './frame.js'

/** How `pack` makes messages. */
export interface PackOptions {
  /** Written into each header. Default 1. */
  readonly version?: MuxVersion | undefined
  /** Largest message, at least 4,104 bytes: one full frame. */
  readonly maxMessageBytes: number
  /** Where a message is written: exactly so many bytes, whatever they hold. Default: a new array each. */
  readonly allocate?: ((bytes: number) => Uint8Array) | undefined
}

const rules: OptionRules<PackOptions> = {
  version: optional(oneOf(1, 2)),
  maxMessageBytes: whole(headerBytes + maxSentDataBytes),
  allocate: optional(func),
}

/**
 * Packs batches of frames into messages for a channel, as few and as full as `maxMessageBytes` allows.
 *
 *     source  --a--------b----|   a: three frames that fit one message, b: frames that fill two messages and a half
 *     pack()  --m--------(mmm)|
 *
 * Frames keep their order and are never split over two messages, except that a PSH with more than 4,096 bytes of data is
 * cut into several. A batch begins a message of its own; an empty batch gives none. Starts, ends and errors with its source; buffers
 * nothing, unless a message causes the next batch, which then waits until the messages before it are out.
 *
 * @param options see `PackOptions`. Throws `invalid-option`, which names the field.
 * @see docs/PROTOCOL.md section 1
 * @example
 * import { type Frame, pack } from 'lighthouse-peer/operators'
 * import { of } from 'rxjs'
 *
 * const data = new Uint8Array(3000)
 * const frames: readonly Frame[] = [1, 2, 3].map(streamId => ({ command: 'psh', streamId, data }))
 * of(frames)
 *   .pipe(pack({ version: 2, maxMessageBytes: 8192 }))
 *   .subscribe(message => console.log(message.length))
 * // → 6016
 * // → 3008
 */
export function pack(options: PackOptions): OperatorFunction<readonly Frame[], Uint8Array> {
  verifyOptions(options, rules)
  const { maxMessageBytes, version, allocate } = options
  return pipe(
    concatMap(frames => groupFrames(frames, maxMessageBytes)),
    frame({ version, allocate }),
  )
}
