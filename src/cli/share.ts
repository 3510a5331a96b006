import { type Stats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Share } from '../index.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'

/** What `up` shares by default: this folder in the current directory, if it exists. */
export const defaultShare = 'data'

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    // A path through a file, or one that is too long, does not exist; other failures (permission) are reported.
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined
    throw toLighthouseError('invalid-share', error, `cannot share "${path}"`)
  }
}

function parseTarget(text: string): Share | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/\\[\]]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) return undefined
  return { type: 'tcp', host: match[1] ?? match[2]!, port }
}

/**
 * `--share`: an existing folder wins, else `host:port` (an IPv6 address in brackets). Without the flag `data` in the
 * current directory, or nothing when that is missing. Throws `invalid-share`.
 */
export function parseShare(text: string | undefined, cwd: string): Share | undefined {
  const path = resolve(cwd, text ?? defaultShare)
  if (text?.includes('\0') === true || text === '') {
    throw new LighthouseError('invalid-share', '--share needs a folder or host:port')
  }
  const stats = statOf(path)
  if (stats?.isDirectory() === true) return { type: 'folder', path }
  if (text === undefined) return undefined
  const target = parseTarget(text)
  if (target !== undefined) return target
  throw new LighthouseError(
    'invalid-share',
    stats === undefined
      ? `--share "${text}": there is no such folder, and it is not host:port with a port from 1 to 65535. Create the folder, or check the path`
      : `--share "${text}" is not a folder. Share the folder that it is in`,
  )
}
