/**
 * receipts.sqlite: a peer's receipts, settlements, heads of the ledger, and who owes what.
 */
import { dirname, join } from 'node:path'
import { map, type Observable } from 'rxjs'
import type { KeyMarker, ReceiptBook } from '../ports.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import { ensurePrivateFolder } from './private-file.node.js'
import { damaged, prepareReceiptBook } from './receipt-schema.node.js'
import { SqliteConnection } from './sqlite-connection.node.js'
import { closeDatabase, database$, memoryPath, openDatabase } from './sqlite-file.node.js'
import type { Database, SqliteLibrary } from './sqlite-library.node.js'
import { SqliteReceiptBook } from './sqlite-receipt-book.node.js'
import { fileProblem, keyMarker, markerPath } from './store/key-marker.node.js'

/** SQLite's result codes that have an answer of their own. */
const resultCodes = { busy: 5, corrupt: 11, notADatabase: 26 } as const

/** The file in a peer's home. */
export function receiptsPath(home: string): string {
  return join(home, 'receipts.sqlite')
}

export interface ReceiptBookOptions {
  /** Wall clock in milliseconds, for the days of `signedSince`. */
  readonly now?: () => number
  /** Receipts that were there before are not missed. Default false. */
  readonly acceptNew?: boolean
}

/** Whether a receipt book could not be opened since another process has it: the peer of its home runs already. */
export function isBookInUse(error: unknown): boolean {
  return error instanceof LighthouseError && resultCodeOf(error.cause) === resultCodes.busy
}

function resultCodeOf(error: unknown): number {
  return Number((error as { errcode?: number } | undefined)?.errcode) & 0xff
}

/** What SQLite threw, as `store-failed` with the file's name and what can be done. */
function failed(error: unknown, path: string): LighthouseError {
  const code = resultCodeOf(error)
  const reason = error instanceof Error ? error.message : String(error)
  const prefix = `The receipts in ${path} cannot be used`
  if (code === resultCodes.busy) {
    const text = `${prefix}: another process has the file open. Stop the peer that uses this home, or choose another --home`
    return new LighthouseError('store-failed', text, {}, { cause: error })
  }
  if (code === resultCodes.corrupt || code === resultCodes.notADatabase) {
    return new LighthouseError('store-failed', `${prefix}: ${damaged(reason)}`, {}, { cause: error })
  }
  if (error instanceof LighthouseError && !error.message.startsWith(prefix)) {
    return new LighthouseError(error.code, `${prefix}: ${reason}`, error.details, { cause: error })
  }
  return toLighthouseError('store-failed', error, prefix)
}

/** Throws where the marker tells of receipts that are gone. Before the file is opened, which would make it anew. */
function checkFile(path: string, marker: KeyMarker): void {
  const known = marker.read()
  const problem = known === undefined ? undefined : fileProblem(path)
  if (problem === undefined) return
  throw new LighthouseError(
    'store-failed',
    `the file is ${problem}, and "${marker.path}" says that receipts of the key ${known} were there. Restore it from a backup; or start with --accept-new to begin anew: receipts that were not settled are lost then, and what others owe you is forgotten`,
  )
}

function openBook(library: SqliteLibrary, path: string, pubKey: string, options: ReceiptBookOptions): Database {
  const { now = Date.now, acceptNew = false } = options
  const open = (): Database =>
    openDatabase(library, path, database => prepareReceiptBook(database, pubKey, now()), closeBook)
  try {
    if (path === memoryPath) return open()
    ensurePrivateFolder(dirname(path), 'store-failed')
    const marker = keyMarker(markerPath(path))
    if (!acceptNew) checkFile(path, marker)
    const database = open()
    try {
      if (acceptNew || marker.read() !== marker.fingerprint(pubKey)) marker.write(pubKey)
      return database
    } catch (error) {
      closeBook(database)
      throw error
    }
  } catch (error) {
    throw failed(error, path)
  }
}

/**
 * Closes for good. The library holds a connection underneath until its statements have been collected as garbage, so the
 * lock is let go first: leaving the write-ahead log allows that, and syncs all of it into the one file.
 */
function closeBook(database: Database): void {
  try {
    database.exec(`
      PRAGMA busy_timeout = 0;
      PRAGMA journal_mode = DELETE;
      PRAGMA locking_mode = NORMAL;
      SELECT count(*) FROM owner
    `)
  } catch {
    // Nothing is lost by it: the log stays beside the file and is read when it is opened again. Whoever closes has nobody
    // to tell, and a failure to open is told already.
  } finally {
    closeDatabase(database)
  }
}

/**
 * Opens (or makes) the book of the peer with this key on subscription; emits it and never completes; unsubscribing closes
 * the file. Errors with `store-failed`: for a file that is damaged, of a newer version, another key's, or open in another
 * process, and for one that is gone where a marker beside it says that it was there. `:memory:` is a path too.
 *
 * All that a method was told when it returned survives the end of the process. A power cut may take what was told since
 * the log was synced last, every thousand pages or so; what is left is whole.
 */
export function receiptBook$(path: string, pubKey: string, options: ReceiptBookOptions = {}): Observable<ReceiptBook> {
  return database$(library => openBook(library, path, pubKey, options), closeBook).pipe(
    map(database => {
      const sql = new SqliteConnection(database, error => failed(error, path))
      return new SqliteReceiptBook(sql, pubKey, options.now ?? Date.now)
    }),
  )
}
