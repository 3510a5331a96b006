import { asapScheduler, Observable, type SchedulerLike, type Subscriber } from 'rxjs'
import type { ByteChannel } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import {
  invalidOption,
  milliseconds,
  optional,
  scheduler as scheduled,
  verifyOptions,
  whole,
} from '../../protocol/options.js'

const maxMessageBytes = 256 * 1024

/** As deep as the multiplexer fills a channel by default. */
const defaultHighWaterBytes = 512 * 1024

/** One end of a pair in memory. */
export interface MemoryChannel extends ByteChannel {
  /** Ends the pair: the other side's `message$` completes after what was sent. Harmless when over. */
  close(): void
}

/** How a pair in memory behaves. */
export interface MemoryChannelOptions {
  /** On which messages travel. Default: asap, so that they arrive in a microtask. */
  readonly scheduler?: SchedulerLike
  /** How long each takes on it, in milliseconds. Default 0. */
  readonly latencyMs?: number
  /** What one side may have on its way. Default 512 KiB. */
  readonly highWaterBytes?: number
}

interface End extends MemoryChannel {
  deliver(message: Uint8Array | 'end'): void
  left(bytes: number): void
}

/**
 * Two joined channels within one program, ordered and reliable as a data channel is: for tests, and for two parts of a
 * program that could be apart.
 *
 * Holds what is under way and what arrived before `message$` is subscribed to. Both count as not drained, so a sender that keeps to
 * `highWaterBytes` bounds them. Messages are copied once; a larger one than 256 KiB is `invalid-option`.
 *
 * @param options see `MemoryChannelOptions`. Throws `invalid-option`, which names the field.
 * @example
 * import { memoryChannelPair } from 'lighthouse-peer/mux'
 *
 * const [near, far] = memoryChannelPair()
 * far.message$.subscribe({ next: message => console.log(message.join()), complete: () => console.log('closed') })
 * near.send(Uint8Array.of(1, 2, 3))
 * near.close()
 * // → 1,2,3
 * // → closed
 */
export function memoryChannelPair(options: MemoryChannelOptions = {}): readonly [MemoryChannel, MemoryChannel] {
  verifyOptions(options, {
    scheduler: optional(scheduled),
    latencyMs: optional({ allows: value => value === 0 || milliseconds.allows(value), text: milliseconds.text }),
    highWaterBytes: optional(whole(1)),
  })
  const a: End = end(() => b, options)
  const b: End = end(() => a, options)
  return [a, b]
}

function end(other: () => End, options: MemoryChannelOptions): End {
  const { scheduler = asapScheduler, latencyMs = 0, highWaterBytes = defaultHighWaterBytes } = options
  const early: (Uint8Array | 'end')[] = []
  let reader: Subscriber<Uint8Array> | undefined
  let drained: Subscriber<number> | undefined
  let closed = false

  const read = (message: Uint8Array | 'end'): void => {
    if (message === 'end') return reader?.complete()
    other().left(message.length)
    reader?.next(message)
  }
  return {
    maxMessageBytes,
    highWaterBytes,
    message$: new Observable(subscriber => {
      reader = subscriber
      for (const message of early.splice(0)) read(message)
    }),
    drained$: new Observable(subscriber => {
      drained = subscriber
    }),
    send(message) {
      if (closed) throw new LighthouseError('channel-closed', 'the channel is closed')
      if (message.length > maxMessageBytes) throw invalidOption('message', `has more than ${maxMessageBytes} bytes`)
      const copy = Uint8Array.from(message)
      scheduler.schedule(() => other().deliver(copy), latencyMs)
    },
    close() {
      if (!closed) scheduler.schedule(() => other().deliver('end'), latencyMs)
      closed = true
    },
    deliver(message) {
      if (message === 'end') closed = true
      if (reader === undefined) early.push(message)
      else read(message)
    },
    left: bytes => drained?.next(bytes),
  }
}
