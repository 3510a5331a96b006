import {
  asyncScheduler,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  ignoreElements,
  type Observable,
  of,
  type OperatorFunction,
  race,
  repeat,
  type SchedulerLike,
  share,
  take,
  tap,
  timer,
} from 'rxjs'
import { func, milliseconds, optional, scheduler as scheduled, verifyOptions, whole } from '../protocol/options.js'

/** When a batch is full. */
export interface BatchOptions {
  /** How long the first of a batch waits for others, in milliseconds. */
  readonly maxMs: number
  /** How many are worked on at once. */
  readonly maxItems: number
  /** The clock of `maxMs`. Default async. */
  readonly scheduler?: SchedulerLike
}

/**
 * Works on items in batches, one batch at a time; the next one collects meanwhile. `bufferTime` with a demand: what comes
 * while a batch is worked on goes together, however long that takes, and nothing is scheduled while nothing waits.
 *
 *     source                                 a-bc------d---|    work takes 4 frames
 *     batch({ maxMs: 2, maxItems: 2 }, work)  ------1---2---3|   1: ab, 2: c, 3: d
 *
 * Emits what `work` emits. Completes when the source has and the last batch is done, with an error of the source or of
 * `work` at once. Holds what waits without a bound of its own: whoever feeds it counts what it has handed over.
 *
 * @param options `maxMs`, `maxItems`, `scheduler`. Throws `invalid-option` for what they cannot be.
 * @example
 * import { batch } from 'lighthouse-peer/operators'
 * import { of, range } from 'rxjs'
 *
 * range(1, 5)
 *   .pipe(batch({ maxMs: 2, maxItems: 2 }, numbers => of(numbers.join('+'))))
 *   .subscribe(sum => console.log(sum))
 * // → 1+2
 * // → 3+4
 * // → 5
 */
export function batch<In, Out>(
  options: BatchOptions,
  work: (items: readonly In[]) => Observable<Out>,
): OperatorFunction<In, Out> {
  verifyOptions(options, { maxMs: milliseconds, maxItems: whole(1), scheduler: optional(scheduled) })
  verifyOptions({ work }, { work: func })
  const { maxMs, maxItems, scheduler = asyncScheduler } = options
  return source$ =>
    defer(() => {
      const waiting: In[] = []
      const item$ = source$.pipe(
        tap(item => waiting.push(item)),
        share(),
      )
      const isFull = (): boolean => waiting.length >= maxItems
      // Ends with the source too, so that nobody waits for more that cannot come.
      const gather$ = defer(() =>
        isFull() ? EMPTY : race(timer(maxMs, scheduler), item$.pipe(filter(isFull))).pipe(take(1), ignoreElements()),
      )
      const drain$ = defer(() => work(waiting.splice(0, maxItems))).pipe(
        // Those that came meanwhile have waited for long enough.
        repeat({ delay: () => (waiting.length > 0 ? of(true) : EMPTY) }),
      )
      return item$.pipe(exhaustMap(() => concat(gather$, drain$)))
    })
}
