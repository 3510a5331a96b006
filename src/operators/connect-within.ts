import {
  asyncScheduler,
  connect,
  defer,
  filter,
  ignoreElements,
  merge,
  type MonoTypeOperatorFunction,
  type SchedulerLike,
  tap,
  throwError,
  timeout,
} from 'rxjs'
import { LighthouseError } from '../protocol/errors.js'
import { milliseconds, optional, scheduler as scheduled, text, verifyOptions } from '../protocol/options.js'

/** Longest wait for a connection, on both sides (docs/PROTOCOL.md section 3). */
export const connectTimeoutMs = 20_000

/**
 * Errors unless the source has emitted a state of the phase `open` in time; after that it may take as long as it likes.
 *
 *     source                     --r---o----c-------------   resolving, offering, connecting, never open
 *     connectWithin({ ms: 13 })  --r---o----c-#              # connect-timeout, details.phase: 'connecting'
 *
 * Starts and ends with its source. Errors with `connect-timeout`, whose `details.phase` is the phase of the last state seen,
 * and unsubscribes from the source. Buffers nothing.
 *
 * @param options `ms` (default 20,000), `scheduler` (default async), `what` names the attempt in the message. Throws
 * `invalid-option` for others.
 * @example connection$.pipe(connectWithin({ what: 'bob' }))
 */
export function connectWithin<State extends { readonly type: string }>(
  options: { readonly ms?: number; readonly scheduler?: SchedulerLike; readonly what?: string } = {},
): MonoTypeOperatorFunction<State> {
  verifyOptions(options, { ms: optional(milliseconds), scheduler: optional(scheduled), what: optional(text) })
  const { ms = connectTimeoutMs, scheduler = asyncScheduler, what = 'the other peer' } = options
  return source =>
    defer(() => {
      let phase = 'resolving'
      const late = (): LighthouseError => {
        const message = `${what} did not connect within ${ms / 1000} s (reached: ${phase})`
        return new LighthouseError('connect-timeout', message, { phase })
      }
      return source.pipe(
        tap(state => {
          phase = state.type
        }),
        connect(state$ =>
          merge(
            state$.pipe(
              filter(state => state.type === 'open'),
              timeout({ first: ms, scheduler, with: () => throwError(late) }),
              ignoreElements(),
            ),
            state$,
          ),
        ),
      )
    })
}
