import { defer, map, type Observer, type OperatorFunction, tap } from 'rxjs'
import { LighthouseError } from '../protocol/errors.js'
import type { Frame } from '../protocol/mux/frame.js'
import type { MuxEffect, MuxState, MuxTransition } from '../protocol/mux/state.js'
import { func, verifyOptions } from '../protocol/options.js'

/** What happens on one open stream. */
export type StreamEffect = Extract<MuxEffect, { type: 'deliver' | 'end' | 'pause' | 'resume' }>

/** Where the effects of one stream go. A Subject is one. */
export type StreamObserver = Partial<Observer<StreamEffect>>

/**
 * Hands out what `multiplex` has taken in: the effects of each stream go to that stream's observer, and the frames to send go on, to `pack`.
 *
 *     source                --[accept 2]--[deliver 2, send]--[closed 2]--|
 *     demultiplex(observe)  --[]----------[frames]-----------[]----------|   observer of stream 2: --d--|
 *
 * An observer is asked for with the first effect of its stream. It completes when the stream has ended in both directions, and
 * errors when the stream was reset: by the other side, by the stream layer, by an event `reset` of this side, or with the whole
 * connection, which `channel-closed` stands for when the source completes. So what it was given is complete if it completes. Effects
 * are performed before the frames of the same step go on, since a channel may refuse these.
 *
 * Starts and ends with its source. Errors with it, with the reason of an effect `fail`, and with what an observer throws.
 * Unsubscribing notifies no observer. Buffers nothing; holds one observer for each open stream. Bytes that are delivered are valid
 * until the observer returns where the multiplexer was given `allocate`.
 *
 * @param observe is called with the stream's ID, and whether the other side opened it. Throws `invalid-option` for anything but a function.
 * @see docs/PROTOCOL.md section 1
 * @example
 * import { defaultMuxConfig, demultiplex, type MuxEvent, multiplex } from 'lighthouse-peer/operators'
 * import { from } from 'rxjs'
 *
 * const config = defaultMuxConfig('server', { version: 2, rst: true })
 * const data = new TextEncoder().encode('hello')
 * const events: readonly MuxEvent[] = [
 *   { type: 'frames', frames: [{ command: 'syn', streamId: 3 }, { command: 'psh', streamId: 3, data }], now: 0 },
 *   { type: 'frames', frames: [{ command: 'rst', streamId: 3 }], now: 1 },
 * ]
 * from(events)
 *   .pipe(
 *     multiplex(config),
 *     demultiplex((id, accepted) => ({
 *       next: effect => console.log(id, accepted, effect.type),
 *       error: reason => console.log(id, reason.code),
 *     })),
 *   )
 *   .subscribe()
 * // → 3 true deliver
 * // → 3 stream-reset
 */
export function demultiplex(
  observe: (id: number, accepted: boolean) => StreamObserver,
): OperatorFunction<MuxTransition, readonly Frame[]> {
  verifyOptions({ observe }, { observe: func })
  return transition$ =>
    defer(() => {
      const observers = new Map<number, StreamObserver>()
      let open = 0
      const observerOf = (id: number, accepted = false): StreamObserver => {
        const observer = observers.get(id) ?? observe(id, accepted)
        observers.set(id, observer)
        return observer
      }
      const lastOf = (id: number): StreamObserver => {
        const observer = observerOf(id)
        observers.delete(id)
        return observer
      }
      const resetAll = (reason: unknown, isOver: (id: number) => boolean): void => {
        for (const id of observers.keys()) if (isOver(id)) lastOf(id).error?.(reason)
      }
      const perform = (effect: MuxEffect): void => {
        switch (effect.type) {
          case 'accept':
            observerOf(effect.id, true)
            return
          case 'closed':
            return lastOf(effect.id).complete?.()
          case 'reset':
            return lastOf(effect.id).error?.(effect.error)
          case 'fail':
            throw effect.error
          case 'send':
          case 'receipt':
            return
          default:
            observerOf(effect.id).next?.(effect)
        }
      }
      /** An event `reset` has no effect. */
      const resetHere = ({ streams }: MuxState): void => {
        const isFewer = streams.size < open
        open = streams.size
        if (isFewer) resetAll(new LighthouseError('stream-reset', 'this side reset the stream'), id => !streams.has(id))
      }
      return transition$.pipe(
        map(({ state, effects }) => {
          effects.forEach(perform)
          resetHere(state)
          return effects.find(effect => effect.type === 'send')?.frames ?? []
        }),
        tap({
          error: reason => resetAll(reason, () => true),
          complete: () => resetAll(new LighthouseError('channel-closed', 'the connection has ended'), () => true),
        }),
      )
    })
}
