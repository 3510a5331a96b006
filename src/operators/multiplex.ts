import { observeOn, type OperatorFunction, pipe, queueScheduler, scan } from 'rxjs'
import { createMux, step } from '../protocol/mux.js'
import type { MuxConfig, MuxEvent, MuxTransition } from '../protocol/mux-state.js'

/**
 * Carries many virtual streams over one ordered byte channel: events in, the effects they ask for out.
 *
 *     source       --o-------w-------f------|   o: open 3, w: write 3, f: frames arrived
 *     multiplex()  --[send]--[send]--[deliver]--|
 *
 * Emits one transition for each event, with the new state and its effects in the order in which to perform them. Performing
 * an effect may cause events: they are trampolined here, at this one place, and follow after the effects under way. Starts,
 * ends and errors with its source; what is fatal for the connection comes as the effect `fail`. What is buffered where, and
 * how much, stands at `step`.
 *
 * @param config see `defaultMuxConfig`.
 * @see docs/PROTOCOL.md section 1
 * @example merge(message$.pipe(deframeBatch(agreement), map(toEvent)), socketEvent$).pipe(multiplex(config))
 */
export function multiplex(config: MuxConfig): OperatorFunction<MuxEvent, MuxTransition> {
  const seed: MuxTransition = { state: createMux(config), effects: [] }
  return pipe(
    observeOn<MuxEvent>(queueScheduler),
    scan((transition, event): MuxTransition => {
      const [state, effects] = step(transition.state, event)
      return { state, effects }
    }, seed),
  )
}
