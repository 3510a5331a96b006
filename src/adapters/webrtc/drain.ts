import { Observable, type Subscriber } from 'rxjs'

/**
 * No implementation for Node tells reliably when its buffer drains, so it is looked at again while much is in it. Each look
 * waits for a thread of the library, which is busy with the packets: little of it, as a side sends that only receives, is
 * not looked after so often.
 */
const drainPollMs = 2
const idlePollMs = 100

/** How much of what was handed to a data channel has left its buffer. */
export interface Drain {
  /** Below so many bytes in the buffer there is no hurry. */
  readonly lowBytes: number
  /** For `ByteChannel.drained$`. A timer runs only while it is subscribed to and something is in the buffer. */
  readonly drained$: Observable<number>
  /** So much was handed over. */
  sent(bytes: number): void
  /** Something may have left. */
  look(): void
}

/** Watches the buffer of a data channel, of which the sender fills at most `highWaterBytes`. */
export function drainOf(bufferedBytes: () => number, highWaterBytes: number): Drain {
  const lowBytes = highWaterBytes / 4
  let outstanding = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let soon = false
  let drained: Subscriber<number> | undefined

  const stop = (): void => {
    clearTimeout(timer)
    timer = undefined
    soon = false
  }
  const lookLater = (): void => {
    if (drained === undefined || outstanding === 0 || soon) return
    soon = outstanding >= lowBytes
    if (timer !== undefined && !soon) return
    clearTimeout(timer)
    timer = setTimeout(look, soon ? drainPollMs : idlePollMs)
  }
  const look = (): void => {
    stop()
    const left = Math.max(0, outstanding - bufferedBytes())
    outstanding -= left
    lookLater()
    if (left > 0) drained?.next(left)
  }
  return {
    lowBytes,
    look,
    drained$: new Observable(subscriber => {
      drained = subscriber
      subscriber.add(() => {
        drained = undefined
        stop()
      })
      lookLater()
    }),
    sent(bytes) {
      outstanding += bytes
      lookLater()
    },
  }
}
