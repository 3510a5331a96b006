/** What one running hub is made of, and how it hangs together. */
import { createHmac } from 'node:crypto'
import type { Socket } from 'node:net'
import { asyncScheduler } from 'rxjs'
import { nodeCrypto } from '../adapters/crypto/crypto.node.js'
import { EventLoopLag } from './adapters/metrics/event-loop-lag.js'
import { maxConnections } from './adapters/http/open-files.js'
import { trustedProxies, type TrustsProxy } from './adapters/http/trusted-proxies.js'
import { addressKey } from './adapters/limits/address-key.js'
import { prometheusMetrics } from './adapters/metrics/prometheus.js'
import type { HubOptions, HubSettings } from './options.js'
import type { HubBus } from './ports/bus.js'
import type { RateLimiters } from './ports/limits.js'
import type { HubLogger } from './ports/logger.js'
import type { HubStore, KeyPair } from './ports/store.js'
import { iceServersFor } from './protocol/signaling/ice.js'
import type { ByOrigin } from './protocol/limits/by-origin.js'
import { ConnectionGate } from './protocol/limits/connection-gate.js'
import { ConnectionPlaces } from './protocol/limits/connection-places.js'
import type { RateLimit } from './protocol/limits/rate-limit.js'
import { ConcurrencyLimiter } from './protocol/limits/concurrency-limiter.js'
import type { HubContext } from './streams/signaling/context.js'
import { countedStore } from './streams/store/counted-store.js'
import { addressRateLimiter } from './streams/limits/address-rate-limiter.js'
import { partyRateLimiter, type PartyRateLimiter } from './streams/limits/party-rate-limiter.js'
import { targetRateLimiter } from './streams/limits/target-rate-limiter.js'
import { provenStore } from './streams/store/proven-store.js'
import { maxPendingReceipts, type SettlementService, settlementService } from './streams/settlement/settlement.js'

/** Where nobody wants to know. */
export const silent: HubLogger = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** What one running hub is made of. */
export interface Assembly {
  readonly context: HubContext
  readonly settlement: SettlementService
  readonly gate: ConnectionGate
  readonly limiters: RateLimiters
  readonly places: ConnectionPlaces<Socket>
  readonly trustsProxy: TrustsProxy
  readonly downloads: ConcurrencyLimiter
  readonly lag: EventLoopLag
}

/** Puts the pieces together, around a store and a bus that are open. Starts nothing. */
export function assemble(
  opened: HubStore,
  keys: KeyPair,
  bus: HubBus,
  limiters: RateLimiters,
  settings: HubSettings,
  options: HubOptions,
): Assembly {
  const { crypto = nodeCrypto, scheduler = asyncScheduler, clock = performance, logger = silent } = options
  const { limits } = settings
  const gate = new ConnectionGate(limits.sockets, addressKey)
  const trustsProxy = trustedProxies(settings.trustProxy)
  const places = new ConnectionPlaces<Socket>({ total: maxConnections(), perAddress: limits.connections }, addressKey)
  const downloads = new ConcurrencyLimiter()
  const lag = new EventLoopLag()
  const metrics = prometheusMetrics({
    signedIn: () => bus.size,
    sockets: () => gate.size,
    pendingReceipts: () => settlement.pending,
    maxPendingReceipts,
    downloads: () => downloads.size,
    openInvites: () => opened.openInvites(),
    bus: () => bus.state,
    lagSeconds: () => lag.take(),
  })
  const store = provenStore(
    countedStore(opened, operation => metrics.storeError(operation)),
    clock,
  )
  const settlement = settlementService({ store, keys, crypto, bus, clock, scheduler, logger, metrics })
  const byParty = (name: string, byKey: RateLimit, byAddress: ByOrigin<RateLimit>): PartyRateLimiter =>
    partyRateLimiter(limiters(name, byKey), addressRateLimiter(limiters, `${name}-by-address`, byAddress, addressKey))
  const hmac = (secret: string, text: string): string => createHmac('sha1', secret).update(text).digest('base64')
  const context: HubContext = {
    store,
    keys,
    crypto,
    bus,
    loginLimits: limiters('logins', limits.logins),
    signalLimits: limiters('signals', limits.signals),
    offerLimits: byParty('offers', limits.offers, limits.offersByAddress),
    targetLimits: targetRateLimiter(limiters, limits.offersByTarget),
    receiptLimits: byParty('receipts', limits.receipts, limits.receiptsByAddress),
    settlement,
    iceServersFor: pubKey => iceServersFor(pubKey, settings, scheduler.now(), hmac),
    clock,
    scheduler,
    logger,
    metrics,
  }
  return { context, settlement, gate, limiters, places, trustsProxy, downloads, lag }
}
