import { optional, type OptionRules, verifyOptions, whole } from '../../../protocol/options.js'
import type { ByOrigin } from './by-origin.js'

/**
 * How much one address or key may ask; whole numbers from 1. An address is that of the client as `trustProxy` tells it,
 * with IPv6 its /56. Processes of one hub that share a Redis count together, but for what is open.
 */
export interface HubRateLimits {
  /** `POST /v1/register` by address. Default 120. */
  readonly registrationsPerMinute?: number
  /** `POST /v1/register` by key, which is registered once. Default 10. */
  readonly registrationsPerMinutePerKey?: number
  /** `GET` of names, coins and the ledger by address. Default 1,200. */
  readonly lookupsPerMinute?: number
  /** Downloads of the ledger that are under way, by address. Default 4, and 32 for this machine's own addresses. */
  readonly downloadsPerAddress?: number
  /** Signals by key at once: default 500, ten connections with all their candidates. */
  readonly signalBurst?: number
  /** Signals by key for long. Default 50. */
  readonly signalsPerSecond?: number
  /** Offers among them by key at once, each a row in the database. Default 30. */
  readonly offerBurst?: number
  /** Offers by key for long. Default 60. */
  readonly offersPerMinute?: number
  /** Offers of all keys of an address at once. Default 240, and 10,000 for this machine's own addresses. */
  readonly offerBurstPerAddress?: number
  /** Offers of all keys of an address for long. Default 480, and 60,000 for this machine's own addresses. */
  readonly offersPerMinutePerAddress?: number
  /** Offers to one key from all others at once; half of it for keys that make few. Default 120. */
  readonly offerBurstPerTarget?: number
  /** Offers to one key from all others for long. Default 240. */
  readonly offersPerMinutePerTarget?: number
  /** Receipts by key at once. Default 1,000. */
  readonly receiptBurst?: number
  /** Receipts by key for long. Default 400: an honest consumer on a fast link signs some 250. */
  readonly receiptsPerSecond?: number
  /** Receipts of all keys of an address at once. Default 2,000, and 20,000 for this machine's own addresses. */
  readonly receiptBurstPerAddress?: number
  /**
   * Receipts of all keys of an address for long. Default 1,000, which takes a fifth of a core when all of them are badly
   * signed, and 20,000 for this machine's own addresses.
   */
  readonly receiptsPerSecondPerAddress?: number
  /** Logins by key. Default 120. */
  readonly loginsPerMinute?: number
  /** TCP connections open at a time, by address. Default 256, and 4,096 for this machine's own addresses. */
  readonly connectionsPerAddress?: number
  /** Signaling connections open at a time, by address. Default 64, and 1,024 for this machine's own addresses. */
  readonly socketsPerAddress?: number
  /** Signaling connections made, by address. Default 120, and 6,000 for this machine's own addresses. */
  readonly handshakesPerMinute?: number
}

/** The limits as they are kept to. */
export type HubLimits = ByOrigin<Required<HubRateLimits>>

/** What holds where nothing else is said. */
const defaultLimits = {
  registrationsPerMinute: 120,
  registrationsPerMinutePerKey: 10,
  lookupsPerMinute: 1_200,
  downloadsPerAddress: 4,
  signalBurst: 500,
  signalsPerSecond: 50,
  offerBurst: 30,
  offersPerMinute: 60,
  offerBurstPerAddress: 240,
  offersPerMinutePerAddress: 480,
  offerBurstPerTarget: 120,
  offersPerMinutePerTarget: 240,
  receiptBurst: 1_000,
  receiptsPerSecond: 400,
  receiptBurstPerAddress: 2_000,
  receiptsPerSecondPerAddress: 1_000,
  loginsPerMinute: 120,
  connectionsPerAddress: 256,
  socketsPerAddress: 64,
  handshakesPerMinute: 120,
}

/** For this machine's own addresses: a demo, a test, or all the peers behind a proxy that `trustProxy` does not name. */
const defaultLoopbackLimits = {
  downloadsPerAddress: 32,
  offerBurstPerAddress: 10_000,
  offersPerMinutePerAddress: 60_000,
  receiptBurstPerAddress: 20_000,
  receiptsPerSecondPerAddress: 20_000,
  connectionsPerAddress: 4_096,
  socketsPerAddress: 1_024,
  handshakesPerMinute: 6_000,
}

/** The names of all limits. */
export const limitNames = Object.keys(defaultLimits) as readonly (keyof HubRateLimits)[]

const limitRules = Object.fromEntries(
  limitNames.map(name => [name, optional(whole(1))]),
) as unknown as OptionRules<HubRateLimits>

/** The limits that were set, with the defaults of the others. Throws `invalid-option`. */
export function limitsFrom(options: HubRateLimits): HubLimits {
  verifyOptions(options, limitRules, 'rateLimits')
  const given: HubRateLimits = Object.fromEntries(Object.entries(options).filter(([, limit]) => limit !== undefined))
  const others = { ...defaultLimits, ...given }
  return { others, loopback: { ...others, ...defaultLoopbackLimits, ...given } }
}
