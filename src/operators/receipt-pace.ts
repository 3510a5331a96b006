import {
  asyncScheduler,
  audit,
  connect,
  defer,
  endWith,
  filter,
  map,
  merge,
  type MonoTypeOperatorFunction,
  NEVER,
  type Observable,
  type SchedulerLike,
  startWith,
  tap,
  timer,
} from 'rxjs'
import { func, having, invalidOption, optional, timerRules, verifyOptions } from '../protocol/options.js'

/** Longest that received bytes stay unsigned. Above 2 MB/s a seeder's first credit has receipts due sooner than that. */
export const receiptIntervalMs = 250

/**
 * Turns the cumulative count of received bytes into the amounts to sign receipts for.
 *
 *     source                              -a-b------c-d-e---|   a: 3, b: 4, c: 20, d: 21, e: 22
 *     receiptPace(() => 10, { everyMs })  -----b----c-----e-|   everyMs: 4
 *
 * An amount is emitted when at least `stepBytes()` are unsigned, when something has been unsigned for `everyMs`, at each
 * `flush$`, and when the source ends: always the newest count, each time more than before. Errors with the source, with
 * `flush$`, or with what `stepBytes` throws, and then emits nothing more. Holds one number; a timer runs, and `flush$` is
 * subscribed to, only while something is unsigned.
 *
 * @param stepBytes asked at each count, since a seeder's credit grows with what it was paid (`receiptStep`).
 * @param options `everyMs` (default 250), `flush$` (the end of a stream, or before closing; default never), `scheduler`
 * (default async). Throws `invalid-option` for others.
 * @example
 * import { receiptPace } from 'lighthouse-peer/operators'
 * import { of } from 'rxjs'
 *
 * // A receipt each 10 bytes, and at the end for the rest.
 * of(3, 4, 20, 21, 22)
 *   .pipe(receiptPace(() => 10))
 *   .subscribe(bytes => console.log(bytes))
 * // → 20
 * // → 22
 */
export function receiptPace(
  stepBytes: () => number,
  options: {
    readonly everyMs?: number
    readonly flush$?: Observable<unknown>
    readonly scheduler?: SchedulerLike
  } = {},
): MonoTypeOperatorFunction<number> {
  if (typeof stepBytes !== 'function') throw invalidOption('stepBytes', func.text)
  verifyOptions(options, { ...timerRules, flush$: optional(having('subscribe')) })
  const { everyMs = receiptIntervalMs, flush$ = NEVER, scheduler = asyncScheduler } = options
  return source$ =>
    defer(() => {
      let newest = 0
      let signed = 0
      return source$.pipe(
        tap(total => (newest = total)),
        connect(total$ => {
          // Its end counts as due, so that nothing received stays unsigned.
          const step$ = total$.pipe(
            startWith(undefined),
            filter(() => newest - signed >= stepBytes()),
            endWith(undefined),
          )
          return total$.pipe(
            filter(total => total > signed),
            audit(() => merge(step$, timer(everyMs, scheduler), flush$)),
          )
        }),
        map(() => newest),
        filter(total => total > signed),
        tap(total => (signed = total)),
      )
    })
}
