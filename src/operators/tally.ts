import {
  asyncScheduler,
  catchError,
  concat,
  concatMap,
  defer,
  from,
  type OperatorFunction,
  type SchedulerLike,
  tap,
  throttleTime,
  throwError,
} from 'rxjs'

/** Values of one key since the last report: the newest of them, and how many there were. */
export interface Tally<Value> {
  readonly newest: Value
  readonly count: number
}

/**
 * Counts values by key and reports the counts: the first at once, then at most once a period, so that a flood of values is a few
 * reports.
 *
 *     source                         -a--a-b-a---------|
 *     tally(key, { everyMs: 8 })     -A-------(AB)-----|   A: one a, then two; B: one b
 *
 * Starts with its source and ends with it, or with the period that runs then. Errors with it, after what was counted. Holds one
 * value a key, so there must be few of them.
 *
 * @param keyOf what is counted together.
 * @param options `everyMs`, `scheduler` (default async).
 * @example reset$.pipe(tally(({ code }) => code, { everyMs: 10_000 }))
 */
export function tally<Value>(
  keyOf: (value: Value) => string,
  options: { readonly everyMs: number; readonly scheduler?: SchedulerLike },
): OperatorFunction<Value, Tally<Value>> {
  const { everyMs, scheduler = asyncScheduler } = options
  return source$ =>
    defer(() => {
      const tallies = new Map<string, Tally<Value>>()
      const report$ = defer(() => {
        const counted = [...tallies.values()]
        tallies.clear()
        return from(counted)
      })
      return source$.pipe(
        tap(newest => {
          const key = keyOf(newest)
          tallies.set(key, { newest, count: (tallies.get(key)?.count ?? 0) + 1 })
        }),
        throttleTime(everyMs, scheduler, { leading: true, trailing: true }),
        concatMap(() => report$),
        catchError((error: unknown) =>
          concat(
            report$,
            throwError(() => error),
          ),
        ),
      )
    })
}
