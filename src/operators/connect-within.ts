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
import { func, milliseconds, optional, scheduler as scheduled, text, verifyOptions } from '../protocol/options.js'

/** Longest wait for a connection, on both sides (docs/PROTOCOL.md section 3). */
export const connectTimeoutMs = 20_000

const defaultPhase = (state: unknown): string => (state === undefined ? 'started' : 'connecting')

/**
 * Errors unless the source has emitted a state that counts as open in time; after that it may take as long as it likes.
 *
 *     source                             --r---o----c-------------   resolving, offering, connecting, never open
 *     connectWithin({ isOpen, ms: 13 })  --r---o----c-#              # connect-timeout, details.phase: 'connecting'
 *
 * Starts and ends with its source. Errors with `connect-timeout`, whose `details.phase` names the last state seen,
 * and unsubscribes from the source. Buffers nothing.
 *
 * @param options `isOpen` recognises the state that ends the wait; `phaseOf` names a state for the error, or that there is none yet
 * (default: `connecting` and `started`); `ms` (default 20,000), `scheduler` (default async), `what` names the attempt
 * in the message. Throws `invalid-option` for others.
 * @example
 * import { connectWithin, type LighthouseError } from 'lighthouse-peer/operators'
 * import { concat, NEVER, of } from 'rxjs'
 *
 * concat(of('resolving', 'offering'), NEVER)
 *   .pipe(connectWithin({ isOpen: state => state === 'open', phaseOf: state => state ?? 'started', ms: 10, what: 'bob' }))
 *   .subscribe({ error: (error: LighthouseError) => console.log(error.message) })
 * // → bob did not connect within 0.01 s (reached: offering)
 */
export function connectWithin<State>(options: {
  readonly isOpen: (state: State) => boolean
  readonly phaseOf?: (state: State | undefined) => string
  readonly ms?: number
  readonly scheduler?: SchedulerLike
  readonly what?: string
}): MonoTypeOperatorFunction<State> {
  verifyOptions(options, {
    isOpen: func,
    phaseOf: optional(func),
    ms: optional(milliseconds),
    scheduler: optional(scheduled),
    what: optional(text),
  })
  const { isOpen, phaseOf = defaultPhase, ms = connectTimeoutMs, scheduler = asyncScheduler } = options
  const { what = 'the other side' } = options
  return source =>
    defer(() => {
      let latest: State | undefined
      const late = (): LighthouseError => {
        const phase = phaseOf(latest)
        const message = `${what} did not connect within ${ms / 1000} s (reached: ${phase})`
        return new LighthouseError('connect-timeout', message, { phase })
      }
      return source.pipe(
        tap(state => {
          latest = state
        }),
        connect(state$ =>
          merge(
            state$.pipe(
              filter(isOpen),
              timeout({ first: ms, scheduler, with: () => throwError(late) }),
              ignoreElements(),
            ),
            state$,
          ),
        ),
      )
    })
}
