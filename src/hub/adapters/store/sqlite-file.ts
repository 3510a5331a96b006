import { closeDatabase, openDatabase } from '../../../adapters/store/sqlite/file.node.js'
import type { Database, SqliteLibrary } from '../../../adapters/store/sqlite/library.node.js'
import { type LighthouseError, toLighthouseError } from '../../../protocol/errors.js'
import { prepareSchema } from './sqlite-schema.js'

/** What SQLite threw, as `store-failed` after `what`. */
export function storeFailed(error: unknown, what = 'The database cannot be read or written'): LighthouseError {
  return toLighthouseError('store-failed', error, what)
}

/** Opens a file, or `:memory:`, and brings its schema to this version. Throws `store-failed`. */
export function openStoreFile(library: SqliteLibrary, path: string): Database {
  try {
    return openDatabase(library, path, prepareSchema)
  } catch (error) {
    throw storeFailed(
      error,
      `The database ${path} cannot be opened. Check that its folder exists and can be written, and that no other hub uses it`,
    )
  }
}

/**
 * Closes for good. The library keeps a connection open underneath for as long as one of its statements has not been
 * collected as garbage, so the lock is let go first: leaving the write-ahead log is what allows that, and it leaves one
 * file behind, complete.
 */
export function closeStoreFile(database: Database): void {
  try {
    database.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM hub')
  } finally {
    closeDatabase(database)
  }
}
