import { defer, exhaustMap, finalize, type Observable, type OperatorFunction, Subject, throttle } from 'rxjs'

/**
 * `exhaustMap` that comes back for the newest value: while one projection runs, values replace each other, and the last of
 * them is projected next.
 *
 *     source                               -a--b-c-d------e---|     a projection takes 5 frames and emits its letter
 *     exhaustMapWithTrailing(project)      ------a----d----…
 *
 * Starts with its source and ends when the source and the projection under way have; a value that waits at the source's end
 * is dropped. Errors with either. Holds one value.
 *
 * @example receipt$.pipe(exhaustMapWithTrailing(receipt => settle$(receipt)))
 */
export function exhaustMapWithTrailing<In, Out>(project: (value: In) => Observable<Out>): OperatorFunction<In, Out> {
  return source$ =>
    defer(() => {
      const released$ = new Subject<void>()
      return source$.pipe(
        throttle(() => released$, { leading: true, trailing: true }),
        exhaustMap(value => defer(() => project(value)).pipe(finalize(() => released$.next()))),
      )
    })
}
