import { asapScheduler, Observable, type SchedulerLike, type Subscriber } from 'rxjs'
import type { ByteChannel } from '../../src/ports.js'
import { LighthouseError } from '../../src/protocol/errors.js'

/** One end of a pair in memory. Ordered and reliable, as a data channel is. */
export interface MemoryChannel extends ByteChannel {
  readonly sentMessages: number
  readonly sentBytes: number
  /** Most that was ever handed over and not yet drained. */
  readonly mostAheadBytes: number
  /** What is subscribed to at the moment: `message$` and `drained$`. */
  readonly subscriptions: number
  /** As when this side's process ends: the other side's `message$` completes after what was sent. */
  close(): void
  /** As when the network fails: this end's `message$` errors. */
  fail(error: LighthouseError): void
}

interface End extends MemoryChannel {
  deliver(message: Uint8Array | 'end'): void
}

/** Two joined ends. Messages take `latencyMs` of the scheduler's time; by default they arrive in a microtask. */
export function memoryChannelPair(
  options: { readonly scheduler?: SchedulerLike; readonly latencyMs?: number; readonly highWaterBytes?: number } = {},
): readonly [MemoryChannel, MemoryChannel] {
  const a: End = end(() => b, options)
  const b: End = end(() => a, options)
  return [a, b]
}

function end(
  other: () => End,
  {
    scheduler = asapScheduler,
    latencyMs = 0,
    highWaterBytes = 512 * 1024,
  }: { readonly scheduler?: SchedulerLike; readonly latencyMs?: number; readonly highWaterBytes?: number },
): End {
  const early: (Uint8Array | 'end')[] = []
  let reader: Subscriber<Uint8Array> | undefined
  let drained: Subscriber<number> | undefined
  let closed = false
  let sentMessages = 0
  let sentBytes = 0
  let ahead = 0
  let mostAheadBytes = 0

  const accept = (message: Uint8Array | 'end'): void => {
    if (message === 'end') reader?.complete()
    else reader?.next(message)
  }
  return {
    maxMessageBytes: 256 * 1024,
    highWaterBytes,
    get sentMessages() {
      return sentMessages
    },
    get sentBytes() {
      return sentBytes
    },
    get mostAheadBytes() {
      return mostAheadBytes
    },
    get subscriptions() {
      return Number(reader !== undefined) + Number(drained !== undefined)
    },
    message$: new Observable(subscriber => {
      reader = subscriber
      subscriber.add(() => {
        reader = undefined
      })
      for (const message of early.splice(0)) accept(message)
    }),
    drained$: new Observable(subscriber => {
      drained = subscriber
      subscriber.add(() => {
        drained = undefined
      })
    }),
    send(message) {
      if (closed) throw new LighthouseError('channel-closed', 'the channel is closed')
      const copy = Uint8Array.from(message)
      if (message.length > 256 * 1024) throw new Error(`a message of ${message.length} bytes`)
      sentMessages++
      sentBytes += message.length
      ahead += message.length
      mostAheadBytes = Math.max(mostAheadBytes, ahead)
      scheduler.schedule(() => {
        ahead -= message.length
        other().deliver(copy)
        drained?.next(message.length)
      }, latencyMs)
    },
    close() {
      closed = true
      scheduler.schedule(() => other().deliver('end'), latencyMs)
    },
    fail(error) {
      closed = true
      reader?.error(error)
    },
    deliver(message) {
      if (message === 'end') closed = true
      if (reader === undefined) early.push(message)
      else accept(message)
    },
  }
}
