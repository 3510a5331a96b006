import { observeOn, type OperatorFunction, pipe, queueScheduler, scan } from 'rxjs'
import { verifyMuxConfig } from '../protocol/mux/config.js'
import { createMux, step } from '../protocol/mux/step.js'
import type { MuxConfig, MuxEvent, MuxState, MuxTransition } from '../protocol/mux/state.js'

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
 * @param config see `defaultMuxConfig`. Throws `invalid-option`, which names the field, where a value cannot work.
 * @param creditBytes how much may be sent in all, asked right before each event is applied: several connections may draw
 * on one credit, and what was asked when an event was made may have been used by another meanwhile. The bytes
 * of an event `credit` are then ignored. Default: those of the last `credit` event, without limit before the first.
 * @see docs/PROTOCOL.md section 1
 * @example
 * import { defaultMuxConfig, type MuxEvent, multiplex } from 'lighthouse-peer/operators'
 * import { from } from 'rxjs'
 *
 * const events: readonly MuxEvent[] = [
 *   { type: 'open', id: 3 },
 *   { type: 'write', id: 3, bytes: new TextEncoder().encode('hello') },
 *   { type: 'end', id: 3 },
 * ]
 * from(events)
 *   .pipe(multiplex(defaultMuxConfig('client', { version: 2, rst: true })))
 *   .subscribe(({ effects }) => {
 *     for (const effect of effects) {
 *       if (effect.type === 'send') console.log(effect.frames.map(({ command }) => command).join())
 *     }
 *   })
 * // → syn
 * // → psh
 * // → fin
 */
export function multiplex(config: MuxConfig, creditBytes?: () => number): OperatorFunction<MuxEvent, MuxTransition> {
  verifyMuxConfig(config)
  const seed: MuxTransition = { state: createMux(config), effects: [] }
  const apply = (state: MuxState, event: MuxEvent): ReturnType<typeof step> => {
    if (creditBytes === undefined) return step(state, event)
    const bytes = creditBytes()
    if (event.type === 'credit') return step(state, { type: 'credit', bytes })
    return step(bytes === state.creditBytes ? state : { ...state, creditBytes: bytes }, event)
  }
  return pipe(
    observeOn<MuxEvent>(queueScheduler),
    scan((transition, event): MuxTransition => {
      const [state, effects] = apply(transition.state, event)
      return { state, effects }
    }, seed),
  )
}
