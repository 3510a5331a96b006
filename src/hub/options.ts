import type { SchedulerLike } from 'rxjs'
import type { CryptoPort, IceServer, MonotonicClock } from '../ports.js'
import { parseCoins } from '../protocol/coins.js'
import { LighthouseError } from '../protocol/errors.js'
import type { TurnOptions } from './protocol/ice.js'
import type { HubLogger } from './ports.js'

/** How much one address or key may ask. */
export interface HubRateLimits {
  /** `POST /v1/register` by address. Default 120. */
  readonly registrationsPerMinute?: number
  /** `GET` of names, coins and the ledger by address. Default 1,200. */
  readonly lookupsPerMinute?: number
  /** Signals by key at once: default 500, ten connections with all their candidates. */
  readonly signalBurst?: number
  /** Signals by key for long. Default 50. */
  readonly signalsPerSecond?: number
}

/** Everything a hub touches. All of it has a default. */
export interface HubOptions {
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string
  /** 0 lets the system choose. Default 3000. */
  readonly port?: number
  /** `sqlite:PATH`, or `:memory:` for one that ends with the subscription. Default `sqlite:lighthouse-hub.db`. */
  readonly database?: string
  /** Coins granted on registration, at most six decimals, 0 to 1,000,000. Default 100. */
  readonly initialCoins?: number
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
  /** For rate limits. Default: `performance.now`. */
  readonly clock?: MonotonicClock
}

/** Options that were checked, with their defaults. */
export interface HubSettings {
  readonly host: string
  readonly port: number
  readonly databasePath: string
  readonly grantBytes: number
  readonly iceServers: readonly IceServer[]
  readonly turn: TurnOptions | undefined
  readonly limits: Required<HubRateLimits>
  readonly trustProxy: boolean | number | string
}

const maxInitialCoins = 1_000_000

function invalid(field: string, rule: string): LighthouseError {
  return new LighthouseError('invalid-option', `"${field}" ${rule}`, { field })
}

function databasePath(database: string): string {
  if (/^postgres(ql)?:/i.test(database)) {
    throw invalid('database', 'is a PostgreSQL address, and this version has SQLite only. Use sqlite:PATH.')
  }
  if (database === ':memory:') return database
  const path = /^sqlite:(.+)$/s.exec(database)?.[1]
  if (path === undefined || path.includes('\0')) throw invalid('database', 'must be sqlite:PATH, like sqlite:hub.db')
  return path
}

function grantBytes(initialCoins: number): number {
  const bytes = initialCoins <= maxInitialCoins ? parseCoins(String(initialCoins)) : undefined
  if (bytes === undefined) throw invalid('initialCoins', 'must be 0 to 1000000, with at most six decimals')
  return bytes
}

function checkUrls(field: string, urls: unknown, schemes: readonly string[]): void {
  const list = typeof urls === 'string' ? [urls] : urls
  const fits = (url: unknown): boolean =>
    typeof url === 'string' && schemes.some(scheme => url.startsWith(`${scheme}:`) && url.length > scheme.length + 1)
  if (!Array.isArray(list) || list.length === 0 || !list.every(fits)) {
    throw invalid(
      field,
      `must be one or more addresses that start with ${schemes.map(scheme => `${scheme}:`).join(', ')}`,
    )
  }
}

function checkTurn({ urls, secret, ttlSeconds }: TurnOptions): void {
  checkUrls('turn.urls', urls, ['turn', 'turns'])
  if (typeof secret !== 'string' || secret === '') throw invalid('turn.secret', "must be coturn's static-auth-secret")
  if (ttlSeconds !== undefined && !(Number.isInteger(ttlSeconds) && ttlSeconds > 0)) {
    throw invalid('turn.ttlSeconds', 'must be a whole number of seconds from 1')
  }
}

function checkLimits(limits: Required<HubRateLimits>): Required<HubRateLimits> {
  for (const [name, value] of Object.entries(limits)) {
    if (!(Number.isInteger(value) && value > 0)) throw invalid(`rateLimits.${name}`, 'must be a whole number from 1')
  }
  return limits
}

/** Checks the options once, at the door. Throws `invalid-option` with the field and the rule. */
export function readHubOptions(options: HubOptions): HubSettings {
  const { host = '127.0.0.1', port = 3000, database = 'sqlite:lighthouse-hub.db', initialCoins = 100 } = options
  const { iceServers = [], turn, trustProxy = false, rateLimits } = options
  if (typeof host !== 'string' || host === '')
    throw invalid('host', 'must be an address of this machine, like 127.0.0.1')
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw invalid('port', 'must be a whole number from 0 to 65535')
  if (typeof database !== 'string') throw invalid('database', 'must be sqlite:PATH')
  for (const { urls } of iceServers) checkUrls('iceServers', urls, ['stun', 'stuns', 'turn', 'turns'])
  if (turn !== undefined) checkTurn(turn)
  return {
    host,
    port,
    databasePath: databasePath(database),
    grantBytes: grantBytes(initialCoins),
    iceServers,
    turn,
    limits: checkLimits({
      registrationsPerMinute: 120,
      lookupsPerMinute: 1_200,
      signalBurst: 500,
      signalsPerSecond: 50,
      ...rateLimits,
    }),
    trustProxy,
  }
}
