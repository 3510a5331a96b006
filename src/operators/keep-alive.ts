import {
  asyncScheduler,
  connect,
  endWith,
  ignoreElements,
  interval,
  map,
  merge,
  type Observable,
  type SchedulerLike,
  takeUntil,
} from 'rxjs'
import { present, timerRules, verifyOptions } from '../protocol/options.js'

/** Tick of the keep-alive. `keepAliveTicks` and `silentTicks` of the multiplexer count these. */
export const keepAliveTickMs = 1000

/**
 * Mixes ticks into events, for whoever counts them: the multiplexer's keep-alive does.
 *
 *     source                               --a----b-------c--|
 *     keepAlive({ tick: t, everyMs: 4 })   --a-t--bt---t--ct-|
 *
 * Ticks start with the subscription and end with the source. Counting ticks instead of reading a clock makes the limits
 * immune to a wall clock that jumps and to a machine that slept: after waking up there is one tick, not thousands.
 * Buffers nothing.
 *
 * @param options `tick`, `everyMs` (default 1,000), `scheduler` (default async). Throws `invalid-option` for others.
 * @example
 * import { keepAlive } from 'lighthouse-peer/operators'
 * import { map, NEVER, scan, take } from 'rxjs'
 *
 * NEVER.pipe(
 *   keepAlive({ tick: 'tick', everyMs: 5 }),
 *   scan(silent => silent + 1, 0),
 *   map(silent => `silent for ${silent} ticks`),
 *   take(2),
 * ).subscribe(text => console.log(text))
 * // → silent for 1 ticks
 * // → silent for 2 ticks
 */
export function keepAlive<Tick>(options: {
  readonly tick: Tick
  readonly everyMs?: number
  readonly scheduler?: SchedulerLike
}): <Event>(source$: Observable<Event>) => Observable<Event | Tick> {
  verifyOptions(options, { ...timerRules, tick: present })
  const { tick, everyMs = keepAliveTickMs, scheduler = asyncScheduler } = options
  return connect(event$ => {
    const tick$ = interval(everyMs, scheduler).pipe(map(() => tick))
    return merge(tick$.pipe(takeUntil(event$.pipe(ignoreElements(), endWith('end')))), event$)
  })
}
