import { type MonoTypeOperatorFunction, retry, type SchedulerLike, tap, timeout, timer } from 'rxjs'
import { wrapError } from '../../protocol/errors.js'
import type { HubLogger } from '../ports/logger.js'

/** Time limit for the first connection; a Redis started at the same time is up by then. */
const firstConnectTimeoutMs = 10_000

/** Between attempts: one TCP connection a second per process is no load for a Redis that restarts. */
const reconnectDelayMs = 1_000

/**
 * Reconnects to Redis one second after each loss, without end, and logs each outage once.
 *
 * ```
 * source    --c---------#   --c---
 * output    --c---------------c---     or # store-failed, when nothing comes within 10 s
 * ```
 */
export function keepConnected<Value>(logger: HubLogger, scheduler: SchedulerLike): MonoTypeOperatorFunction<Value> {
  return source => {
    let lastError: unknown
    return source.pipe(
      tap(() => {
        if (lastError !== undefined) logger.info({}, 'Redis is connected again')
        lastError = undefined
      }),
      retry({
        delay: error => {
          if (lastError === undefined) {
            logger.warn({ err: error }, 'Redis is not connected: peers of other processes are offline')
          }
          lastError = error
          return timer(reconnectDelayMs, scheduler)
        },
      }),
      timeout({
        first: firstConnectTimeoutMs,
        scheduler,
        with: () => {
          throw wrapError('store-failed', lastError ?? 'no answer', 'Redis cannot be reached')
        },
      }),
    )
  }
}
