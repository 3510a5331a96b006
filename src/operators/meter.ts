import {
  asyncScheduler,
  connect,
  endWith,
  ignoreElements,
  interval,
  map,
  type OperatorFunction,
  pairwise,
  pipe,
  scan,
  type SchedulerLike,
  startWith,
  takeUntil,
  withLatestFrom,
} from 'rxjs'

/** Bytes so far, and how many a second came in the last period. */
export interface Metered {
  readonly total: number
  readonly perSecond: number
}

/**
 * Adds up byte counts and reports total and rate once a period.
 *
 *     source                   -5--5-----------|
 *     meter({ everyMs: 6 })    ------a-----b---|   a: total 10, b: total 10, 0 a second
 *
 * Reports from subscription until the source ends, with it, also in periods without bytes; errors with it. Buffers nothing.
 *
 * @param options `everyMs` (default 1,000), `scheduler` (default async).
 * @example deliver$.pipe(map(effect => effect.bytes.length), meter())
 */
export function meter(
  options: { readonly everyMs?: number; readonly scheduler?: SchedulerLike } = {},
): OperatorFunction<number, Metered> {
  const { everyMs = 1000, scheduler = asyncScheduler } = options
  return pipe(
    scan((total, bytes: number) => total + bytes, 0),
    startWith(0),
    connect(total$ =>
      interval(everyMs, scheduler).pipe(
        withLatestFrom(total$),
        map(([, total]) => total),
        startWith(0),
        pairwise(),
        map(([before, total]) => ({ total, perSecond: ((total - before) * 1000) / everyMs })),
        takeUntil(total$.pipe(ignoreElements(), endWith('end'))),
      ),
    ),
  )
}
