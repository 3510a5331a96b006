/** Opens what a hub is put together from: its database, its bus and its rate limiters. */
import { asyncScheduler, map, type Observable, of } from 'rxjs'
import { nodeCrypto } from '../adapters/crypto/crypto.node.js'
import { memoryPath } from '../adapters/store/sqlite/file.node.js'
import { fileProblem, keyMarker, markerPath } from '../adapters/store/key-marker.node.js'
import { blockHash } from './adapters/store/block-hash.js'
import { rateLimiters } from './adapters/limits/rate-limiter.js'
import { limitsClient$ } from './adapters/limits/redis-client.js'
import { postgresStore$ } from './adapters/store/postgres-store.js'
import { redisConnection$ } from './adapters/bus/redis-connection.js'
import { sqliteStore$ } from './adapters/store/sqlite-store.js'
import { silent } from './assembly.js'
import type { HubOptions, HubSettings } from './options.js'
import type { HubBus } from './ports/bus.js'
import type { RateLimiters } from './ports/limits.js'
import type { HubLogger } from './ports/logger.js'
import type { HubStore } from './ports/store.js'
import { memoryBus } from './streams/bus/memory-bus.js'
import { openOwn$, type OwnDatabase } from './streams/store/own-keys.js'
import { sharedBus$ } from './streams/bus/shared-bus.js'

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

/** How its processes reach each other. */
export function openBus$({ redisUrl }: HubSettings, hubKey: string, options: HubOptions): Observable<HubBus> {
  const { crypto = nodeCrypto, scheduler = asyncScheduler, logger = silent } = options
  if (redisUrl === undefined) return of(memoryBus())
  const connection$ = redisConnection$(redisUrl)
  return sharedBus$({ connection$, hubKey, processId: crypto.randomId(16), logger, scheduler })
}

/** What counts rates, over its processes where they share a Redis. */
export function openLimiters$({ redisUrl }: HubSettings, hubKey: string): Observable<RateLimiters> {
  const prefix = `lighthouse:${hubKey}:limit`
  if (redisUrl === undefined) return of(rateLimiters(prefix))
  return limitsClient$(redisUrl).pipe(map(client => rateLimiters(prefix, client)))
}
