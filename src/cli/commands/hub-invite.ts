import { firstValueFrom } from 'rxjs'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { askForInvites, readHubControl } from '../hub-control.js'
import { createLog } from '../log.js'
import type { Context } from './context.js'
import { databaseUrl, sqlitePath } from './hub.js'

/** Options of `hub invite`. */
export interface InviteValues {
  readonly database?: string
  readonly count?: number
}

/** Through the hub that has the database to itself, where one runs; else straight into the database. */
async function make({ io, globals }: Context, database: string, count: number): Promise<readonly string[]> {
  const path = sqlitePath(database)
  const control = path === undefined ? undefined : readHubControl(path)
  const made = control === undefined ? undefined : await askForInvites(control, count)
  if (made !== undefined) return made
  const { createInvites$ } = await io.parts.hub()
  return firstValueFrom(createInvites$({ database, count, logger: createLog(io, globals.logLevel) }))
}

/** `hub invite`: makes codes of which each lets one person register. */
export async function hubInviteCommand(context: Context, values: InviteValues): Promise<ExitCode> {
  const { output } = context
  const { count = 1 } = values
  const invites = await make(context, databaseUrl(values.database, context), count)
  output.result({ invites }, invites.join('\n'))
  output.notice(
    `Each lets one person register: lighthouse-peer register --hub URL --nickname NAME --invite CODE. They are not shown again.`,
  )
  return exitCodes.done
}
