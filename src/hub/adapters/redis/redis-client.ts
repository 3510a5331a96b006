import { createClient } from 'redis'
import {
  asyncScheduler,
  exhaustMap,
  ignoreElements,
  merge,
  Observable,
  of,
  type SchedulerLike,
  switchMap,
  throwError,
  timeout,
  timer,
} from 'rxjs'
import { LighthouseError, toLighthouseError } from '../../../protocol/errors.js'

/** From dialling to the first answer. A Redis in reach takes milliseconds, one behind TLS across a region some hundred. */
const connectTimeoutMs = 4_000

/** How often Redis is asked whether it is there, and how long it may take: a machine that vanished closes no socket. */
const pingIntervalMs = 2_000
const pingTimeoutMs = 4_000

/** The part of node-redis's client in use. Calls have no time limit and reject when the connection is lost. */
export type RedisClient = Pick<ReturnType<typeof newClient>, 'isReady' | 'eval' | 'publish' | 'subscribe' | 'ping'>

function newClient(url: string) {
  return createClient({
    url,
    // Replies and published messages share one connection, so their order is defined.
    RESP: 3,
    name: 'lighthouse-hub',
    socket: { connectTimeout: connectTimeoutMs, reconnectStrategy: false },
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
  })
}

function connected$(url: string): Observable<RedisClient> {
  return new Observable(subscriber => {
    const client = newClient(url)
    const failed = (error: unknown): void => subscriber.error(toLighthouseError('store-failed', error, 'Redis'))
    // Stays until the end: an EventEmitter without a listener for "error" throws.
    client.on('error', failed)
    client.connect().then(() => subscriber.next(client), failed)
    return () => {
      // destroy() has no effect while the client is still connecting.
      client.once('connect', () => client.destroy())
      client.destroy()
    }
  })
}

/**
 * One connection to Redis 6 or later. Cold: emits once when Redis answers, and errors with `store-failed` when it cannot be
 * reached within 4 s, closes the connection, or leaves a ping open for 4 s. Does not connect again by itself: whoever
 * subscribes again starts with a connection that remembers nothing. Unsubscribing closes it at once.
 */
export function redisClient$(url: string, scheduler: SchedulerLike = asyncScheduler): Observable<RedisClient> {
  const silent = () => throwError(() => new LighthouseError('store-failed', 'Redis does not answer.'))
  return connected$(url).pipe(
    timeout({ first: connectTimeoutMs, scheduler, with: silent }),
    switchMap(client => {
      const pings$ = timer(pingIntervalMs, pingIntervalMs, scheduler).pipe(
        exhaustMap(() => client.ping()),
        timeout({ each: pingIntervalMs + pingTimeoutMs, scheduler, with: silent }),
        ignoreElements(),
      )
      return merge(pings$, of(client))
    }),
  )
}
