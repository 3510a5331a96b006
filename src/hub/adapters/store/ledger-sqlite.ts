import { map, type Observable } from 'rxjs'
import { database$ } from '../../../adapters/store/sqlite/file.node.js'
import type { Database, SqliteLibrary } from '../../../adapters/store/sqlite/library.node.js'
import { LighthouseError } from '../../../protocol/errors.js'
import type { LedgerDatabase, LedgerRow } from '../../protocol/settlement/ledger-rows.js'

const heldMessage =
  "a running hub holds the database. Verify the ledger by the hub's address instead, or stop the hub first"

/** What SQLite says about a file that another process has locked for good. */
const isHeld = (reason: string): boolean => /locked|busy/i.test(reason)

/** What it says about damaged pages, about a changed name in the schema, and about a file of another program. */
const isDamaged = (reason: string): boolean => /malformed|not a database|corrupt|no such (table|column)/i.test(reason)

/** Errors of the library as ours; damage has its own code, since it is a finding and not a failure. */
function failed(path: string, error: unknown): LighthouseError {
  const reason = error instanceof Error ? error.message : String(error)
  if (isHeld(reason)) return new LighthouseError('store-failed', `"${path}": ${heldMessage}`, {}, { cause: error })
  if (isDamaged(reason)) {
    const text = `the database "${path}" is damaged, or it is not a hub's: ${reason}`
    return new LighthouseError('ledger-broken', text, {}, { cause: error })
  }
  return new LighthouseError('store-failed', `"${path}" cannot be read: ${reason}`, {}, { cause: error })
}

function open({ DatabaseSync }: SqliteLibrary, path: string): Database {
  try {
    const database = new DatabaseSync(path, { readOnly: true })
    try {
      database.exec('PRAGMA trusted_schema = OFF')
      // One state of everything that is read from now on.
      database.exec('BEGIN')
      database.prepare('SELECT count(*) FROM sqlite_schema').get()
      return database
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    throw failed(path, error)
  }
}

function toLedgerDatabase(database: Database, path: string): LedgerDatabase {
  const all = async <Row>(sql: string, ...values: readonly number[]): Promise<readonly Row[]> => {
    try {
      const statement = database.prepare(sql)
      // Numbers beyond the safe integers must be seen, not refused by the library.
      statement.setReadBigInts(true)
      return statement.all(...values) as Row[]
    } catch (error) {
      throw failed(path, error)
    }
  }
  return {
    hubKey: async () => (await all<{ pub_key: unknown }>('SELECT pub_key FROM hub WHERE id = 1'))[0]?.pub_key,
    blocksAfter: (seq, limit) => all<LedgerRow>('SELECT * FROM blocks WHERE seq > ? ORDER BY seq LIMIT ?', seq, limit),
    async damage() {
      const [first] = await all<{ integrity_check: string }>('PRAGMA integrity_check(1)')
      return first?.integrity_check === 'ok'
        ? undefined
        : `the database "${path}" is damaged: ${first?.integrity_check}`
    },
  }
}

/** Opens a hub's SQLite file to be read, and closes it on unsubscription. Errors with `store-failed` or `ledger-broken`. */
export function sqliteLedger$(path: string): Observable<LedgerDatabase> {
  return database$(
    library => open(library, path),
    database => database.close(),
  ).pipe(map(database => toLedgerDatabase(database, path)))
}
