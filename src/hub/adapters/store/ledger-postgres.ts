import { Client } from 'pg'
import { Observable } from 'rxjs'
import type { LedgerDatabase, LedgerRow } from '../../protocol/settlement/ledger-rows.js'
import { postgresFailed } from './postgres-connections.js'

/** For the connection, and for each statement, which reads one page. */
const connectTimeoutMs = 5_000
const statementTimeoutMs = 30_000

/** Whole numbers of 64 bits come as text, and beyond the safe integers they must be seen as such. */
function withBigInts({ seq, time, bytes, ...row }: LedgerRow): LedgerRow {
  return { ...row, seq: BigInt(String(seq)), time: BigInt(String(time)), bytes: BigInt(String(bytes)) }
}

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
    const lost = (error: unknown): void => subscriber.error(postgresFailed(error, 'read'))
    const connecting = connect(url, lost)
    subscriber.add(() => {
      // Whether the connection was made or not, nobody is left to tell how its end went.
      connecting.then(client => client.end()).catch(() => undefined)
    })
    connecting.then(client => {
      const all = async <Row extends object>(sql: string, ...values: unknown[]): Promise<readonly Row[]> => {
        try {
          return (await client.query<Row>(sql, values)).rows
        } catch (error) {
          throw postgresFailed(error, 'read')
        }
      }
      subscriber.next({
        hubKey: async () => (await all<{ pub_key: unknown }>('SELECT pub_key FROM hub WHERE id = 1'))[0]?.pub_key,
        async blocksAfter(seq, limit) {
          const sql = 'SELECT * FROM blocks WHERE seq > $1 ORDER BY seq LIMIT $2'
          return (await all<LedgerRow>(sql, seq, limit)).map(withBigInts)
        },
        // The server checks its pages itself.
        damage: async () => undefined,
      })
    }, lost)
  })
}
