import { createClient } from 'redis'
import { Observable } from 'rxjs'
import type { RedisClient } from './rate-limiter.js'

/** Of an attempt to connect. */
const connectTimeoutMs = 4_000

/**
 * A client of Redis for limits, which connects again by itself for as long as it is subscribed to. Emits at once: until it is
 * connected each of its commands fails at once, and so it does during an outage.
 */
export function limitsClient$(url: string): Observable<RedisClient> {
  return new Observable(subscriber => {
    const client = createClient({
      url,
      name: 'lighthouse-hub-limits',
      socket: { connectTimeout: connectTimeoutMs },
      disableOfflineQueue: true,
    })
    // The bus, which is on the same Redis, says when that is away.
    client.on('error', () => undefined)
    // Rejects only when it is destroyed first.
    client.connect().catch(() => undefined)
    subscriber.next(client)
    return () => {
      // While it dials it has nothing to destroy yet, and goes on.
      client.once('connect', () => client.destroy())
      client.destroy()
    }
  })
}
