import { map, type Observable } from 'rxjs'
import { database$ } from '../../adapters/sqlite-file.node.js'
import { type Database, loadSqlite, type SqliteLibrary } from '../../adapters/sqlite-library.node.js'
import { LighthouseError } from '../../protocol/errors.js'
import type { KeyRow, LedgerDatabase, LedgerRow, SessionRow, WalletRow } from '../protocol/ledger-rows.js'
import { selectLastReceipts, selectNamedWallets } from './ledger-tables.js'
import { schemaProblem } from './sqlite-schema.js'
import { type LogState, readLog } from './write-ahead-log.js'

const heldMessage =
  "a running hub holds the database. Verify the ledger by the hub's address instead, or stop the hub first"

/** What SQLite says about a file that somebody else has locked for good, and about one whose pages are not what they should be. */
const isHeld = (reason: string): boolean => /locked|busy/i.test(reason)
const isDamaged = (reason: string): boolean => /malformed|not a database|corrupt/i.test(reason)

/** What it says where a name in the schema was changed, and about a file of another program. */
const isOther = (reason: string): boolean => /no such (table|column)/i.test(reason)

/** Errors of the library as ours; damage keeps its own class of words, since it is a finding and not a failure. */
function failed(path: string, error: unknown): LighthouseError {
  if (error instanceof LighthouseError) return error
  const reason = error instanceof Error ? error.message : String(error)
  if (isHeld(reason)) return new LighthouseError('store-failed', `"${path}": ${heldMessage}`, {}, { cause: error })
  if (isDamaged(reason)) {
    return new LighthouseError('ledger-broken', `the database "${path}" is damaged: ${reason}`, {}, { cause: error })
  }
  if (isOther(reason)) {
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

/** Throws when a table's keys do not rise from row to row: what points at its rows is damaged, and some may be there twice. */
function inOrder<Row>(
  table: string,
  rows: readonly Row[],
  after: string,
  keyOf: (row: Row) => unknown,
): readonly Row[] {
  let last = after
  for (const row of rows) {
    const key = keyOf(row)
    if (typeof key !== 'string' || !(key > last)) {
      throw new LighthouseError(
        'ledger-broken',
        `table ${table}: the row after ${last || 'the beginning'} is damaged or in a wrong place`,
      )
    }
    last = key
  }
  return rows
}

function toLedgerDatabase(database: Database, path: string): LedgerDatabase {
  const all = async <Row>(sql: string, ...values: readonly (string | number)[]): Promise<readonly Row[]> => {
    try {
      const statement = database.prepare(sql)
      // Numbers beyond the safe integers must be seen, not refused by the library.
      statement.setReadBigInts(true)
      return statement.all(...values) as Row[]
    } catch (error) {
      throw failed(path, error)
    }
  }
  const log = (): LogState | undefined => {
    try {
      return readLog(path)
    } catch (error) {
      throw failed(path, error)
    }
  }
  return {
    keys: async () => (await all<KeyRow>('SELECT pub_key, priv_key FROM hub WHERE id = 1'))[0],
    blocksAfter: (seq, limit) => all<LedgerRow>('SELECT * FROM blocks WHERE seq > ? ORDER BY seq LIMIT ?', seq, limit),
    async walletsAfter(after, limit) {
      const select = `${selectNamedWallets} WHERE w.pub_key > ? ORDER BY w.pub_key LIMIT ?`
      return inOrder('wallets', await all<WalletRow>(select, after, limit), after, ({ wallet }) => wallet)
    },
    async sessionsAfter(after, limit) {
      const select = `${selectLastReceipts} WHERE s.session > ? ORDER BY s.session LIMIT ?`
      return inOrder('sessions', await all<SessionRow>(select, after, limit), after, ({ session }) => session)
    },
    async nameCount() {
      const [row] = await all<{ count: bigint }>('SELECT count(*) AS count FROM names')
      return row!.count
    },
    async damage() {
      const problem = log()?.problem
      if (problem !== undefined) return `the write-ahead log of "${path}" was changed: ${problem}`
      try {
        const schema = schemaProblem(await loadSqlite(), database)
        if (schema !== undefined) return schema
      } catch (error) {
        throw failed(path, error)
      }
      const [pages] = await all<{ integrity_check: string }>('PRAGMA integrity_check(1)')
      if (pages?.integrity_check !== 'ok') return `the database "${path}" is damaged: ${pages?.integrity_check}`
      const [orphan] = await all<{ table: string; parent: string }>('PRAGMA foreign_key_check')
      return orphan && `table ${orphan.table}: a row names one that table ${orphan.parent} does not have`
    },
    async remarks() {
      const state = log()
      if (state === undefined) return []
      const read = 'It was read with the write-ahead log that a hub left.'
      const left = `Frames at the end of that log that do not count, of a transaction that was not finished: ${state.unfinishedFrames}.`
      return state.unfinishedFrames === 0 ? [read] : [read, left]
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
