import { readFileSync } from 'node:fs'
import { isMissing } from '../../../adapters/store/private-file.node.js'

/** For the database with its log, Redis, PostgreSQL, the system's own, and what an embedding program has open. */
const reservedFiles = 64

/** A hub with fewer places than this cannot serve anybody; then the system says what it cannot. */
const leastConnections = 16

/** How many files and sockets this process may have open; Infinity where the system does not say (all but Linux). */
function maxOpenFiles(): number {
  try {
    const [, soft] = /^Max open files +(\d+) /m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? Infinity : Number(soft)
  } catch (error) {
    if (isMissing(error)) return Infinity
    throw error
  }
}

/**
 * How many connections leave enough handles for everything else. Where the last one is used up, the system drops connections by
 * itself, and nobody's in particular.
 */
export function maxConnections(): number {
  return Math.max(leastConnections, maxOpenFiles() - reservedFiles)
}
