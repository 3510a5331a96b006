import { createHash, randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { join, resolve } from 'node:path'
import { defer, EMPTY, lastValueFrom, merge, NEVER, type Observable, takeUntil } from 'rxjs'
import { ensurePrivateFolder } from '../../adapters/store/private-file.node.js'
import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import type { Hub, HubOptions, HubRateLimits, RegistrationPolicy } from '../../hub/app.js'
import { isLighthouseError, LighthouseError } from '../../protocol/errors.js'
import { usingValue$ } from '../../streams/using-value.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { fileWhile$ } from '../file-while.js'
import { controlPath, type HubControl, writeHubControl } from '../hub-control.js'
import { hubReach } from '../hub-reach.js'
import { iceOptions, type IceValues } from '../ice-options.js'
import { createLog } from '../log.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** Options of `hub`. */
export interface HubValues extends IceValues {
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly acceptNew?: boolean
  readonly redis?: string
  readonly initialCoins?: number
  readonly registration?: RegistrationPolicy
  readonly limit?: HubRateLimits
  readonly trustProxy?: number | string
}

/** The file of a `sqlite:` address. */
export function sqlitePath(database: string): string | undefined {
  return /^sqlite:(.+)$/s.exec(database)?.[1]
}

/**
 * Where the fingerprint of a hub's key is kept, as an option: beside a file of SQLite by itself, and for PostgreSQL in the
 * home, one file for each database.
 */
function markerOption(database: string, context: Context): Pick<HubOptions, 'keyMarker'> {
  if (sqlitePath(database) !== undefined) return {}
  const name = createHash('sha256').update(withoutPassword(database)).digest('hex').slice(0, 16)
  try {
    return { keyMarker: join(context.home, `hub-${name}.fingerprint`) }
  } catch (error) {
    if (!isLighthouseError(error, 'invalid-option')) throw error
    context.output.notice(
      'Without a home the hub cannot store the fingerprint of its key, so a lost database will go unnoticed.',
    )
    return {}
  }
}

/** `postgres:` as it is, or `sqlite:` and an absolute path. Makes the home for the default. Throws `invalid-option`. */
export function databaseUrl(text: string | undefined, context: Context): string {
  if (text === undefined) {
    const { home } = context
    ensurePrivateFolder(home, 'store-failed')
    return `sqlite:${join(home, 'hub.db')}`
  }
  if (/^postgres(ql)?:/i.test(text)) return text
  const path = sqlitePath(text)
  if (path === undefined) {
    throw new LighthouseError('invalid-option', `--database "${text}" must be sqlite:PATH or postgres://…`, {
      field: 'database',
    })
  }
  return `sqlite:${resolve(context.io.cwd, path)}`
}

function optionsFrom(context: Context, values: HubValues): HubOptions {
  const { host, port, redis, initialCoins, registration, limit, trustProxy, acceptNew } = values
  const { io, globals } = context
  return {
    logger: createLog(io, globals.logLevel),
    ...iceOptions(values),
    ...(acceptNew === undefined ? {} : { acceptNew }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(redis === undefined ? {} : { redis }),
    ...(initialCoins === undefined ? {} : { initialCoins }),
    ...(registration === undefined ? {} : { registration }),
    ...(limit === undefined ? {} : { rateLimits: limit }),
    ...(trustProxy === undefined ? {} : { trustProxy }),
  }
}

/** Passwords can be given as a parameter, too. */
function withoutPassword(database: string): string {
  if (!URL.canParse(database) || sqlitePath(database) !== undefined) return database
  const url = new URL(database)
  url.password = ''
  url.searchParams.delete('password')
  return url.href
}

function announce({ io, output }: Context, hub: Hub, values: HubValues, databaseAddress: string): void {
  const { url, hubKey } = hub
  const fingerprint = fingerprintOf(hubKey)
  const database = withoutPassword(databaseAddress)
  const { addresses, withTls, warnings } = hubReach({
    address: hub.address,
    port: hub.port,
    interfaces: networkInterfaces(),
    isBehindProxy: values.trustProxy !== undefined,
    hasIceServers: [values.stun, values.turn].some(servers => (servers?.length ?? 0) > 0),
  })
  const text = [
    `The hub is at ${output.bold(url)}. The fingerprint of its key is ${fingerprint}`,
    ...addresses.map(each => `Friends connect with --hub ${output.bold(each)}`),
    ...withTls.map(
      each => `Friends connect with --hub ${output.bold(each)} once TLS is in front of it: docs/OPERATING.md`,
    ),
    printable(`Names and coins are stored in ${database}. Stop it with Ctrl-C.`),
  ]
  const id = { url, hubKey, fingerprint, database, pid: io.pid }
  output.result({ type: 'ready', ...id, addresses, withTls, warnings }, text.join('\n'))
  for (const warning of warnings) output.notice(warning)
}

/** Keeps the file that describes how to reach the hub while subscribed. Emits nothing. */
function controlFile$({ output }: Context, database: string, control: HubControl): Observable<never> {
  const write = (): void => writeHubControl(database, control)
  return fileWhile$({ path: controlPath(database), token: control.controlToken, write }, output)
}

/** `hub`: runs a hub until Ctrl-C. */
export async function hubCommand(context: Context, values: HubValues): Promise<ExitCode> {
  const database = databaseUrl(values.database, context)
  // A database of SQLite is its hub's alone: what others want with it they ask the hub for.
  const file = sqlitePath(database)
  const controlToken = randomBytes(32).toString('base64url')
  const options = {
    ...optionsFrom(context, values),
    ...markerOption(database, context),
    ...(file === undefined ? {} : { controlToken }),
    database,
  }
  const { createHub$ } = await context.io.parts.hub()
  // The control file is removed before another hub may open the database.
  const hub$ = usingValue$(createHub$(options), hub => {
    const file$ = file === undefined ? NEVER : controlFile$(context, file, { url: hub.url, controlToken })
    return merge(
      file$,
      defer(() => {
        announce(context, hub, values, database)
        return EMPTY
      }),
    )
  }).pipe(takeUntil(context.io.interrupt$))
  return lastValueFrom(hub$, { defaultValue: exitCodes.done })
}
