import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { ignoreElements, lastValueFrom, takeUntil, tap } from 'rxjs'
import { ensurePrivateFolder } from '../../adapters/private-file.node.js'
import type { Hub, HubOptions } from '../../hub/app.js'
import { LighthouseError } from '../../protocol/errors.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { createLog } from '../log.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** Options of `hub`. */
export interface HubValues {
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly initialCoins?: number
  readonly stun?: readonly string[]
  readonly turn?: readonly string[]
  readonly turnSecret?: string
}

/** Short enough to compare by eye, as ssh writes it. */
export function fingerprint(pubKey: string): string {
  const digest = createHash('sha256').update(Buffer.from(pubKey, 'base64')).digest('base64')
  return `SHA256:${digest.replace(/=+$/, '')}`
}

/** `sqlite:` and an absolute path. Makes the home for the default. Throws `invalid-option`. */
export function databaseUrl(text: string | undefined, home: string, cwd: string): string {
  if (text === undefined) {
    ensurePrivateFolder(home, 'store-failed')
    return `sqlite:${join(home, 'hub.db')}`
  }
  const path = /^sqlite:(.+)$/s.exec(text)?.[1]
  if (path === undefined) {
    throw new LighthouseError('invalid-option', `--database "${text}" must be sqlite:PATH`, { field: 'database' })
  }
  return `sqlite:${resolve(cwd, path)}`
}

function optionsFrom(context: Context, values: HubValues): HubOptions {
  const { host, port, initialCoins, stun = [], turn = [], turnSecret } = values
  const { io, home, globals } = context
  if (turn.length > 0 !== (turnSecret !== undefined)) {
    throw new LighthouseError('invalid-option', '--turn and --turn-secret go together', { field: 'turn' })
  }
  return {
    database: databaseUrl(values.database, home, io.cwd),
    logger: createLog(io, globals.logLevel),
    iceServers: stun.map(urls => ({ urls })),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(initialCoins === undefined ? {} : { initialCoins }),
    ...(turnSecret === undefined ? {} : { turn: { urls: turn, secret: turnSecret } }),
  }
}

function announce({ io, output }: Context, { url, hubKey }: Hub, database: string | undefined): void {
  const text = [
    `The hub is at ${output.bold(url)}, its key is ${fingerprint(hubKey)}`,
    printable(`Names and coins are in ${String(database)}. Ctrl-C ends it.`),
  ]
  output.result(
    { type: 'ready', url, hubKey, fingerprint: fingerprint(hubKey), database, pid: io.pid },
    text.join('\n'),
  )
}

/** `hub`: runs a hub until Ctrl-C. */
export async function hubCommand(context: Context, values: HubValues): Promise<ExitCode> {
  const options = optionsFrom(context, values)
  const { createHub$ } = await context.io.parts.hub()
  const hub$ = createHub$(options).pipe(
    tap(hub => announce(context, hub, options.database)),
    ignoreElements(),
    takeUntil(context.io.interrupt$),
  )
  return lastValueFrom(hub$, { defaultValue: exitCodes.done })
}
