import {
  asyncScheduler,
  defer,
  distinctUntilChanged,
  map,
  type Observable,
  retry,
  type SchedulerLike,
  switchMap,
  tap,
  timeout,
  timer,
} from 'rxjs'
import { LighthouseError } from '../../../protocol/errors.js'
import type { BusConnection, HubBus } from '../../ports/bus.js'
import type { HubLogger } from '../../ports/logger.js'
import { BusNode } from './bus-node.js'

/** From the first attempt at the start; a Redis that starts at the same time is there by then. */
const firstConnectTimeoutMs = 10_000

/** Between attempts to connect. One TCP connection a second from each process is nothing to a Redis that comes back. */
const reconnectDelayMs = 1_000

/** What a shared bus needs. */
export interface SharedBusOptions {
  /** Cold, one connection a subscription; errors when it is lost. */
  readonly connection$: Observable<BusConnection>
  /** Base64; communities with other hub keys can share what carries the messages. */
  readonly hubKey: string
  /** Names this process; not used by another one, nor by this one before. */
  readonly processId: string
  readonly logger: HubLogger
  /** Default `asyncScheduler`. Its `now()` is milliseconds since 1970. */
  readonly scheduler?: SchedulerLike
}

/**
 * The bus of a hub that is several processes. A process subscribes to the channels of the keys whose sessions it holds,
 * so who is signed in is what the carrier knows of live connections: a process that is killed has none.
 *
 * ```
 * connection$   --c---------#   --c------
 * output        ---bus-------------------     the same one for good
 * ```
 *
 * Cold. Emits the bus once the first connection stands, and errors with `store-failed` when none does within 10 s.
 * Later losses end nothing: until the next connection, tried every second, peers of this process reach each other, others
 * are `offline`, and `check` rejects. Then all sessions are announced again; of two that hold one key the newer stays.
 * Holds at most 16 MiB of messages that wait for the carrier and 10,000 that wait for an
 * answer; more are `congested`.
 */
export function sharedBus$(options: SharedBusOptions): Observable<HubBus> {
  const { connection$, hubKey, processId, logger, scheduler = asyncScheduler } = options
  return defer(() => {
    const bus = new BusNode(processId, hubKey, scheduler)
    let [isDown, lastError]: [boolean, unknown] = [false, undefined]
    return connection$.pipe(
      switchMap(connection => bus.serve$(connection)),
      tap(() => {
        isDown = false
        logger.info({}, 'the bus is connected')
      }),
      retry({
        delay: error => {
          // Said once an outage, not once an attempt.
          if (!isDown) logger.warn({ err: error }, 'the bus is not connected, peers of other processes are offline')
          isDown = true
          lastError = error
          return timer(reconnectDelayMs, scheduler)
        },
      }),
      map((): HubBus => bus),
      timeout({
        first: firstConnectTimeoutMs,
        scheduler,
        with: () => {
          const reason = lastError instanceof Error ? lastError.message : 'no answer'
          throw new LighthouseError('store-failed', `The bus cannot be reached: ${reason}.`, {}, { cause: lastError })
        },
      }),
      distinctUntilChanged(),
    )
  })
}
