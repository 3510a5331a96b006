import { lstatSync, type Stats, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { diskFailure } from '../disk-failure.js'
import { CommandFailure } from '../failure.js'

/** Where a file is to go. */
export type Target =
  /** Under its name when all of it is there. */
  | { readonly type: 'file'; readonly path: string }
  /** Into what cannot be taken back: a pipe or a device. */
  | { readonly type: 'stream'; readonly path: string }
  | { readonly type: 'stdout' }

/** Undefined where nothing is. Throws `store-failed` for a path that cannot be one. */
function statOf(stat: typeof lstatSync, path: string): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false })
  } catch (error) {
    throw diskFailure(error, path)
  }
}

/**
 * Where `-o` leads: stdout for `-`; into a pipe or a device that is there; a file of that name, or under its own name into a
 * folder, the current one by default. Throws `file-exists` for a file that is there, unless it is to be replaced.
 */
export function targetOf(cwd: string, output: string | undefined, name: string, replaces: boolean): Target {
  // The name that stands for our own stdout; opened as a file it would begin at its front.
  if (output === '-' || output === '/dev/stdout') return { type: 'stdout' }
  const given = resolve(cwd, output ?? '')
  const there = statOf(statSync, given)
  if (there?.isFIFO() === true || there?.isCharacterDevice() === true) return { type: 'stream', path: given }
  const path = there?.isDirectory() === true ? join(given, name) : given
  const present = statOf(lstatSync, path)
  if (present !== undefined && !present.isFile() && !present.isSymbolicLink()) {
    throw new CommandFailure('file-exists', `"${path}" exists and is not a file`)
  }
  if (present !== undefined && !replaces) {
    throw new CommandFailure(
      'file-exists',
      `"${path}" already exists; replace it with --force, or choose another name with -o FILE`,
    )
  }
  return { type: 'file', path }
}
