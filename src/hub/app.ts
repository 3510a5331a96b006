/**
 * The composition root of a hub, and the package's entry `lighthouse-peer/hub`.
 */
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import {
  asyncScheduler,
  combineLatest,
  concatMap,
  defer,
  finalize,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  switchMap,
  take,
} from 'rxjs'
import { nodeCrypto } from '../adapters/crypto.node.js'
import { memoryPath } from '../adapters/sqlite-file.node.js'
import { fileProblem, keyMarker, markerPath } from '../adapters/store/key-marker.node.js'
import { verifyOptions, whole } from '../protocol/options.js'
import type { LedgerHead } from '../protocol/signal.js'
import { blockHash } from './adapters/store/block-hash.js'
import { clientAddress } from './adapters/http/client-address.js'
import { doorkeeper } from './adapters/limits/connection-limiter.js'
import { downloadLimit } from './adapters/limits/download-limit.js'
import { hubRoutes } from './adapters/http/express-routes.js'
import { type HttpListening, listen$ } from './adapters/http/http-listener.js'
import { addressKey } from './adapters/limits/address-key.js'
import { addressLimit } from './adapters/limits/address-limit.js'
import { rateLimiters } from './adapters/limits/rate-limiter.js'
import { limitsClient$ } from './adapters/limits/redis-client.js'
import { postgresStore$ } from './adapters/store/postgres-store.js'
import { redisConnection$ } from './adapters/bus/redis-connection.js'
import { socketIoServer$ } from './adapters/signaling/socket-io.server.js'
import { sqliteStore$ } from './adapters/store/sqlite-store.js'
import { type Assembly, assemble, silent } from './assembly.js'
import { type HubOptions, type HubSettings, readHubOptions } from './options.js'
import type { HubBus, HubLogger, HubStore, RateLimiters } from './ports.js'
import { maxInvites } from './protocol/signaling/registry.js'
import { healthCheck } from './streams/http/health.js'
import { serveSocket$ } from './streams/signaling/hub-session.js'
import { inviteHash, makeInvites } from './streams/http/invites.js'
import { checkLedgerHead$, signedHead } from './streams/settlement/ledger-head.js'
import { addressRateLimiter } from './streams/limits/address-rate-limiter.js'
import { memoryBus } from './streams/bus/memory-bus.js'
import { openOwn$, type OwnDatabase, ownKeys$ } from './streams/store/own-keys.js'
import { pruneSessions$ } from './streams/settlement/session-pruning.js'
import { sharedBus$ } from './streams/bus/shared-bus.js'

export type { HubOptions, HubRateLimits } from './options.js'
export type { HubLogger } from './ports.js'
export type { TurnOptions } from './protocol/signaling/ice.js'
export type { RegistrationPolicy } from './protocol/signaling/registry.js'

/** A running hub. */
export interface Hub {
  /** Where peers reach it on this machine, like `http://127.0.0.1:3000`. */
  readonly url: string
  readonly port: number
  /** What it listens on, as the system says it: `0.0.0.0` and `::` are all addresses. */
  readonly address: string
  /** Base64 of the public key by which peers know this hub. */
  readonly hubKey: string
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}

/** A wildcard cannot be dialled everywhere; what answers on it answers on loopback. */
function reachableUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

function openStore$({ database }: HubSettings, own: OwnDatabase, logger: HubLogger): Observable<HubStore> {
  return openOwn$(
    own,
    database.type === 'sqlite'
      ? sqliteStore$(database.path, blockHash, logger)
      : postgresStore$(database.url, blockHash, logger),
  )
}

function ownDatabase({ database, keyMarker: path, acceptNew }: HubSettings): OwnDatabase {
  const file = database.type === 'sqlite' && database.path !== memoryPath ? database.path : undefined
  const at = path ?? (file === undefined ? undefined : markerPath(file))
  return {
    name: file === undefined ? 'The database' : `"${file}"`,
    problem: () => (file === undefined ? undefined : fileProblem(file)),
    marker: at === undefined ? undefined : keyMarker(at),
    acceptNew,
  }
}

function openBus$({ redisUrl }: HubSettings, hubKey: string, options: HubOptions): Observable<HubBus> {
  const { crypto = nodeCrypto, scheduler = asyncScheduler, logger = silent } = options
  if (redisUrl === undefined) return of(memoryBus())
  const connection$ = redisConnection$(redisUrl)
  return sharedBus$({ connection$, hubKey, processId: crypto.randomId(16), logger, scheduler })
}

function openLimiters$({ redisUrl }: HubSettings, hubKey: string): Observable<RateLimiters> {
  const prefix = `lighthouse:${hubKey}:limit`
  if (redisUrl === undefined) return of(rateLimiters(prefix))
  return limitsClient$(redisUrl).pipe(map(client => rateLimiters(prefix, client)))
}

/** Attaches routes and signaling as long as it is subscribed to. Never emits. */
function attach$({ server }: HttpListening, assembly: Assembly, settings: HubSettings, options: HubOptions) {
  const { context, gate, limiters, places, trustsProxy, downloads, lag } = assembly
  const { store, keys, bus, metrics, logger, scheduler } = context
  const { crypto = nodeCrypto } = options
  const { limits, controlToken: token } = settings
  return defer((): Observable<never> => {
    const byAddress = (
      name: 'registrations' | 'lookups',
      perMinute: number,
      onLimit: () => void,
    ): ReturnType<typeof addressLimit> =>
      addressLimit(perMinute, limiters(name, { burst: perMinute, perSecond: perMinute / 60 }), () => {
        metrics.limited(name)
        onLimit()
      })
    const registrationsByKey = limiters('registrations-by-key', limits.registrations)
    const head = (): Promise<LedgerHead | null> =>
      signedHead(store, keys, (privKey, text) => crypto.sign(privKey, text))
    const invites = async (count: number): Promise<readonly string[]> => {
      const codes = await makeInvites(count, store, crypto, scheduler.now())
      metrics.invites(codes.length)
      return codes
    }
    const routes = hubRoutes({
      store,
      hubKey: keys.pubKey,
      version: packageVersion(),
      grantBytes: settings.grantBytes,
      registration: settings.registration,
      inviteHash: code => inviteHash(code, crypto),
      verify: (pubKey, text, signature) => crypto.verify(pubKey, text, signature),
      health: healthCheck({ store, bus, head, scheduler, logger }),
      control: token === undefined ? undefined : { token, makeInvites: invites },
      nowMs: () => scheduler.now(),
      metrics,
      logger,
      trustsProxy,
      registrationLimit: byAddress('registrations', limits.registrationsPerMinute, () =>
        metrics.registration('rate-limited'),
      ),
      lookupLimit: byAddress('lookups', limits.lookupsPerMinute, () => undefined),
      downloadLimit: downloadLimit(limits.downloads, downloads, () => metrics.limited('downloads')),
      async mayRegister(pubKey) {
        const { allowed } = await registrationsByKey.take(pubKey)
        if (!allowed) metrics.limited('registrations-by-key')
        return allowed
      },
    })
    const addressOf = (request: IncomingMessage): string => clientAddress(request, trustsProxy)
    const handshakes = addressRateLimiter(limiters, 'handshakes', limits.handshakes, addressKey)
    const door = doorkeeper({ gate, places, addressOf, handshakes, metrics })
    // Before socket.io: it takes its own requests out from in front of the routes that are there when it comes.
    server.on('request', routes)
    lag.start()
    return socketIoServer$(server, door).pipe(
      mergeMap(socket => serveSocket$(socket, context)),
      finalize(() => {
        server.off('request', routes)
        lag.stop()
      }),
    )
  })
}

function serve$(assembly: Assembly, settings: HubSettings, options: HubOptions): Observable<Hub> {
  const { context, settlement, places, trustsProxy } = assembly
  const addressOf = ({ remoteAddress = '' }: Socket): string | undefined =>
    trustsProxy(remoteAddress, 0) ? undefined : remoteAddress
  const onGivenUp = (): void => context.metrics.limited('connections')
  return listen$({ ...settings, places, addressOf, onGivenUp }).pipe(
    switchMap(listening => {
      const { port, address } = listening
      const hub: Hub = { url: reachableUrl(settings.host, port), port, address, hubKey: context.keys.pubKey }
      const work$ = merge(settlement.settle$, pruneSessions$(context), attach$(listening, assembly, settings, options))
      return merge(work$, of(hub))
    }),
  )
}

/**
 * A whole hub: names, logins, signaling and the ledger of coins.
 *
 * Cold: each subscription opens a database and a listener and emits the `Hub` once both are there; it never completes.
 * Unsubscribing frees the port at once, cuts every connection, and closes the database and every timer. Prints nothing.
 *
 * Errors with `invalid-option` (the message names the field), `port-in-use`, `address-unavailable`, or `store-failed` when the database cannot
 * be opened, is in use by another hub, is lost or another hub's, or its newest blocks are damaged, or when the bus cannot be reached.
 *
 * What one client can make it hold is bounded: 128 KiB of a packet, 1 MiB of signals that wait for the store, 2 MiB that
 * wait for a slow reader, with which it is cut off; 4,096 receipts that wait to be settled are of all clients together.
 *
 * ```ts
 * const hub = createHub$({ port: 3000, database: 'sqlite:hub.db' }).subscribe(({ url }) => console.log(url))
 * // later: hub.unsubscribe()
 * ```
 */
export function createHub$(options: HubOptions = {}): Observable<Hub> {
  return defer(() => {
    const settings = readHubOptions(options)
    const { crypto = nodeCrypto, logger = silent } = options
    const own = ownDatabase(settings)
    return openStore$(settings, own, logger).pipe(
      switchMap(store =>
        checkLedgerHead$(store, blockHash).pipe(
          concatMap(() => ownKeys$(store, own, () => crypto.generateKeyPair(), logger)),
          switchMap(keys =>
            combineLatest([openBus$(settings, keys.pubKey, options), openLimiters$(settings, keys.pubKey)]).pipe(
              switchMap(([bus, limiters]) =>
                serve$(assemble(store, keys, bus, limiters, settings, options), settings, options),
              ),
            ),
          ),
        ),
      ),
    )
  })
}

/** What `createInvites$` makes, and where. */
export interface InviteOptions extends Pick<HubOptions, 'database' | 'keyMarker' | 'logger' | 'crypto' | 'scheduler'> {
  /** How many, 1 to 1,000. Default 1. */
  readonly count?: number
}

/**
 * Makes codes of which each lets one person register, where the hub's `registration` is `invite`. Cold: opens the
 * database on subscription, emits the codes when they are durable, and completes with the database closed. The database keeps
 * their digests alone: who loses a code has lost it.
 *
 * On PostgreSQL this works beside running hubs. A file of SQLite is its hub's alone while that runs: then it errors with
 * `store-failed`, and the hub's `controlToken` is the way.
 */
export function createInvites$(options: InviteOptions): Observable<readonly string[]> {
  return defer(() => {
    const { count = 1, ...hub } = options
    const { crypto = nodeCrypto, scheduler = asyncScheduler, logger = silent } = hub
    verifyOptions({ count }, { count: whole(1, maxInvites) })
    const settings = readHubOptions(hub)
    return openStore$(settings, ownDatabase(settings), logger).pipe(
      concatMap(store => makeInvites(count, store, crypto, scheduler.now())),
      take(1),
    )
  })
}
