import { defer, EMPTY, exhaustMap, type Observable, of, type OperatorFunction, repeat, tap } from 'rxjs'
import { func, verifyOptions } from '../protocol/options.js'

/**
 * `exhaustMap` that comes back for the newest value: while one projection runs, values replace each other, and the last of
 * them is projected next.
 *
 *     source                           -a--bc--d--------e---|   a projection takes 5 frames and emits its letter
 *     exhaustMapWithTrailing(project)  ------a----c----d----(e|)
 *
 * Starts with its source; ends when the source and the projection under way have, and after the value that waits then.
 * Errors with either. Holds one value.
 *
 *
 * @example
 * import { exhaustMapWithTrailing } from 'lighthouse-peer/operators'
 * import { map, of, timer } from 'rxjs'
 *
 * // While the first is saved, the second is replaced by the third.
 * of('a', 'b', 'c')
 *   .pipe(exhaustMapWithTrailing(text => timer(5).pipe(map(() => `saved ${text}`))))
 *   .subscribe(result => console.log(result))
 * // → saved a
 * // → saved c
 */
export function exhaustMapWithTrailing<In, Out>(project: (value: In) => Observable<Out>): OperatorFunction<In, Out> {
  verifyOptions({ project }, { project: func })
  return source$ =>
    defer(() => {
      let waiting: { readonly value: In } | undefined
      const next$ = defer(() => {
        const { value } = waiting!
        waiting = undefined
        return project(value)
      })
      return source$.pipe(
        tap(value => {
          waiting = { value }
        }),
        exhaustMap(() => next$.pipe(repeat({ delay: () => (waiting === undefined ? EMPTY : of(undefined)) }))),
      )
    })
}
