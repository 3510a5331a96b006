import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../ports.js'
import { parseCoins } from '../protocol/coins/amount.js'
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
import type { TurnOptions } from './protocol/signaling/ice.js'
import { registrationPolicies, type RegistrationPolicy } from '../protocol/peer/registration-policy.js'
import { type HubLimits, type HubRateLimits, limitsFrom } from './protocol/limits/limit-options.js'
import type { HubLogger } from './ports/logger.js'

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

/** Options that were checked, with their defaults. */
export interface HubSettings extends Required<
  Pick<HubOptions, 'host' | 'port' | 'acceptNew' | 'registration' | 'iceServers' | 'trustProxy'>
> {
  readonly database: DatabaseAddress
  readonly keyMarker: string | undefined
  readonly redisUrl: string | undefined
  readonly controlToken: string | undefined
  readonly grantBytes: number
  readonly turn: TurnOptions | undefined
  readonly limits: HubLimits
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
