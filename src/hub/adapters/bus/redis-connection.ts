import { createClient } from 'redis'
import {
  asyncScheduler,
  concatMap,
  exhaustMap,
  ignoreElements,
  merge,
  type MonoTypeOperatorFunction,
  Observable,
  of,
  type SchedulerLike,
  Subject,
  timeout,
  timer,
} from 'rxjs'
import { LighthouseError, toLighthouseError } from '../../../protocol/errors.js'
import type { BusConnection, BusMessage } from '../../ports/bus.js'

/** From dialling to the first answer. A Redis in reach takes milliseconds, one behind TLS across a region some hundred. */
const connectTimeoutMs = 4_000

/** How often Redis is asked whether it is there, and how long it may take: a machine that vanished closes no socket. */
const pingIntervalMs = 2_000
const pingTimeoutMs = 4_000

type Client = ReturnType<typeof newClient>

function newClient(url: string) {
  return createClient({
    url,
    RESP: 3,
    name: 'lighthouse-hub',
    socket: { connectTimeout: connectTimeoutMs, reconnectStrategy: false },
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
  })
}

/** Runs what is asked of one channel in turn: the client loses a subscription that crosses an end of it on the wire. */
function inTurn(): (channel: string, run: () => Promise<void>) => Promise<void> {
  const last = new Map<string, Promise<void>>()
  return (channel, run) => {
    const turn = (last.get(channel) ?? Promise.resolve()).then(run, run)
    last.set(channel, turn)
    const release = (): void => {
      if (last.get(channel) === turn) last.delete(channel)
    }
    turn.then(release, release)
    return turn
  }
}

function toConnection(client: Client, message$: Subject<BusMessage>): BusConnection {
  const turn = inTurn()
  // The client rejects other commands by itself, but lets these wait for ever.
  const needReady = (): void => {
    if (!client.isReady) throw new LighthouseError('store-failed', 'The connection to Redis is over.')
  }
  const listener = (text: string, channel: string): void => message$.next({ channel, text })
  return {
    message$: message$.asObservable(),
    publish: (channel, text) => client.publish(channel, text),
    async subscribe(channels) {
      needReady()
      const [channel] = channels
      return channels.length === 1 && channel !== undefined
        ? turn(channel, () => client.subscribe(channel, listener))
        : client.subscribe([...channels], listener)
    },
    async unsubscribe(channel) {
      needReady()
      return turn(channel, () => client.unsubscribe(channel, listener))
    },
    async check() {
      await client.ping()
    },
  }
}

/** Errors when there is nothing for so long, `first` or each time. */
function answering<Value>(
  limits: { readonly first: number } | { readonly each: number },
  scheduler: SchedulerLike,
): MonoTypeOperatorFunction<Value> {
  return timeout({
    ...limits,
    scheduler,
    with: () => {
      throw new LighthouseError('store-failed', 'Redis does not answer.')
    },
  })
}

function pings$(client: Client, scheduler: SchedulerLike): Observable<never> {
  return timer(pingIntervalMs, pingIntervalMs, scheduler).pipe(
    exhaustMap(() => client.ping()),
    answering({ each: pingIntervalMs + pingTimeoutMs }, scheduler),
    ignoreElements(),
  )
}

function client$(url: string): Observable<Client> {
  return new Observable(subscriber => {
    const client = newClient(url)
    const failed = (error: unknown): void => subscriber.error(toLighthouseError('store-failed', error, 'Redis'))
    // Stays until the end: an EventEmitter without a listener for "error" throws.
    client.on('error', failed)
    client.connect().then(() => subscriber.next(client), failed)
    return () => {
      // While it dials it has nothing to destroy yet, and goes on.
      client.once('connect', () => client.destroy())
      client.destroy()
    }
  })
}

/**
 * One connection to Redis 6 or later, for messages and commands both, so that there is one order of things and one end.
 *
 * Cold: emits once when Redis answers, and errors with `store-failed` when it cannot be reached within 4 s, closes the
 * connection, or leaves a question open for 4 s. Does not connect again by itself: whoever subscribes again starts with
 * a connection that remembers nothing. Unsubscribing closes it at once. Calls wait for Redis unbounded, whoever makes
 * them bounds them.
 */
export function redisConnection$(url: string, scheduler: SchedulerLike = asyncScheduler): Observable<BusConnection> {
  return client$(url).pipe(
    answering({ first: connectTimeoutMs }, scheduler),
    concatMap(client => merge(pings$(client, scheduler), of(toConnection(client, new Subject<BusMessage>())))),
  )
}
