/**
 * receipts.sqlite: a peer's receipts, settlements, heads of the ledger, and who owes what.
 */
import { dirname, join } from 'node:path'
import { concatMap, defer, Observable } from 'rxjs'
import type { ConsumerAccount, ReceiptBook } from '../ports.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import type { Receipt, Settlement, SignedReceipt } from '../protocol/receipt.js'
import type { LedgerHead } from '../protocol/signal.js'
import { ensurePrivateFolder } from './private-file.node.js'
import { damaged, prepareReceiptBook } from './receipt-schema.js'
import { closeDatabase, memoryPath, openDatabase } from './sqlite-file.node.js'
import { type Database, loadSqlite, type SqliteLibrary } from './sqlite-library.node.js'

/** Settlements that are read at a time: half a megabyte. */
const pageRows = 1_000
const minuteMs = 60_000
/** Numbers of blocks whose heads are kept for each hub. Peers that meet have seen heads of the same days. */
const keptHeads = 1_000

/** SQLite's result codes that have an answer of their own. */
const resultCodes = { busy: 5, corrupt: 11, notADatabase: 26 } as const

/** The file in a peer's home. */
export function receiptsPath(home: string): string {
  return join(home, 'receipts.sqlite')
}

/** What the index `sessions_due` holds. */
const due = 'bytes > settled_bytes AND given_up = 0'

type SqlValue = string | number

interface Parties {
  readonly seeder: string
  readonly consumer: string
}

type SessionParties = Parties & { readonly session: string }

interface SessionRow {
  readonly id: number
  readonly session: string
  readonly seeder: string | null
  readonly consumer: string | null
  readonly hub_key: string
  readonly bytes: number
  readonly signature: string
  readonly settled_bytes: number
  readonly coins: string
  readonly seq: number
  readonly hash: string
  readonly hub_signature: string
  readonly owed_bytes: number
}

function toParties({ seeder, consumer }: SessionRow): Parties | undefined {
  return seeder === null || consumer === null ? undefined : { seeder, consumer }
}

function toReceipt(row: SessionRow): SignedReceipt | undefined {
  const { hub_key, session, bytes, signature } = row
  const parties = toParties(row)
  return bytes === 0 || parties === undefined ? undefined : { hub_key, session, ...parties, bytes, signature }
}

function toSettlement(row: SessionRow): Settlement | undefined {
  const { session, settled_bytes: bytes, coins, seq, hash, hub_signature: signature } = row
  return bytes === 0 ? undefined : { session, bytes, coins, seq, hash, signature }
}

class SqliteReceiptBook implements ReceiptBook {
  readonly #statements = new Map<string, ReturnType<Database['prepare']>>()

  constructor(
    private readonly database: Database,
    private readonly path: string,
    private readonly pubKey: string,
    private readonly now: () => number,
  ) {}

  open({ session, seeder, consumer }: SessionParties): void {
    this.#transaction(() => this.#known(session, { seeder, consumer }))
  }

  parties(session: string): Parties | undefined {
    const row = this.#attempt(() => this.#session(session))
    return row && toParties(row)
  }

  keep(receipt: SignedReceipt): void {
    const { hub_key, session, seeder, consumer, bytes, signature } = receipt
    if (seeder !== this.pubKey && consumer !== this.pubKey) return
    this.#transaction(() => {
      const row = this.#known(session, { seeder, consumer })
      if (row === undefined || bytes <= row.bytes) return
      this.#run(
        'UPDATE sessions SET hub_key = ?, bytes = ?, signature = ? WHERE id = ?',
        hub_key,
        bytes,
        signature,
        row.id,
      )
      if (consumer === this.pubKey) this.#signed(seeder, bytes - row.bytes)
    })
  }

  settle(settlement: Settlement): number {
    const { session, bytes, coins, seq, hash, signature } = settlement
    return this.#transaction(() => {
      const row = this.#session(session)
      const ahead = bytes - (row?.settled_bytes ?? 0)
      if (ahead <= 0) return 0
      if (row === undefined) this.#run('INSERT INTO sessions (session, began_ms) VALUES (?, ?)', session, this.now())
      this.#run(
        'UPDATE sessions SET settled_bytes = ?, coins = ?, seq = ?, hash = ?, hub_signature = ? WHERE session = ?',
        ...[bytes, coins, seq, hash, signature, session],
      )
      if (row?.consumer) this.#paid(row.consumer, ahead)
      return ahead
    })
  }

  unsettled(limit: number): readonly SignedReceipt[] {
    const sql = `SELECT * FROM sessions WHERE ${due} ORDER BY id LIMIT ?`
    return this.#all<SessionRow>(sql, limit).flatMap(row => toReceipt(row) ?? [])
  }

  unsettledBytes(consumer: string): number {
    const sql = `SELECT coalesce(sum(bytes - settled_bytes), 0) AS bytes FROM sessions WHERE ${due} AND consumer = ?`
    return this.#get<{ bytes: number }>(sql, consumer)!.bytes
  }

  owe({ hub_key, session, seeder, consumer, bytes }: Receipt): void {
    this.#transaction(() => {
      const row = this.#known(session, { seeder, consumer })
      if (row === undefined || bytes <= row.bytes) return
      this.#run('UPDATE sessions SET hub_key = ?, owed_bytes = ? WHERE id = ?', hub_key, bytes, row.id)
    })
  }

  owed(): readonly Receipt[] {
    const sql = 'SELECT * FROM sessions WHERE owed_bytes > bytes AND given_up = 0 ORDER BY id'
    return this.#all<SessionRow>(sql).flatMap(row => {
      const parties = toParties(row)
      if (parties === undefined) return []
      return { hub_key: row.hub_key, session: row.session, ...parties, bytes: row.owed_bytes }
    })
  }

  giveUp(session: string): void {
    this.#attempt(() => this.#run('UPDATE sessions SET given_up = 1 WHERE session = ?', session))
  }

  receipt(session: string): SignedReceipt | undefined {
    const row = this.#attempt(() => this.#session(session))
    return row && toReceipt(row)
  }

  account(consumer: string): ConsumerAccount {
    const row = this.#get<{ served: number; paid: number }>(
      'SELECT served, paid FROM consumers WHERE pub_key = ?',
      consumer,
    )
    return { servedBytes: row?.served ?? 0, paidBytes: row?.paid ?? 0 }
  }

  serve(consumer: string, servedBytes: number): void {
    this.#attempt(() =>
      this.#run(
        'INSERT INTO consumers (pub_key, served) VALUES (?, ?) ON CONFLICT DO UPDATE SET served = excluded.served',
        consumer,
        servedBytes,
      ),
    )
  }

  signedSince(sinceMs: number): number {
    const sql = 'SELECT coalesce(sum(bytes), 0) AS bytes FROM signed_minutes WHERE minute >= ?'
    return this.#get<{ bytes: number }>(sql, Math.floor(sinceMs / minuteMs))!.bytes
  }

  signedFor(seeder: string): number {
    return this.#get<{ signed: number }>('SELECT signed FROM seeders WHERE pub_key = ?', seeder)?.signed ?? 0
  }

  settlement(session: string): Settlement | undefined {
    const row = this.#attempt(() => this.#session(session))
    return row && toSettlement(row)
  }

  *settlements(): Iterable<Settlement & { readonly receipt: SignedReceipt | undefined }> {
    let after: Pick<SessionRow, 'seq' | 'id'> | undefined = { seq: -1, id: 0 }
    while (after !== undefined) {
      // By pages, so that the book can be written to while somebody reads it.
      const rows: readonly SessionRow[] = this.#all<SessionRow>(
        'SELECT * FROM sessions WHERE settled_bytes > 0 AND (seq, id) > (?, ?) ORDER BY seq, id LIMIT ?',
        ...[after.seq, after.id, pageRows],
      )
      for (const row of rows) yield { ...toSettlement(row)!, receipt: toReceipt(row) }
      after = rows.length < pageRows ? undefined : rows.at(-1)
    }
  }

  keepHead(hubKey: string, head: LedgerHead): void {
    this.#transaction(() => {
      if (this.headsAt(hubKey, head.seq).length >= 2) return
      const added = this.#run(
        'INSERT INTO heads (hub_key, seq, hash, signature) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
        ...[hubKey, head.seq, head.hash, head.signature],
      )
      if (added === 0) return
      this.#run(
        `DELETE FROM heads WHERE hub_key = ?1 AND seq <=
          (SELECT DISTINCT seq FROM heads WHERE hub_key = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
        hubKey,
        keptHeads,
      )
    })
  }

  headsAt(hubKey: string, seq: number): readonly LedgerHead[] {
    return this.#all<LedgerHead>(
      'SELECT seq, hash, signature FROM heads WHERE hub_key = ? AND seq = ? ORDER BY hash',
      hubKey,
      seq,
    ).map(head => ({ ...head }))
  }

  newestHead(hubKey: string): LedgerHead | undefined {
    const sql = 'SELECT seq, hash, signature FROM heads WHERE hub_key = ? ORDER BY seq DESC, hash LIMIT 1'
    const head = this.#get<LedgerHead>(sql, hubKey)
    return head && { ...head }
  }

  #session(session: string): SessionRow | undefined {
    return this.#prepare('SELECT * FROM sessions WHERE session = ?').get(session) as SessionRow | undefined
  }

  /**
   * The session with these parties: as it is, or new, or now that one learns whose it was. Its consumer may have paid for it
   * already. Undefined when it has others.
   */
  #known(session: string, { seeder, consumer }: Parties): SessionRow | undefined {
    const row = this.#session(session)
    const parties = row && toParties(row)
    if (parties !== undefined) return parties.seeder === seeder && parties.consumer === consumer ? row : undefined
    this.#run(
      `INSERT INTO sessions (session, began_ms, seeder, consumer) VALUES (?, ?, ?, ?)
        ON CONFLICT (session) DO UPDATE SET seeder = excluded.seeder, consumer = excluded.consumer`,
      ...[session, this.now(), seeder, consumer],
    )
    if (row !== undefined) this.#paid(consumer, row.settled_bytes)
    return this.#session(session)
  }

  #paid(consumer: string, bytes: number): void {
    if (bytes === 0 || consumer === this.pubKey) return
    const sql =
      'INSERT INTO consumers (pub_key, paid) VALUES (?, ?) ON CONFLICT DO UPDATE SET paid = min(paid + excluded.paid, 9007199254740991)'
    this.#run(sql, consumer, bytes)
  }

  #signed(seeder: string, bytes: number): void {
    this.#run(
      'INSERT INTO seeders (pub_key, signed) VALUES (?, ?) ON CONFLICT DO UPDATE SET signed = signed + excluded.signed',
      ...[seeder, bytes],
    )
    this.#run(
      'INSERT INTO signed_minutes (minute, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes',
      ...[Math.floor(this.now() / minuteMs), bytes],
    )
  }

  #prepare(sql: string): ReturnType<Database['prepare']> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #run(sql: string, ...values: readonly SqlValue[]): number {
    return this.#prepare(sql).run(...values).changes
  }

  #get<Row>(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.#attempt(() => this.#prepare(sql).get(...values) as Row | undefined)
  }

  #all<Row>(sql: string, ...values: readonly SqlValue[]): readonly Row[] {
    return this.#attempt(() => this.#prepare(sql).all(...values) as Row[])
  }

  /** One statement is atomic by itself. Errors of the library become `store-failed`. */
  #attempt<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw failed(error, this.path)
    }
  }

  #transaction<Result>(work: () => Result): Result {
    return this.#attempt(() => {
      this.#run('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.#run('COMMIT')
        return result
      } catch (error) {
        if (this.database.isTransaction) this.#run('ROLLBACK')
        throw error
      }
    })
  }
}

/** What SQLite threw, as `store-failed` with the file's name and what can be done. */
function failed(error: unknown, path: string): LighthouseError {
  const code = Number((error as { errcode?: number }).errcode) & 0xff
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

function openBook(library: SqliteLibrary, path: string, pubKey: string, nowMs: number): Database {
  try {
    if (path !== memoryPath) ensurePrivateFolder(dirname(path), 'store-failed')
    const database = openDatabase(library, path)
    try {
      prepareReceiptBook(database, pubKey, nowMs)
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
 * process. `:memory:` is a path too.
 *
 * All that a method was told when it returned survives the end of the process. A power cut may take what was told since
 * the log was synced last, every thousand pages or so; what is left is whole.
 *
 * @param now wall clock in milliseconds, for the days of `signedSince`.
 */
export function receiptBook$(path: string, pubKey: string, now: () => number = Date.now): Observable<ReceiptBook> {
  return defer(loadSqlite).pipe(
    concatMap(
      library =>
        new Observable<ReceiptBook>(subscriber => {
          const database = openBook(library, path, pubKey, now())
          subscriber.add(() => closeBook(database))
          subscriber.next(new SqliteReceiptBook(database, path, pubKey, now))
        }),
    ),
  )
}
