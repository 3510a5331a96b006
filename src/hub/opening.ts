/** Opens a hub's database, and its bus and rate limiters over Redis. */
import { asyncScheduler, defer, distinctUntilChanged, map, type Observable, of, switchMap, tap } from 'rxjs'
import { nodeCrypto } from '../adapters/crypto/crypto.node.js'
import { memoryPath } from '../adapters/store/sqlite/file.node.js'
import { fileProblem, keyMarker, markerPath } from '../adapters/store/key-marker.node.js'
import { blockHash } from './adapters/store/block-hash.js'
import { rateLimiters } from './adapters/limits/rate-limiter.js'
import { postgresStore$ } from './adapters/store/postgres-store.js'
import { SessionBus } from './adapters/bus/session-bus.js'
import { type RedisClient, redisClient$ } from './adapters/redis/redis-client.js'
import { sqliteStore$ } from './adapters/store/sqlite-store.js'
import type { HubOptions, HubSettings } from './options.js'
import type { HubBus } from './ports/bus.js'
import type { RateLimiters } from './ports/limits.js'
import type { HubLogger } from './ports/logger.js'
import type { HubStore } from './ports/store.js'
import { keepConnected } from './streams/keep-connected.js'
import { openOwn$, type OwnDatabase } from './streams/store/own-keys.js'

/** The default logger. */
export const silent: HubLogger = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** The database of the hub; its own, or nobody's yet. */
export function openStore$({ database }: HubSettings, own: OwnDatabase, logger: HubLogger): Observable<HubStore> {
  return openOwn$(
    own,
    database.type === 'sqlite'
      ? sqliteStore$(database.path, blockHash, logger)
      : postgresStore$(database.url, blockHash, logger),
  )
}

/** How the hub tells its database from others. */
export function ownDatabase({ database, keyMarker: path, acceptNew }: HubSettings): OwnDatabase {
  const file = database.type === 'sqlite' && database.path !== memoryPath ? database.path : undefined
  const at = path ?? (file === undefined ? undefined : markerPath(file))
  return {
    name: file === undefined ? 'The database' : `"${file}"`,
    problem: () => (file === undefined ? undefined : fileProblem(file)),
    marker: at === undefined ? undefined : keyMarker(at),
    acceptNew,
  }
}

/** What the processes of a hub have in common. */
export interface Shared {
  readonly bus: HubBus
  readonly limiters: RateLimiters
}

/** Opens the bus and the rate limiters over Redis, or for a single process where there is none. */
export function openShared$({ redisUrl }: HubSettings, hubKey: string, options: HubOptions): Observable<Shared> {
  const { crypto = nodeCrypto, scheduler = asyncScheduler, logger = silent } = options
  const prefix = `lighthouse:${hubKey}:limit`
  const isAlone = redisUrl === undefined
  const bus = new SessionBus(hubKey, crypto.randomId(16), scheduler, isAlone)
  if (isAlone) return of({ bus, limiters: rateLimiters(prefix) })
  return defer(() => {
    let client: RedisClient | undefined
    const shared = { bus, limiters: rateLimiters(prefix, () => client) }
    return redisClient$(redisUrl).pipe(
      tap(connected => {
        client = connected
      }),
      switchMap(connected => bus.serve$(connected)),
      keepConnected(logger, scheduler),
      map(() => shared),
      distinctUntilChanged(),
    )
  })
}
