import { type ClientBase, type CustomTypesConfig, Pool, type QueryResultRow, types } from 'pg'
import { LighthouseError } from '../../../protocol/errors.js'
import type { HubLogger } from '../../ports/logger.js'

/** Waiting for a connection, whether a new one or one that others are using. */
const connectTimeoutMs = 3_000

/** The server ends a statement, waiting for locks included, and a transaction of a process that was stopped in it. */
const statementTimeoutMs = 10_000

/** The server does not answer at all. Above the server's own limit, whose message says more. */
const answerTimeoutMs = 12_000

/** A question for the database's health has to be answered while somebody is waiting for it. */
const checkTimeoutMs = 2_000

/** Lookups at a time of this process. */
const maxReaders = 8

/** One at a time holds the chain; the second is there so that it goes on without a pause. */
const maxWriters = 2

function parseSafeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond the safe integers`)
  return value
}

/** Of these pools alone; the library's default, for everybody in the process, is text. */
const safeIntegers: CustomTypesConfig = {
  getTypeParser: (oid, format) => (oid === types.builtins.INT8 ? parseSafeInteger : types.getTypeParser(oid, format)),
}

/** A commit is on the disk before it is acknowledged, whatever the server's default; a stronger one is left alone. */
const durableCommits =
  "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'"

const settings = {
  connectionTimeoutMillis: connectTimeoutMs,
  statement_timeout: statementTimeoutMs,
  idle_in_transaction_session_timeout: statementTimeoutMs,
  query_timeout: answerTimeoutMs,
  keepAlive: true,
  application_name: 'lighthouse-hub',
  types: safeIntegers,
  // The pool waits for it before it lends the connection out.
  onConnect: (client: ClientBase) => client.query(durableCommits),
}

/** A refused connection to several addresses is an AggregateError without a text of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message || error.name : String(error)
}

/** Our own errors as they are, all others as `store-failed`. */
export function postgresFailed(error: unknown, what = 'read or written'): LighthouseError {
  if (error instanceof LighthouseError) return error
  const message = `The PostgreSQL database cannot be ${what}: ${reasonOf(error)}`
  return new LighthouseError('store-failed', message, {}, { cause: error })
}

/**
 * The connections of one process: a pool for lookups and one for changes, so that a queue in front of the chain holds up
 * no lookup. Connections that break are replaced when the next one is asked for. Errors are `store-failed`.
 */
export class PostgresConnections {
  readonly #readers: Pool
  readonly #writers: Pool

  constructor(
    url: string,
    private readonly logger: Pick<HubLogger, 'warn'>,
  ) {
    this.#readers = this.#pool(url, maxReaders)
    this.#writers = this.#pool(url, maxWriters)
  }

  /** One statement. */
  query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return this.#with(this.#readers, async client => (await client.query<Row>(text, [...values])).rows)
  }

  /** One statement whose answer must come quickly. */
  quickQuery<Row extends QueryResultRow>(text: string): Promise<readonly Row[]> {
    const config = { text, query_timeout: checkTimeoutMs }
    return this.#with(this.#readers, async client => (await client.query<Row>(config)).rows)
  }

  /** All or nothing. Every statement sees what was committed before it began, so a lock comes in one of its own. */
  transaction<Result>(work: (client: ClientBase) => Promise<Result>): Promise<Result> {
    return this.#with(this.#writers, async client => {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
      const result = await work(client)
      await client.query('COMMIT')
      return result
    })
  }

  /** Lets running statements end. */
  async close(): Promise<void> {
    await Promise.all([this.#readers.end(), this.#writers.end()])
  }

  /** A connection on which something failed is closed, and with it the server undoes what was open. */
  async #with<Result>(pool: Pool, work: (client: ClientBase) => Promise<Result>): Promise<Result> {
    try {
      const client = await pool.connect()
      try {
        const result = await work(client)
        client.release()
        return result
      } catch (error) {
        client.release(true)
        throw error
      }
    } catch (error) {
      throw postgresFailed(error)
    }
  }

  #pool(url: string, max: number): Pool {
    const pool = new Pool({ ...settings, connectionString: url, max })
    pool.on('connect', client => {
      // Whether it rests or works. What it was working on fails by itself.
      client.on('error', err => this.logger.warn({ err }, 'a connection to the database was lost'))
    })
    // The pool repeats what a resting connection has said above, and throws where nobody listens.
    pool.on('error', () => undefined)
    return pool
  }
}
