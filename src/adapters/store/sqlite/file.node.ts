import { chmodSync, closeSync, openSync } from 'node:fs'
import { concatMap, defer, Observable } from 'rxjs'
import { type Database, loadSqlite, type SqliteLibrary } from './library.node.js'

/** A database that is gone when it is closed. */
export const memoryPath = ':memory:'

/** How long to wait for another process that is closing the file, as one that is being restarted does. */
export const busyTimeoutMs = 1_000

/**
 * All that are open. The library closes a database that was collected as garbage, without a word, and its lock goes with
 * it: what somebody subscribed to must not depend on whether they keep the subscription.
 */
const openDatabases = new Set<Database>()

/**
 * Opens a file for its owner alone, or `:memory:`, and prepares it. It stays open until `closeDatabase`, also when nobody
 * holds it. Throws what the library, the file system or `prepare` throws; after the last it was closed by `close`.
 */
export function openDatabase(
  { DatabaseSync }: SqliteLibrary,
  path: string,
  prepare: (database: Database) => void,
  close: (database: Database) => void = closeDatabase,
): Database {
  if (path !== memoryPath) {
    // A hub's private key, or whom a peer watched: made for its owner alone, and made so again when it is not. SQLite gives
    // the write-ahead log the same mode.
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
  }
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs })
  openDatabases.add(database)
  try {
    prepare(database)
    return database
  } catch (error) {
    close(database)
    throw error
  }
}

/** Closes what `openDatabase` opened. */
export function closeDatabase(database: Database): void {
  openDatabases.delete(database)
  database.close()
}

/**
 * Opens a database on subscription; emits it and never completes; unsubscribing closes it. Errors with what `open` throws,
 * which has closed what it opened then.
 */
export function database$<Opened>(
  open: (library: SqliteLibrary) => Opened,
  close: (opened: Opened) => void,
): Observable<Opened> {
  return defer(loadSqlite).pipe(
    concatMap(
      library =>
        new Observable<Opened>(subscriber => {
          const database = open(library)
          subscriber.add(() => close(database))
          subscriber.next(database)
        }),
    ),
  )
}
