import {
  asyncScheduler,
  connect,
  endWith,
  ignoreElements,
  interval,
  type OperatorFunction,
  pipe,
  scan,
  type SchedulerLike,
  startWith,
  takeUntil,
  timeInterval,
  withLatestFrom,
} from 'rxjs'
import { timerRules, verifyOptions } from '../protocol/options.js'

/** Bytes so far, and how many a second came since the last report. */
export interface Metered {
  readonly total: number
  readonly perSecond: number
}

/**
 * Adds up byte counts and reports total and rate once a period. The rate is over the time that really passed, which is longer
 * than a period when the program was busy.
 *
 *     source                   -5--5-----------|
 *     meter({ everyMs: 6 })    ------a-----b---|   a: total 10, b: total 10, 0 a second
 *
 * Reports from subscription until the source ends, with it, also in periods without bytes; errors with it. Buffers nothing.
 *
 * @param options `everyMs` (default 1,000), `scheduler` (default async), whose clock the rate goes by. Throws `invalid-option`
 * for others.
 * @example
 * import { meter } from 'lighthouse-peer/operators'
 * import { concat, ignoreElements, of, timer } from 'rxjs'
 *
 * // Chunks of 300 and 200 bytes, and a source that goes on for a while.
 * concat(of(300, 200), timer(15).pipe(ignoreElements()))
 *   .pipe(meter({ everyMs: 10 }))
 *   .subscribe(({ total }) => console.log(total))
 * // → 500
 */
export function meter(
  options: { readonly everyMs?: number; readonly scheduler?: SchedulerLike } = {},
): OperatorFunction<number, Metered> {
  verifyOptions(options, timerRules)
  const { everyMs = 1000, scheduler = asyncScheduler } = options
  return pipe(
    scan((total, bytes: number) => total + bytes, 0),
    startWith(0),
    connect(total$ =>
      interval(everyMs, scheduler).pipe(
        timeInterval(scheduler),
        withLatestFrom(total$),
        scan(
          (before, [{ interval: passedMs }, total]): Metered => ({
            total,
            // A timer is never early: less has passed only on a clock that was set back.
            perSecond: ((total - before.total) * 1000) / Math.max(passedMs, everyMs),
          }),
          { total: 0, perSecond: 0 },
        ),
        takeUntil(total$.pipe(ignoreElements(), endWith('end'))),
      ),
    ),
  )
}
