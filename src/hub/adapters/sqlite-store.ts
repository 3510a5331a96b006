import { chmodSync, closeSync, openSync } from 'node:fs'
import { concatMap, defer, Observable } from 'rxjs'
import { LighthouseError } from '../../protocol/errors.js'
import { type BlockHash, type ChainState, emptyChain, grantBlock, type LedgerLine } from '../protocol/ledger.js'
import type { HubLogger, HubStore, KeyPair, Registration } from '../ports.js'
import { type Database, loadSqlite, type SqliteLibrary } from './sqlite-library.js'
import { closeDatabase, prepareSchema } from './sqlite-schema.js'

/** A database that lives as long as the hub; for tests. */
const memoryPath = ':memory:'

/** How long to wait for another process that is letting go of the file, as a hub that is being restarted does. */
const busyTimeoutMs = 1_000

interface BlockRow extends Omit<LedgerLine, 'from' | 'to' | 'receipt'> {
  readonly payer: string | null
  readonly payee: string
  readonly receipt: string | null
}

function toLine({ seq, prev_hash, time, kind, payer, payee, bytes, receipt, hash }: BlockRow): LedgerLine {
  return {
    seq,
    prev_hash,
    time,
    kind,
    from: payer,
    to: payee,
    bytes,
    receipt: receipt === null ? null : JSON.parse(receipt),
    hash,
  }
}

function failed(error: unknown, what: string): LighthouseError {
  if (error instanceof LighthouseError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new LighthouseError('store-failed', `${what}: ${reason}`, {}, { cause: error })
}

class SqliteStore implements HubStore {
  readonly #statements = new Map<string, ReturnType<Database['prepare']>>()

  constructor(
    private readonly database: Database,
    private readonly hash: BlockHash,
  ) {}

  keyPair(generate: () => KeyPair): Promise<KeyPair> {
    return this.#transaction(() => {
      const kept = this.#get<{ pub_key: string; priv_key: string }>('SELECT pub_key, priv_key FROM hub WHERE id = 1')
      if (kept !== undefined) return { pubKey: kept.pub_key, privKey: kept.priv_key }
      const { pubKey, privKey } = generate()
      this.#run('INSERT INTO hub (id, pub_key, priv_key) VALUES (1, ?, ?)', pubKey, privKey)
      return { pubKey, privKey }
    })
  }

  register(request: { nickname: string; pubKey: string; grantBytes: number; timeMs: number }): Promise<Registration> {
    const { nickname, pubKey, grantBytes, timeMs } = request
    return this.#transaction((): Registration => {
      const owner = this.#nameOwner(nickname)
      const hasKey = this.#walletBytes(pubKey) !== undefined
      if (owner === pubKey) return { type: 'taken', what: 'both' }
      if (owner !== undefined || hasKey) return { type: 'taken', what: hasKey ? 'key' : 'nickname' }
      const block = grantBlock(this.#chain() ?? emptyChain, { to: pubKey, bytes: grantBytes, time: timeMs })
      const line: LedgerLine = { ...block, hash: this.hash(block) }
      this.#run('INSERT INTO wallets (pub_key, bytes) VALUES (?, ?)', pubKey, grantBytes)
      this.#run('INSERT INTO names (nickname, pub_key) VALUES (?, ?)', nickname, pubKey)
      this.#run(
        'INSERT INTO blocks (seq, prev_hash, time, kind, payer, payee, bytes, receipt, hash) VALUES (?, ?, ?, ?, NULL, ?, ?, NULL, ?)',
        ...[line.seq, line.prev_hash, line.time, line.kind, line.to, line.bytes, line.hash],
      )
      return { type: 'registered', line }
    })
  }

  resolve(nickname: string): Promise<string | undefined> {
    return this.#attempt(() => this.#nameOwner(nickname))
  }

  balance(pubKey: string): Promise<number | undefined> {
    return this.#attempt(() => this.#walletBytes(pubKey))
  }

  head(): Promise<ChainState | undefined> {
    return this.#attempt(() => this.#chain())
  }

  blocksAfter(seq: number, limit: number): Promise<readonly LedgerLine[]> {
    return this.#attempt(() =>
      (this.#prepare('SELECT * FROM blocks WHERE seq > ? ORDER BY seq LIMIT ?').all(seq, limit) as BlockRow[]).map(
        toLine,
      ),
    )
  }

  check(): Promise<void> {
    // Reads a page and takes the right to write, without a sync for whoever likes to ask.
    return this.#attempt(() => {
      this.database.exec('BEGIN IMMEDIATE')
      try {
        this.#chain()
      } finally {
        this.database.exec('ROLLBACK')
      }
    })
  }

  #nameOwner(nickname: string): string | undefined {
    return this.#get<{ pub_key: string }>('SELECT pub_key FROM names WHERE nickname = ?', nickname)?.pub_key
  }

  #walletBytes(pubKey: string): number | undefined {
    return this.#get<{ bytes: number }>('SELECT bytes FROM wallets WHERE pub_key = ?', pubKey)?.bytes
  }

  #chain(): ChainState | undefined {
    const row = this.#get<ChainState>('SELECT seq, hash FROM blocks ORDER BY seq DESC LIMIT 1')
    return row === undefined ? undefined : { seq: row.seq, hash: row.hash }
  }

  #prepare(sql: string): ReturnType<Database['prepare']> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #get<Row>(sql: string, ...values: readonly (string | number)[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined
  }

  #run(sql: string, ...values: readonly (string | number)[]): void {
    this.#prepare(sql).run(...values)
  }

  async #attempt<Result>(work: () => Result): Promise<Result> {
    try {
      return work()
    } catch (error) {
      throw failed(error, 'The database cannot be read or written')
    }
  }

  /** All or nothing. `work` is synchronous, so nothing else of this process comes between. */
  #transaction<Result>(work: () => Result): Promise<Result> {
    return this.#attempt(() => {
      this.database.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.database.exec('COMMIT')
        return result
      } catch (error) {
        if (this.database.isTransaction) this.database.exec('ROLLBACK')
        throw error
      }
    })
  }
}

function openDatabase({ DatabaseSync }: SqliteLibrary, path: string): Database {
  try {
    if (path !== memoryPath) {
      // The hub's private key lies in it: made for its owner alone, and made so again when it is not. SQLite gives the
      // write-ahead log the same mode.
      closeSync(openSync(path, 'a', 0o600))
      chmodSync(path, 0o600)
    }
    const database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    try {
      prepareSchema(database)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    throw failed(
      error,
      `The database ${path} cannot be opened. Check that its folder exists and can be written, and that no other hub uses it`,
    )
  }
}

/**
 * Opens a database file, or `:memory:`, on subscription; emits the store and never completes; unsubscribing closes the
 * file. Errors with `store-failed`. A failure to close is logged: every commit is on the disk already. One connection with the exclusive lock: a second hub on the same file is refused.
 */
export function sqliteStore$(path: string, hash: BlockHash, logger: Pick<HubLogger, 'warn'>): Observable<HubStore> {
  return defer(loadSqlite).pipe(
    concatMap(
      library =>
        new Observable<HubStore>(subscriber => {
          const database = openDatabase(library, path)
          subscriber.add(() => {
            try {
              closeDatabase(database)
            } catch (error) {
              // Nothing acknowledged is lost, and an unsubscription has nobody to throw to.
              logger.warn({ err: error }, 'the database could not be closed cleanly')
            }
          })
          subscriber.next(new SqliteStore(database, hash))
        }),
    ),
  )
}
