import { asyncScheduler, distinctUntilChanged, map, type Observable, switchMap } from 'rxjs'
import { SessionBus } from '../../src/hub/adapters/bus/session-bus.js'
import { redisClient$ } from '../../src/hub/adapters/redis/redis-client.js'
import type { HubBus } from '../../src/hub/ports/bus.js'
import { keepConnected } from '../../src/hub/streams/keep-connected.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** The bus of one process over Redis, as a hub opens it. */
export function redisBus$(url: string, hubKey: string, process: string): Observable<HubBus> {
  const bus = new SessionBus(hubKey, process, asyncScheduler)
  return redisClient$(url).pipe(
    switchMap(client => bus.serve$(client)),
    keepConnected(silent, asyncScheduler),
    map(() => bus),
    distinctUntilChanged(),
  )
}
