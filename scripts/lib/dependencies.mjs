/** Does node_modules hold what package-lock.json says? */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Compares content, not times: after a `git pull` the lock file may be newer and say the same. npm keeps a list of what it
 * installed in node_modules/.package-lock.json; packages for other platforms are missing in it, rightly.
 */
export function dependenciesFit(root) {
  const wanted = packagesOf(join(root, 'package-lock.json'))
  const present = packagesOf(join(root, 'node_modules/.package-lock.json'))
  if (wanted === undefined) throw new Error('package-lock.json is missing or unreadable: check the clone.')
  if (present === undefined) return false
  const fits = ([path, entry]) => {
    if (path === '') return true
    const found = present[path]
    if (found === undefined) return entry.optional === true || entry.devOptional === true
    return found.version === entry.version && found.integrity === entry.integrity
  }
  return Object.entries(wanted).every(fits) && Object.keys(present).every(path => path in wanted)
}

/** The `packages` of a lock file, undefined when there is none to read. */
function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return undefined
  }
}
