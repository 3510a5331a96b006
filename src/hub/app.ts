/**
 * The composition root of a hub, and the package's entry `lighthouse-peer/hub`.
 */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { asyncScheduler, concatMap, defer, map, merge, mergeMap, Observable, of, switchMap } from 'rxjs'
import { nodeCrypto } from '../adapters/crypto.node.js'
import { addressLimit } from './adapters/address-limit.js'
import { blockHash } from './adapters/block-hash.js'
import { hubRoutes } from './adapters/express-routes.js'
import { type HttpListening, listen$ } from './adapters/http-listener.js'
import { prometheusMetrics } from './adapters/prometheus.js'
import { socketIoServer$ } from './adapters/socket-io.server.js'
import { sqliteStore$ } from './adapters/sqlite-store.js'
import { type HubOptions, type HubSettings, readHubOptions } from './options.js'
import type { HubLogger, HubStore, KeyPair } from './ports.js'
import { iceServersFor } from './protocol/ice.js'
import { TokenBuckets } from './protocol/token-buckets.js'
import type { HubContext } from './streams/context.js'
import { serveSocket$ } from './streams/hub-session.js'
import { checkLedgerHead$, signedHead } from './streams/ledger-head.js'
import { memoryBus } from './streams/memory-bus.js'

export type { HubOptions, HubRateLimits } from './options.js'
export type { HubLogger } from './ports.js'
export type { TurnOptions } from './protocol/ice.js'

/** A running hub. */
export interface Hub {
  /** Where peers reach it on this machine, like `http://127.0.0.1:3000`. */
  readonly url: string
  readonly port: number
  /** Base64 of the public key by which peers know this hub. */
  readonly hubKey: string
}

const silent: HubLogger = { info: () => undefined, warn: () => undefined, error: () => undefined }

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}

/** A wildcard cannot be dialled everywhere; what answers on it answers on loopback. */
function reachableUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

function hubContext(store: HubStore, keys: KeyPair, settings: HubSettings, options: HubOptions): HubContext {
  const { crypto = nodeCrypto, scheduler = asyncScheduler, clock = performance, logger = silent } = options
  const bus = memoryBus()
  const { signalBurst: burst, signalsPerSecond: perSecond } = settings.limits
  const hmac = (secret: string, text: string): string => createHmac('sha1', secret).update(text).digest('base64')
  return {
    store,
    keys,
    crypto,
    bus,
    signalLimits: new TokenBuckets({ burst, perSecond }),
    iceServersFor: pubKey => iceServersFor(pubKey, settings, scheduler.now(), hmac),
    clock,
    scheduler,
    logger,
    metrics: prometheusMetrics(() => bus.size),
  }
}

/** Attaches the routes as long as it is subscribed to. Never emits. */
function routes$({ server }: HttpListening, context: HubContext, settings: HubSettings): Observable<never> {
  const { store, keys, crypto, metrics, logger, scheduler } = context
  return new Observable(() => {
    const registrations = addressLimit(settings.limits.registrationsPerMinute, () =>
      metrics.registration('rate-limited'),
    )
    const lookups = addressLimit(settings.limits.lookupsPerMinute)
    const routes = hubRoutes({
      store,
      hubKey: keys.pubKey,
      version: packageVersion(),
      grantBytes: settings.grantBytes,
      verify: (pubKey, text, signature) => crypto.verify(pubKey, text, signature),
      head: () => signedHead(store, keys, (privKey, text) => crypto.sign(privKey, text)),
      nowMs: () => scheduler.now(),
      metrics,
      logger,
      trustProxy: settings.trustProxy,
      registrationLimit: registrations.handler,
      lookupLimit: lookups.handler,
    })
    server.on('request', routes)
    return () => {
      server.off('request', routes)
      registrations.shutdown()
      lookups.shutdown()
    }
  })
}

function serve$(listening: HttpListening, context: HubContext, settings: HubSettings): Observable<Hub> {
  const { port } = listening
  const hub: Hub = { url: reachableUrl(settings.host, port), port, hubKey: context.keys.pubKey }
  const signaling$ = socketIoServer$(listening.server).pipe(mergeMap(socket => serveSocket$(socket, context)))
  // In this order: socket.io takes its own requests out from in front of the routes that are there when it comes.
  return merge(routes$(listening, context, settings), signaling$, of(hub))
}

/**
 * A whole hub: names, logins, signaling and the ledger of coins.
 *
 * Cold: each subscription opens a database and a listener and emits the `Hub` once both are there; it never completes.
 * Unsubscribing frees the port at once, cuts every connection, and closes the database and every timer. Prints nothing.
 *
 * Errors with `invalid-option` (the message names the field), `port-in-use`, or `store-failed` when the database cannot
 * be opened, is in use by another hub, or its newest blocks are damaged.
 *
 * What one client can make it hold is bounded: 128 KiB of a packet, 1 MiB of signals that wait for the store, 1 MiB that
 * wait for a slow reader.
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
    return sqliteStore$(settings.databasePath, blockHash, logger).pipe(
      switchMap(store =>
        checkLedgerHead$(store, blockHash).pipe(
          concatMap(() => store.keyPair(() => crypto.generateKeyPair())),
          map(keys => hubContext(store, keys, settings, options)),
          switchMap(context => listen$(settings).pipe(switchMap(listening => serve$(listening, context, settings)))),
        ),
      ),
    )
  })
}
