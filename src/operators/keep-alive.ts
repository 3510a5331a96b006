import {
  asyncScheduler,
  connect,
  endWith,
  ignoreElements,
  interval,
  map,
  merge,
  type OperatorFunction,
  type SchedulerLike,
  takeUntil,
} from 'rxjs'
import type { MuxEvent } from '../protocol/mux/state.js'
import { timerRules, verifyOptions } from '../protocol/options.js'

/** Tick of the keep-alive. `keepAliveTicks` and `silentTicks` of the multiplexer count these. */
export const keepAliveTickMs = 1000

/**
 * Mixes the ticks that the multiplexer's keep-alive counts into its events.
 *
 *     source                      --a----b-------c--|
 *     keepAlive({ everyMs: 4 })   --a-t--bt---t--ct-|   t: a tick
 *
 * Ticks start with the subscription and end with the source. Counting ticks instead of reading a clock makes the limits
 * immune to a wall clock that jumps and to a machine that slept: after waking up there is one tick, not thousands.
 * Buffers nothing.
 *
 * @param options `everyMs` (default 1,000), `scheduler` (default async). Throws `invalid-option` for others.
 * @example event$.pipe(keepAlive(), multiplex(config))
 */
export function keepAlive(
  options: { readonly everyMs?: number; readonly scheduler?: SchedulerLike } = {},
): OperatorFunction<MuxEvent, MuxEvent> {
  verifyOptions(options, timerRules)
  const { everyMs = keepAliveTickMs, scheduler = asyncScheduler } = options
  return connect(event$ => {
    const tick$ = interval(everyMs, scheduler).pipe(map((): MuxEvent => ({ type: 'tick' })))
    return merge(tick$.pipe(takeUntil(event$.pipe(ignoreElements(), endWith('end')))), event$)
  })
}
