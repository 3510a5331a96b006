import { defer, finalize, type Observable, Subject, takeUntil, tap } from 'rxjs'
import {
  type MemoryChannel as Channel,
  type MemoryChannelOptions,
  memoryChannelPair as channelPair,
} from '../../src/adapters/memory/channel-pair.js'
import type { LighthouseError } from '../../src/protocol/errors.js'

/** One end of a pair in memory, as the spec watches it. */
export interface MemoryChannel extends Channel {
  readonly sentBytes: number
  /** Most that was ever handed over and not yet drained. */
  readonly mostAheadBytes: number
  /** What is subscribed to at the moment: `message$` and `drained$`. */
  readonly subscriptions: number
  /** As when the network fails: this end's `message$` errors. */
  fail(error: LighthouseError): void
}

/** Two joined ends. Messages take `latencyMs` of the scheduler's time; by default they arrive in a microtask. */
export function memoryChannelPair(options: MemoryChannelOptions = {}): readonly [MemoryChannel, MemoryChannel] {
  const [a, b] = channelPair(options)
  return [watched(a), watched(b)]
}

function watched(channel: Channel): MemoryChannel {
  const failure$ = new Subject<never>()
  let sentBytes = 0
  let drainedBytes = 0
  let mostAheadBytes = 0
  let subscriptions = 0
  const counted = <T>(source$: Observable<T>): Observable<T> =>
    defer(() => {
      subscriptions++
      return source$.pipe(finalize(() => subscriptions--))
    })
  return {
    ...channel,
    get sentBytes() {
      return sentBytes
    },
    get mostAheadBytes() {
      return mostAheadBytes
    },
    get subscriptions() {
      return subscriptions
    },
    message$: counted(channel.message$.pipe(takeUntil(failure$))),
    drained$: counted(channel.drained$.pipe(tap(bytes => (drainedBytes += bytes)))),
    send(message) {
      channel.send(message)
      sentBytes += message.length
      mostAheadBytes = Math.max(mostAheadBytes, sentBytes - drainedBytes)
    },
    fail: error => failure$.error(error),
  }
}
