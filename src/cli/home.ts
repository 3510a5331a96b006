import { resolve } from 'node:path'
import { hasMetadata } from '../adapters/store/metadata-file.node.js'
import { LighthouseError } from '../protocol/errors.js'
import type { Io } from './io.js'

/**
 * The folder that holds a peer's keys and state: `--home`, else the current directory when it has a metadata.json, else
 * `$LIGHTHOUSE_HOME`, else the platform's configuration folder. Absolute; it need not exist. Rejects with `invalid-option` where the platform has none: a
 * user of a container may have neither $HOME nor an entry in the password file.
 */
export async function resolveHome(io: Pick<Io, 'env' | 'cwd'>, flag: string | undefined): Promise<string> {
  if (flag !== undefined && flag !== '') return resolve(io.cwd, flag)
  if (hasMetadata(io.cwd)) return io.cwd
  const variable = io.env.LIGHTHOUSE_HOME
  if (variable !== undefined && variable !== '') return resolve(io.cwd, variable)
  try {
    // Asks the machine for the user's folder as soon as it is imported.
    const { default: envPaths } = await import('env-paths')
    return envPaths('lighthouse-peer', { suffix: '' }).config
  } catch (cause) {
    const message = 'this user has no home directory; name a folder with --home DIR or LIGHTHOUSE_HOME'
    throw new LighthouseError('invalid-option', message, { field: 'home' }, { cause })
  }
}
