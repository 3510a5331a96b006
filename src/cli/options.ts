import { isHostName } from '../protocol/http/guard.js'
import { parseBytes } from '../protocol/byte-size.js'
import { parseCoins } from '../protocol/coins/amount.js'
import { defaultPortBase } from '../protocol/peer/port-block.js'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type HubRateLimits, limitNames } from '../hub/protocol/limits/limit-options.js'
import { isIceUrl } from '../protocol/signaling/ice-servers.js'
import { parseIceUrl } from '../protocol/signaling/ice-url.js'
import { turnAddresses } from './ice-options.js'
import { engineNames, type EngineName } from './io.js'

/** Highest base whose block of twelve ports (proxy, ten tunnels, data server) still ends at 65535. */
export const maxPortBase = 65_535 - 11

/** Levels of the log on stderr. */
export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof logLevels)[number]

function integerIn(text: string, min: number, max: number, rule: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw new InvalidArgumentError(rule)
  return value
}

/** `--port-base`: 1 to 65524, or 0 where the system shall choose every port. */
export function parsePortBase(text: string): number {
  return integerIn(text, 0, maxPortBase, `It must be a number from 1 to ${maxPortBase}, or 0 to let the system choose.`)
}

/** A port to listen on; 0 lets the system choose. */
export function parsePort(text: string): number {
  return integerIn(text, 0, 65_535, 'It must be a number from 0 to 65535; 0 lets the system choose.')
}

/** `--initial-coins`: whole coins. */
export function parseCoinCount(text: string): number {
  return integerIn(text, 0, 1_000_000, 'It must be a whole number of coins, 0 to 1000000.')
}

/** A limit on what may be spent: coins, with at most six decimals, as bytes. */
export function parseSpending(text: string): number {
  const bytes = parseCoins(text)
  if (bytes === undefined) throw new InvalidArgumentError('It must be a number of coins, like 50 or 0.5.')
  return bytes
}

/** A size: bytes, in units of a thousand. */
export function parseSize(text: string): number {
  const bytes = parseBytes(text)
  if (bytes === undefined) throw new InvalidArgumentError('It must be a size, like 500MB or 1.5GB.')
  return bytes
}

function collect(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), text]
}

/** `--stun`, as often as one likes. */
export function collectStun(text: string, previous: readonly string[] | undefined): readonly string[] {
  if (!/^stuns?:[^\s/?]+$/.test(text)) throw new InvalidArgumentError('It must look like stun:stun.example:3478.')
  return collect(text, previous)
}

/** `--turn`, as often as one likes: a host stands for several addresses. */
export function collectTurn(text: string, previous: readonly string[] | undefined): readonly string[] {
  const addresses = turnAddresses(text)
  if (!addresses.every(address => isIceUrl(address) && parseIceUrl(address)!.scheme === 'turn')) {
    throw new InvalidArgumentError(
      'It must be a host, like turn.example, or look like turn:turn.example:3478?transport=udp.',
    )
  }
  return addresses.reduce<readonly string[]>((list, address) => collect(address, list), previous ?? [])
}

/** `--allow-host`, as often as one likes. */
export function collectHost(text: string, previous: readonly string[] | undefined): readonly string[] {
  if (!isHostName(text)) throw new InvalidArgumentError('It must be NAME or NAME:PORT, like nas.local:42001.')
  return collect(text, previous)
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

/** The limits of a hub as `--limit` spells them. */
const limitsBySpelling = new Map(limitNames.map(name => [kebab(name), name]))

/** What `--limit` knows. */
export const limitSpellings = (): readonly string[] => [...limitsBySpelling.keys()]

/** `--limit NAME=N`, as often as one likes. */
export function collectLimit(text: string, previous: HubRateLimits | undefined): HubRateLimits {
  const [, spelling = '', digits = ''] = /^([a-z-]+)=(\d{1,9})$/.exec(text) ?? []
  const name = limitsBySpelling.get(spelling)
  if (name === undefined || Number(digits) < 1) {
    throw new InvalidArgumentError(`It must be NAME=N, N from 1, NAME one of ${limitSpellings().join(', ')}.`)
  }
  return { ...previous, [name]: Number(digits) }
}

/** `--trust-proxy`: how many proxies are in front, or their addresses. */
export function parseTrustProxy(text: string): number | string {
  if (/^[1-9]$/.test(text)) return Number(text)
  if (/[^\d\s]/.test(text) && /^[\w.:/]+(\s*,\s*[\w.:/]+)*$/.test(text)) return text
  throw new InvalidArgumentError(
    'It must be a number of proxies from 1 to 9, or their addresses: loopback, 10.0.0.0/8.',
  )
}

/** `--count` of invites. */
export function parseInviteCount(text: string): number {
  return integerIn(text, 1, 1_000, 'It must be a number from 1 to 1000.')
}

/** Environment variables of options, by option: commander itself would take `LIGHTHOUSE_JSON=0` for yes. */
const variables = new WeakMap<Option, string>()

/** An option that an environment variable can give too; the help names it. */
export function option(
  flags: string,
  description: string,
  variable: string,
  parse?: (text: string, previous: never) => unknown,
): Option {
  const made = new Option(flags, `${description} (env: ${variable})`)
  if (parse !== undefined) made.argParser(parse as (text: string, previous: unknown) => unknown)
  variables.set(made, variable)
  return made
}

function truth(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true
  if (/^(0|false|no|off)$/i.test(text)) return false
  throw new InvalidArgumentError('It must be 1 or 0.')
}

/** Parsers of what may be repeated. */
const repeatable = new Set<unknown>([collectHost, collectStun, collectTurn, collectLimit])

function valueFrom(made: Option, text: string): unknown {
  if (made.isBoolean()) return made.negate ? !truth(text) : truth(text)
  if (made.argChoices !== undefined && !made.argChoices.includes(text)) {
    throw new InvalidArgumentError(`Allowed choices are ${made.argChoices.join(', ')}.`)
  }
  const parse = made.parseArg as ((text: string, previous: unknown) => unknown) | undefined
  if (parse === undefined) return text
  // What may be repeated on the command line is separated by commas here.
  if (!repeatable.has(parse)) return parse(text, undefined)
  return text.split(',').reduce<unknown>((list, item) => parse(item.trim(), list), undefined)
}

/** Fills in options from the environment that the command line does not set. An empty variable is ignored. Throws InvalidArgumentError. */
export function readEnvironment(command: Command, env: Readonly<Record<string, string | undefined>>): void {
  for (const made of command.options) {
    const variable = variables.get(made)
    const text = variable === undefined ? undefined : env[variable]
    if (variable === undefined || text === undefined || text === '') continue
    if (command.getOptionValueSource(made.attributeName()) === 'cli') continue
    try {
      command.setOptionValueWithSource(made.attributeName(), valueFrom(made, text), 'env')
    } catch (error) {
      const rule = error instanceof Error ? error.message : String(error)
      throw new InvalidArgumentError(`${variable}="${text}" is invalid. ${rule}`)
    }
  }
}

/** Options of every command. `--home` reads its variable later, since a metadata.json in the current directory goes before. */
export const globalOptions = (): readonly Option[] => [
  new Option('--home <dir>', 'folder with keys, remembered peers and state (env: LIGHTHOUSE_HOME)'),
  option('--json', 'machine-readable output on stdout', 'LIGHTHOUSE_JSON'),
  option(
    '--port-base <n>',
    `first of the peer's twelve loopback ports, 0 lets the system choose (default: ${defaultPortBase})`,
    'LIGHTHOUSE_PORT_BASE',
    parsePortBase,
  ),
  option('--log-level <level>', 'log level on stderr (default: warn)', 'LIGHTHOUSE_LOG_LEVEL').choices(logLevels),
]

/** What the options above come to. */
export interface GlobalValues {
  readonly home?: string
  readonly json?: boolean
  readonly portBase?: number
  readonly logLevel?: LogLevel
}

/** `--database`. */
export const databaseOption = (): Option =>
  option(
    '--database <url>',
    'sqlite:PATH, or postgres://USER:PASSWORD@HOST/NAME (default: hub.db in the home)',
    'LIGHTHOUSE_DATABASE',
  )

/** `--accept-new`, with what it is about. */
export const acceptNewOption = (what: string): Option =>
  option('--accept-new', `start anew although ${what} cannot be found`, 'LIGHTHOUSE_ACCEPT_NEW')

/** `--share`. */
export const shareOption = (): Option =>
  option('--share <what>', 'a folder, or host:port (default: ./data)', 'LIGHTHOUSE_SHARE')

/** `--relay-only`. */
export const relayOnlyOption = (): Option =>
  option('--relay-only', 'connect through TURN only, so that peers do not learn your address', 'LIGHTHOUSE_RELAY_ONLY')

/** `--engine`. */
export const engineOption = (): Option =>
  option('--engine <name>', 'WebRTC implementation (default: auto)', 'LIGHTHOUSE_ENGINE').choices(engineNames)

/** What the option above comes to. */
export interface EngineValues {
  readonly engine?: EngineName
}
