/** Builds a running hub on an open database: limits, metrics, settlement, and the routes and signaling of its listener. */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { asyncScheduler, defer, finalize, merge, mergeMap, type Observable, of, switchMap } from 'rxjs'
import { nodeCrypto } from '../adapters/crypto/crypto.node.js'
import { hubRoutes } from './adapters/http/express-routes.js'
import { type HttpListening, listen$ } from './adapters/http/http-listener.js'
import { maxConnections } from './adapters/http/open-files.js'
import { clientAddress, trustedProxies } from './adapters/http/trusted-proxies.js'
import { addressKey } from './adapters/limits/address-key.js'
import { connectionLimiter } from './adapters/limits/connection-limiter.js'
import { addressLimit, downloadLimit } from './adapters/limits/request-limits.js'
import { EventLoopLag } from './adapters/metrics/event-loop-lag.js'
import { prometheusMetrics } from './adapters/metrics/prometheus.js'
import { socketIoServer$ } from './adapters/signaling/socket-io.server.js'
import { type Shared, silent } from './opening.js'
import type { HubOptions, HubSettings } from './options.js'
import type { HubStore, KeyPair } from './ports/store.js'
import type { ByOrigin } from './protocol/limits/by-origin.js'
import { ConcurrencyLimiter } from './protocol/limits/concurrency-limiter.js'
import { ConnectionPlaces } from './protocol/limits/connection-places.js'
import type { HubRateLimits } from './protocol/limits/limit-options.js'
import { iceServersFor } from './protocol/signaling/ice.js'
import { healthCheck } from './streams/http/health.js'
import { makeInvites } from './streams/http/invites.js'
import { hubLimiters } from './streams/limits/hub-limiters.js'
import { signedHead } from './streams/settlement/ledger-head.js'
import { pruneSessions$ } from './streams/settlement/session-pruning.js'
import { maxPendingReceipts, settlementService } from './streams/settlement/settlement.js'
import type { HubContext } from './streams/signaling/context.js'
import { serveSocket$ } from './streams/signaling/hub-session.js'
import { countedStore } from './streams/store/counted-store.js'
import { provenStore } from './streams/store/proven-store.js'

/** A hub's database and key, and what its processes share. */
export interface Opened extends Shared {
  readonly store: HubStore
  readonly keys: KeyPair
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}

/** Runs the hub until unsubscribed. Emits once, when it is listening. */
export function serve$(opened: Opened, settings: HubSettings, options: HubOptions): Observable<HttpListening> {
  const { keys, bus } = opened
  const { crypto = nodeCrypto, scheduler = asyncScheduler, clock = performance, logger = silent } = options
  const { limits, controlToken: token } = settings
  const bound = (name: keyof HubRateLimits): ByOrigin<number> => ({
    others: limits.others[name],
    loopback: limits.loopback[name],
  })
  const sockets = new ConcurrencyLimiter(bound('socketsPerAddress'), addressKey)
  const downloads = new ConcurrencyLimiter(bound('downloadsPerAddress'), addressKey)
  const perAddress = bound('connectionsPerAddress')
  const places = new ConnectionPlaces<Socket>({ total: maxConnections(), perAddress }, addressKey)
  const lag = new EventLoopLag()
  const metrics = prometheusMetrics({
    signedIn: () => bus.size,
    sockets: () => sockets.size,
    pendingReceipts: () => settlement.pending,
    maxPendingReceipts,
    downloads: () => downloads.size,
    openInvites: () => opened.store.openInvites(),
    bus: () => bus.state,
    lagSeconds: () => lag.take(),
  })
  const store = provenStore(
    countedStore(opened.store, operation => metrics.storeError(operation)),
    clock,
  )
  const settlement = settlementService({ store, keys, crypto, bus, clock, scheduler, logger, metrics })

  const limiters = hubLimiters(opened.limiters, limits, addressKey)
  const hmac = (secret: string, text: string): string => createHmac('sha1', secret).update(text).digest('base64')
  const context: HubContext = {
    store,
    keys,
    crypto,
    bus,
    limiters,
    settlement,
    iceServersFor: pubKey => iceServersFor(pubKey, settings, scheduler.now(), hmac),
    clock,
    scheduler,
    logger,
    metrics,
  }

  const trustsProxy = trustedProxies(settings.trustProxy)
  const routes = hubRoutes({
    store,
    crypto,
    hubKey: keys.pubKey,
    version: packageVersion(),
    grantBytes: settings.grantBytes,
    registration: settings.registration,
    health: healthCheck({ ...context, head: () => signedHead(context) }),
    control:
      token === undefined
        ? undefined
        : {
            token,
            async makeInvites(count) {
              const codes = await makeInvites(count, store, crypto, scheduler.now())
              metrics.invites(codes.length)
              return codes
            },
          },
    nowMs: () => scheduler.now(),
    metrics,
    logger,
    trustsProxy,
    registrationLimit: addressLimit(limiters.registrationsByAddress, () => {
      metrics.limited('registrations')
      metrics.registration('rate-limited')
    }),
    lookupLimit: addressLimit(limiters.lookups, () => metrics.limited('lookups')),
    downloadLimit: downloadLimit(downloads, () => metrics.limited('downloads')),
    async mayRegister(pubKey) {
      const { allowed } = await limiters.registrations.take(pubKey)
      if (!allowed) metrics.limited('registrations-by-key')
      return allowed
    },
  })
  const addressOf = (request: IncomingMessage): string => clientAddress(request, trustsProxy)
  const limiter = connectionLimiter({ sockets, places, addressOf, handshakes: limiters.handshakes, metrics })

  const attach$ = ({ server }: HttpListening): Observable<never> =>
    defer(() => {
      // Before socket.io, which intercepts its own requests ahead of the listeners that exist when it attaches.
      server.on('request', routes)
      lag.start()
      return socketIoServer$(server, limiter)
    }).pipe(
      mergeMap(socket => serveSocket$(socket, context)),
      finalize(() => {
        server.off('request', routes)
        lag.stop()
      }),
    )
  return listen$({
    ...settings,
    places,
    addressOf: ({ remoteAddress = '' }) => (trustsProxy(remoteAddress, 0) ? undefined : remoteAddress),
    onGivenUp: () => metrics.limited('connections'),
  }).pipe(switchMap(listening => merge(settlement.settle$, pruneSessions$(context), attach$(listening), of(listening))))
}
