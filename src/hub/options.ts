import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../ports.js'
import { parseCoins } from '../protocol/coins.js'
import {
  clock,
  cryptoPort,
  flag,
  having,
  invalidOption,
  listeningPort,
  object,
  oneOf,
  optional,
  type OptionRule,
  type OptionRules,
  path,
  scheduler,
  text,
  token,
  verifyOptions,
  whole,
} from '../protocol/options.js'
import { iceServerList, maxIceServers, turnUrls } from '../protocol/signaling/ice-servers.js'
import type { ByOrigin } from './protocol/limits/by-origin.js'
import type { TurnOptions } from './protocol/signaling/ice.js'
import { registrationPolicies, type RegistrationPolicy } from './protocol/signaling/registry.js'
import type { RateLimit } from './protocol/limits/rate-limit.js'
import type { HubLogger } from './ports.js'

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

/** Everything a hub touches. All of it has a default. */
export interface HubOptions {
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string
  /** 0 lets the system choose. Default 3000. */
  readonly port?: number
  /**
   * `sqlite:PATH`, `:memory:` for one that ends with the subscription, or `postgres://…`, which several processes can
   * share. Default `sqlite:lighthouse-hub.db`.
   */
  readonly database?: string
  /**
   * A file that holds the fingerprint of the hub's key, so that a database that was lost or mixed up is missed and not begun anew.
   * Default: `PATH.fingerprint` beside a database of SQLite, none for others.
   */
  readonly keyMarker?: string
  /** Begins a new hub in an empty database also where the marker tells of one before, and takes the key that is there for right. Default false. */
  readonly acceptNew?: boolean
  /** `redis://…` or `rediss://…`: how several processes on one PostgreSQL reach each other's peers. Default: one process. */
  readonly redis?: string
  /** Coins granted on registration, at most six decimals, 0 to 1,000,000. Default 100. */
  readonly initialCoins?: number
  /** Who may register: everybody, who has a code that `createInvites$` made, or nobody. Default `open`. */
  readonly registration?: RegistrationPolicy
  /**
   * Lets whoever knows it make invites with `POST /control/invites?count=N` and the header `X-Lighthouse-Token`, since a
   * database of SQLite is its hub's alone. 32 to 256 visible ASCII characters. Default: no such route.
   */
  readonly controlToken?: string
  /** Handed to every peer as they are. Default none. */
  readonly iceServers?: readonly IceServer[]
  /** A TURN service with expiring credentials. Default none. */
  readonly turn?: TurnOptions
  readonly rateLimits?: HubRateLimits
  /** Express's `trust proxy`: how many proxies in front tell the client's address. Default false: none. */
  readonly trustProxy?: boolean | number | string
  /** pino's shape. Default: silent. */
  readonly logger?: HubLogger
  readonly crypto?: CryptoPort
  /** Time limits and the wall clock. Default: rxjs's `asyncScheduler`. */
  readonly scheduler?: SchedulerLike
  /** Monotonic, for what is measured. Default: `performance.now`. */
  readonly clock?: MonotonicClock
}

/** Where names and coins are kept. */
export type DatabaseAddress =
  { readonly type: 'sqlite'; readonly path: string } | { readonly type: 'postgres'; readonly url: string }

/** The limits as they are kept to. */
export interface HubLimits {
  readonly registrationsPerMinute: number
  readonly lookupsPerMinute: number
  readonly downloads: ByOrigin<number>
  /** By key. */
  readonly registrations: RateLimit
  readonly logins: RateLimit
  readonly signals: RateLimit
  readonly offers: RateLimit
  readonly receipts: RateLimit
  readonly offersByTarget: RateLimit
  readonly offersByAddress: ByOrigin<RateLimit>
  readonly receiptsByAddress: ByOrigin<RateLimit>
  readonly connections: ByOrigin<number>
  readonly sockets: ByOrigin<number>
  readonly handshakes: ByOrigin<RateLimit>
}

/** Options that were checked, with their defaults. */
export interface HubSettings {
  readonly host: string
  readonly port: number
  readonly database: DatabaseAddress
  readonly keyMarker: string | undefined
  readonly acceptNew: boolean
  readonly redisUrl: string | undefined
  readonly registration: RegistrationPolicy
  readonly controlToken: string | undefined
  readonly grantBytes: number
  readonly iceServers: readonly IceServer[]
  readonly turn: TurnOptions | undefined
  readonly limits: HubLimits
  readonly trustProxy: boolean | number | string
}

const maxInitialCoins = 1_000_000

/** The form alone: whether somebody answers there is seen on opening. */
function databaseAddress(database: string): DatabaseAddress {
  if (/^postgres(ql)?:/i.test(database)) {
    // The text may carry a password: it is not repeated.
    if (!URL.canParse(database)) throw invalidOption('database', 'must be postgres://USER:PASSWORD@HOST:PORT/NAME')
    return { type: 'postgres', url: database }
  }
  if (database === ':memory:') return { type: 'sqlite', path: database }
  const path = /^sqlite:(.+)$/s.exec(database)?.[1]
  if (path === undefined || path.includes('\0')) {
    throw invalidOption(
      'database',
      'must be sqlite:PATH, like sqlite:hub.db, or postgres://USER:PASSWORD@HOST:PORT/NAME',
    )
  }
  return { type: 'sqlite', path }
}

function redisUrl(redis: string | undefined, database: DatabaseAddress): string | undefined {
  if (redis === undefined) return undefined
  if (!/^rediss?:/i.test(redis) || !URL.canParse(redis)) {
    throw invalidOption('redis', 'must be redis://HOST:PORT')
  }
  if (database.type === 'sqlite') {
    throw invalidOption('redis', 'goes with a database that several processes can share: use postgres://… as database')
  }
  return redis
}

const coins: OptionRule = {
  allows: value => typeof value === 'number' && value <= maxInitialCoins && parseCoins(String(value)) !== undefined,
  text: 'must be 0 to 1000000, with at most six decimals',
}

const turnRules: OptionRules<TurnOptions> = {
  urls: turnUrls,
  secret: { ...text, text: "must be coturn's static-auth-secret" },
  ttlSeconds: optional(whole(1)),
}

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

function limitsFrom(options: HubRateLimits): HubLimits {
  verifyOptions(options, limitRules, 'rateLimits')
  const given: HubRateLimits = Object.fromEntries(Object.entries(options).filter(([, limit]) => limit !== undefined))
  const limits = { ...defaultLimits, ...given }
  const loopback = { ...limits, ...defaultLoopbackLimits, ...given }
  const byOrigin = <Bound>(bound: (of: Required<HubRateLimits>) => Bound): ByOrigin<Bound> => ({
    others: bound(limits),
    loopback: bound(loopback),
  })
  const aMinute = (count: number): RateLimit => ({ burst: count, perSecond: count / 60 })
  return {
    registrationsPerMinute: limits.registrationsPerMinute,
    lookupsPerMinute: limits.lookupsPerMinute,
    downloads: byOrigin(of => of.downloadsPerAddress),
    registrations: aMinute(limits.registrationsPerMinutePerKey),
    logins: aMinute(limits.loginsPerMinute),
    signals: { burst: limits.signalBurst, perSecond: limits.signalsPerSecond },
    offers: { burst: limits.offerBurst, perSecond: limits.offersPerMinute / 60 },
    offersByTarget: { burst: limits.offerBurstPerTarget, perSecond: limits.offersPerMinutePerTarget / 60 },
    receipts: { burst: limits.receiptBurst, perSecond: limits.receiptsPerSecond },
    offersByAddress: byOrigin(of => ({ burst: of.offerBurstPerAddress, perSecond: of.offersPerMinutePerAddress / 60 })),
    receiptsByAddress: byOrigin(of => ({
      burst: of.receiptBurstPerAddress,
      perSecond: of.receiptsPerSecondPerAddress,
    })),
    connections: byOrigin(of => of.connectionsPerAddress),
    sockets: byOrigin(of => of.socketsPerAddress),
    handshakes: byOrigin(of => aMinute(of.handshakesPerMinute)),
  }
}

/** A whole number of proxies, or what Express makes of a text, or all or none. */
const trust: OptionRule = {
  allows: value => typeof value === 'boolean' || text.allows(value) || whole(0).allows(value),
  text: 'must be true, false, a number of proxies, or a list of their addresses',
}

const rules: OptionRules<HubOptions> = {
  host: optional({ ...text, text: 'must be an address of this machine, like 127.0.0.1' }),
  port: optional(listeningPort),
  database: optional({ ...text, text: 'must be a text, like sqlite:hub.db' }),
  keyMarker: optional(path),
  acceptNew: optional(flag),
  redis: optional({ ...text, text: 'must be redis://HOST:PORT' }),
  initialCoins: optional(coins),
  registration: optional(oneOf(...registrationPolicies)),
  controlToken: optional(token(32)),
  iceServers: optional(iceServerList),
  turn: optional(object),
  rateLimits: optional(object),
  trustProxy: optional(trust),
  logger: optional(having('info', 'warn', 'error')),
  crypto: optional(cryptoPort),
  scheduler: optional(scheduler),
  clock: optional(clock),
}

/** Checks the options once, at the door. Throws `invalid-option` with the field and the rule. */
export function readHubOptions(options: HubOptions): HubSettings {
  verifyOptions(options, rules)
  const { host = '127.0.0.1', port = 3000, database = 'sqlite:lighthouse-hub.db', initialCoins = 100 } = options
  const { iceServers = [], turn, trustProxy = false, rateLimits = {}, registration = 'open', controlToken } = options
  const { keyMarker, acceptNew = false } = options
  if (turn !== undefined) verifyOptions(turn, turnRules, 'turn')
  if (turn !== undefined && iceServers.length >= maxIceServers) {
    throw invalidOption(
      'iceServers',
      `must be fewer than ${maxIceServers} beside "turn": peers take ${maxIceServers} in all`,
    )
  }
  const address = databaseAddress(database)
  return {
    host,
    port,
    database: address,
    keyMarker,
    acceptNew,
    redisUrl: redisUrl(options.redis, address),
    registration,
    controlToken,
    grantBytes: parseCoins(String(initialCoins))!,
    iceServers,
    turn,
    limits: limitsFrom(rateLimits),
    trustProxy,
  }
}
