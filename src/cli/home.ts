import { resolve } from 'node:path'
import envPaths from 'env-paths'
import { hasMetadata } from '../adapters/metadata-file.node.js'
import type { Io } from './io.js'

/**
 * The folder that holds a peer's keys and state: `--home`, else the current directory when it has a metadata.json, else
 * `$LIGHTHOUSE_HOME`, else the platform's configuration folder. Absolute; it need not exist.
 */
export function resolveHome(io: Pick<Io, 'env' | 'cwd'>, flag: string | undefined): string {
  if (flag !== undefined && flag !== '') return resolve(io.cwd, flag)
  if (hasMetadata(io.cwd)) return io.cwd
  const variable = io.env.LIGHTHOUSE_HOME
  if (variable !== undefined && variable !== '') return resolve(io.cwd, variable)
  return envPaths('lighthouse-peer', { suffix: '' }).config
}
