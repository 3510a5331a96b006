/**
 * receipts.sqlite: a peer's receipts, settlements, heads of the ledger, and who owes what.
 */
import { dirname, join } from 'node:path'
import { concat, defer, map, NEVER, type Observable, of } from 'rxjs'
import type { KeyMarker } from '../../../ports/key-marker.js'
import type { ReceiptStore } from '../../../ports/receipts.js'
import { LighthouseError, toLighthouseError } from '../../../protocol/errors.js'
import { ensurePrivateFolder } from '../private-file.node.js'
import { checkReceipts, damaged, prepareReceiptStore } from './schema.node.js'
import { SqliteConnection } from '../sqlite/connection.node.js'
import { busyTimeoutMs, closeDatabase, database$, memoryPath, openDatabase } from '../sqlite/file.node.js'
import type { Database, SqliteLibrary } from '../sqlite/library.node.js'
import { SqliteReceiptStore } from './sqlite-receipt-store.node.js'
import { fileProblem, keyMarker, markerPath } from '../key-marker.node.js'

/** SQLite's result codes that have an answer of their own. */
const resultCodes = { busy: 5, corrupt: 11, notADatabase: 26 } as const

/** The file in a peer's home. */
export function receiptsPath(home: string): string {
  return join(home, 'receipts.sqlite')
}

export interface ReceiptStoreOptions {
  /** Wall clock in milliseconds, for the days of `signedSince`. */
  readonly now?: () => number
  /** Receipts that were there before are not missed. Default false. */
  readonly acceptNew?: boolean
}

/** Whether a receipt store could not be opened since another process has it: the peer of its home runs already. */
export function isStoreInUse(error: unknown): boolean {
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

/** Throws where the marker shows that receipts are gone. Before the file is opened, which would create it. */
function checkFile(path: string, marker: KeyMarker): void {
  const known = marker.read()
  const problem = known === undefined ? undefined : fileProblem(path)
  if (problem === undefined) return
  throw new LighthouseError(
    'store-failed',
    `the file is ${problem}, and "${marker.path}" says that receipts of the key ${known} were there. Restore it from a backup; or start with --accept-new to begin anew: receipts that were not settled are lost then, and what others owe you is forgotten`,
  )
}

/**
 * A lock of its own beside the file, which one process has as long as it writes: the file itself can be read meanwhile, by
 * `ledger verify --mine`. Undefined in memory. Throws what the library throws where another process has it.
 */
function lock(library: SqliteLibrary, path: string): Database | undefined {
  if (path === memoryPath) return undefined
  // A version, so that the file is seen to be a database wherever a link leads to it. The transaction stays open.
  const take = 'PRAGMA journal_mode = MEMORY; PRAGMA user_version = 1; BEGIN IMMEDIATE'
  return openDatabase(library, `${path}.lock`, database => database.exec(take))
}

interface OpenStore {
  readonly database: Database
  readonly lock: Database | undefined
}

function openStore(library: SqliteLibrary, path: string, pubKey: string, options: ReceiptStoreOptions): OpenStore {
  const { now = Date.now, acceptNew = false } = options
  let held: Database | undefined
  try {
    const marker = path === memoryPath ? undefined : keyMarker(markerPath(path))
    if (marker !== undefined) {
      ensurePrivateFolder(dirname(path), 'store-failed')
      if (!acceptNew) checkFile(path, marker)
    }
    held = lock(library, path)
    const prepare = (database: Database): void => {
      prepareReceiptStore(database, pubKey, now())
      if (marker !== undefined && (acceptNew || marker.read() !== marker.fingerprint(pubKey))) marker.write(pubKey)
    }
    return { lock: held, database: openDatabase(library, path, prepare, closeFile) }
  } catch (error) {
    if (held !== undefined) closeDatabase(held)
    throw failed(error, path)
  }
}

/** Syncs the write-ahead log into the one file, and closes. */
function closeFile(database: Database): void {
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE')
  } catch {
    // Nothing is lost: the log stays beside the file and is read when it is opened again. There is nobody left to report to,
    // and a failure to open has been reported.
  } finally {
    closeDatabase(database)
  }
}

function closeStore({ database, lock: held }: OpenStore): void {
  closeFile(database)
  if (held !== undefined) closeDatabase(held)
}

/**
 * Opens (or makes) the store of the peer with this key on subscription; emits it and never completes; unsubscribing closes
 * the file. Errors with `store-failed`: for a file that is damaged, of a newer version, another key's, or open in another
 * process, and for one that is gone where a marker beside it says that it was there. `:memory:` is a path too.
 *
 * What a method has stored when it returns survives the end of the process. A power cut may lose what was stored since
 * the log was synced last, every thousand pages or so; what is left is whole.
 */
export function receiptStore$(
  path: string,
  pubKey: string,
  options: ReceiptStoreOptions = {},
): Observable<ReceiptStore> {
  return database$(library => openStore(library, path, pubKey, options), closeStore).pipe(
    map(({ database }) => toStore(database, path, pubKey, options.now)),
  )
}

function toStore(database: Database, path: string, pubKey: string, now: () => number = Date.now): ReceiptStore {
  return new SqliteReceiptStore(new SqliteConnection(database, error => failed(error, path)), pubKey, now)
}

/** A receipt store to be read only. */
export type KeptReceipts = Omit<
  ReceiptStore,
  'open' | 'keep' | 'settle' | 'owe' | 'giveUp' | 'serve' | 'doubt' | 'keepHead'
>

function openToRead({ DatabaseSync }: SqliteLibrary, path: string, pubKey: string): Database {
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs })
    try {
      database.exec('PRAGMA trusted_schema = OFF')
      checkReceipts(database, pubKey)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    throw failed(error, path)
  }
}

/**
 * What the peer with this key keeps, to be read only, also while the peer runs. Emits undefined where there is no file; never
 * completes. Errors with `store-failed`.
 */
export function keptReceipts$(path: string, pubKey: string): Observable<KeptReceipts | undefined> {
  return defer(() =>
    fileProblem(path) === undefined
      ? database$(
          library => openToRead(library, path, pubKey),
          database => database.close(),
        ).pipe(map(database => toStore(database, path, pubKey)))
      : concat(of(undefined), NEVER),
  )
}
