import { type MonoTypeOperatorFunction, Observable } from 'rxjs'

/** Calls `work` when it is unsubscribed from, before the source is: `finalize` would come after everything inside has ended. */
export function beforeEnd<T>(work: () => void): MonoTypeOperatorFunction<T> {
  return source$ =>
    new Observable(subscriber => {
      subscriber.add(work)
      return source$.subscribe(subscriber)
    })
}
