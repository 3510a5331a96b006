import { Client } from 'pg'
import { Observable } from 'rxjs'
import { LighthouseError } from '../../protocol/errors.js'
import type { KeyRow, LedgerDatabase, LedgerRow, SessionRow, WalletRow } from '../protocol/ledger-rows.js'
import { selectLastReceipts, selectNamedWallets } from './ledger-tables.js'

/** For the connection, and for each statement, which reads one page. */
const connectTimeoutMs = 5_000
const statementTimeoutMs = 30_000

function failed(error: unknown): LighthouseError {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  const reason = first instanceof Error ? first.message || first.name : String(first)
  return new LighthouseError('store-failed', `The PostgreSQL database cannot be read: ${reason}`, {}, { cause: error })
}

/** Whole numbers of 64 bits come as text, and beyond the safe integers they must be seen as such. */
const wholeNumbers = (row: Record<string, unknown>, names: readonly string[]): Record<string, unknown> => ({
  ...row,
  ...Object.fromEntries(names.map(name => [name, typeof row[name] === 'string' ? BigInt(row[name]) : row[name]])),
})

async function connect(url: string, onLost: (error: unknown) => void): Promise<Client> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs,
    application_name: 'lighthouse-ledger',
  })
  client.on('error', onLost)
  await client.connect()
  // One state of everything that is read, however long it takes and whatever is settled meanwhile.
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  return client
}

/** Connects to a hub's PostgreSQL to read, and closes on unsubscription. Errors with `store-failed`. */
export function postgresLedger$(url: string): Observable<LedgerDatabase> {
  return new Observable<LedgerDatabase>(subscriber => {
    const lost = (error: unknown): void => subscriber.error(failed(error))
    const connecting = connect(url, lost)
    subscriber.add(() => {
      // Whether the connection was made or not, nobody is left to tell how its end went.
      connecting.then(client => client.end()).catch(() => undefined)
    })
    connecting.then(client => {
      const all = async <Row>(sql: string, values: readonly unknown[], numbers: readonly string[]): Promise<Row[]> => {
        try {
          const { rows } = await client.query<Record<string, unknown>>(sql, [...values])
          return rows.map(row => wholeNumbers(row, numbers) as Row)
        } catch (error) {
          throw failed(error)
        }
      }
      subscriber.next({
        keys: async () => (await all<KeyRow>('SELECT pub_key, priv_key FROM hub WHERE id = 1', [], []))[0],
        blocksAfter: (seq, limit) =>
          all<LedgerRow>(
            'SELECT * FROM blocks WHERE seq > $1 ORDER BY seq LIMIT $2',
            [seq, limit],
            ['seq', 'time', 'bytes'],
          ),
        walletsAfter: (key, limit) =>
          all<WalletRow>(
            `${selectNamedWallets} WHERE w.pub_key > $1 ORDER BY w.pub_key LIMIT $2`,
            [key, limit],
            ['bytes'],
          ),
        sessionsAfter: (session, limit) =>
          all<SessionRow>(
            `${selectLastReceipts} WHERE s.session > $1 ORDER BY s.session LIMIT $2`,
            [session, limit],
            ['settled', 'last_seq'],
          ),
        async nameCount() {
          const [row] = await all<{ count: bigint }>('SELECT count(*) AS count FROM names', [], ['count'])
          return row!.count
        },
        // Checksums of its pages are the server's, and so are its definitions.
        damage: async () => undefined,
        remarks: async () => [],
      })
    }, lost)
  })
}
