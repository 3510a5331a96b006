import { type MonoTypeOperatorFunction, Observable } from 'rxjs'

/**
 * Passes values on one after the other: one that arrives while another is still being handled waits for its turn.
 *
 *     source         --a----b--|   handling a causes c
 *     trampoline()   --(ac)-b--|   c after all that a does, not within it
 *
 * Starts and errors with its source and ends with it, each after the values that wait. What `observeOn(queueScheduler)`
 * does, for one subscription and without an action of a scheduler for each value. Buffers what is caused while one value is
 * handled; unsubscribing drops it.
 */
export function trampoline<T>(): MonoTypeOperatorFunction<T> {
  return source$ =>
    new Observable(subscriber => {
      const waiting: T[] = []
      let handling = false
      let end: (() => void) | undefined
      const endBy = (say: () => void): void => {
        if (handling) end = say
        else say()
      }
      const handle = (): void => {
        while (waiting.length > 0 && !subscriber.closed) subscriber.next(waiting.shift()!)
      }
      const subscription = source$.subscribe({
        next: value => {
          waiting.push(value)
          if (handling) return
          handling = true
          try {
            handle()
          } finally {
            handling = false
          }
          end?.()
        },
        error: (error: unknown) => endBy(() => subscriber.error(error)),
        complete: () => endBy(() => subscriber.complete()),
      })
      subscriber.add(subscription)
    })
}
