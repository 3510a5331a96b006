import type { ConsumerAccount, KeptSession, Moved, ReceiptStore, SessionKeys } from '../../../ports/receipts.js'
import { parseCoins } from '../../../protocol/coins/amount.js'
import type { Receipt, Settlement, SignedReceipt } from '../../../protocol/coins/receipt.js'
import type { LedgerHead } from '../../../protocol/signaling/signal.js'
import { type KeptRow, toReceipt, toKept, toSettlement } from './rows.js'
import type { SqliteConnection } from '../sqlite/connection.node.js'

/** Settlements that are read at a time: half a megabyte. */
const pageRows = 1_000
const minuteMs = 60_000
/** Numbers of blocks whose heads are kept for each hub. Peers that meet have seen heads of the same days. */
const keptHeads = 1_000

/** Sessions that are searched for debts: more than a busy peer begins while it is away from its hub. */
const newestSessions = 1_000

const noAccount: ConsumerAccount = { servedBytes: 0, paidBytes: 0, debtSinceMs: 0, balanceBytes: 0 }

/** What the index `sessions_due` holds. */
const due = 'bytes > settled_bytes AND bytes > given_up'

/** Not given up, or for a receipt below the highest, or the hub settled it after all. */
const alive = '(bytes > given_up OR settled_bytes >= given_up)'

/**
 * What a peer keeps in its tables (see `prepareReceiptStore`). Each method is one statement or one transaction; they throw
 * what `sql` throws.
 */
export class SqliteReceiptStore implements ReceiptStore {
  constructor(
    private readonly sql: SqliteConnection,
    private readonly pubKey: string,
    private readonly now: () => number,
  ) {}

  open(session: SessionKeys): void {
    this.sql.transaction(() => this.#known(session))
  }

  session(session: string): KeptSession | undefined {
    const row = this.#session(session)
    return row && toKept(row)
  }

  keep(receipt: SignedReceipt): void {
    const { hub_key, session, seeder, consumer, bytes, signature } = receipt
    if (seeder !== this.pubKey && consumer !== this.pubKey) return
    this.sql.transaction(() => {
      const row = this.#known({ session, seeder, consumer })
      if (row === undefined || bytes <= row.bytes) return
      this.sql.run(
        'UPDATE sessions SET hub_key = ?, bytes = ?, signature = ? WHERE id = ?',
        ...[hub_key, bytes, signature, row.id],
      )
      if (consumer === this.pubKey) this.#signed(seeder, bytes - row.bytes)
    })
  }

  settle(settlement: Settlement): Moved | undefined {
    const { session, bytes, coins, seq, hash, signature, consumer_coins } = settlement
    return this.sql.transaction(() => {
      const row = this.#session(session)
      if (row === undefined || bytes <= row.settled_bytes) return undefined
      const { seeder, consumer } = row
      const ahead = bytes - row.settled_bytes
      this.sql.run(
        'UPDATE sessions SET settled_bytes = ?, coins = ?, seq = ?, hash = ?, hub_signature = ? WHERE session = ?',
        ...[bytes, coins, seq, hash, signature, session],
      )
      this.#paid(consumer, ahead, parseCoins(consumer_coins ?? '') ?? 0)
      return { session, seeder, consumer, bytes: ahead }
    })
  }

  due(limit: number, before?: string): readonly SignedReceipt[] {
    const older = before === undefined ? '' : 'AND id < (SELECT id FROM sessions WHERE session = ?)'
    const sql = `SELECT * FROM sessions WHERE ${due} ${older} ORDER BY id DESC LIMIT ?`
    const values = before === undefined ? [limit] : [before, limit]
    return this.sql.all<KeptRow>(sql, ...values).flatMap(row => toReceipt(row) ?? [])
  }

  ofDebtors(): readonly KeptSession[] {
    // By the order of arrival, so that no number of sessions makes it slow.
    const sql = `SELECT newest.* FROM (SELECT * FROM sessions ORDER BY id DESC LIMIT ?) AS newest
      JOIN consumers ON pub_key = consumer WHERE seeder = ? AND ${alive} AND served > paid ORDER BY id DESC`
    return this.sql.all<KeptRow>(sql, newestSessions, this.pubKey).map(toKept)
  }

  unsettledBytes(consumer: string, hubKey: string): number {
    const sql = `SELECT coalesce(sum(bytes - max(settled_bytes, given_up)), 0) AS bytes FROM sessions WHERE ${due} AND consumer = ? AND hub_key = ?`
    return this.sql.get<{ bytes: number }>(sql, consumer, hubKey)!.bytes
  }

  owe({ hub_key, session, seeder, consumer, bytes }: Receipt): void {
    this.sql.transaction(() => {
      const row = this.#known({ session, seeder, consumer })
      if (row === undefined || bytes <= row.bytes) return
      this.sql.run('UPDATE sessions SET hub_key = ?, owed_bytes = ? WHERE id = ?', hub_key, bytes, row.id)
    })
  }

  owed(hubKey: string): readonly Receipt[] {
    const sql = `SELECT * FROM sessions WHERE owed_bytes > bytes AND ${alive} AND hub_key = ? ORDER BY id`
    return this.sql.all<KeptRow>(sql, hubKey).map(row => {
      const { hub_key, session, seeder, consumer, owed_bytes: bytes } = row
      return { hub_key, session, seeder, consumer, bytes }
    })
  }

  giveUp(session: string): void {
    this.sql.run('UPDATE sessions SET given_up = bytes WHERE session = ?', session)
  }

  account(consumer: string): ConsumerAccount {
    const sql = `SELECT served AS servedBytes, paid AS paidBytes, debt_since_ms AS debtSinceMs, balance AS balanceBytes
      FROM consumers WHERE pub_key = ?`
    return { ...(this.sql.get<ConsumerAccount>(sql, consumer) ?? noAccount) }
  }

  doubt(consumer: string): void {
    this.sql.run('UPDATE consumers SET balance = 0 WHERE pub_key = ?', consumer)
  }

  serve(consumer: string, servedBytes: number, debtSinceMs: number): void {
    this.sql.run(
      `INSERT INTO consumers (pub_key, served, debt_since_ms) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET served = excluded.served, debt_since_ms = excluded.debt_since_ms`,
      ...[consumer, servedBytes, debtSinceMs],
    )
  }

  signedSince(sinceMs: number): number {
    const sql = 'SELECT coalesce(sum(bytes), 0) AS bytes FROM signed_minutes WHERE minute >= ?'
    return this.sql.get<{ bytes: number }>(sql, Math.floor(sinceMs / minuteMs))!.bytes
  }

  signedFor(seeder: string): number {
    return this.sql.get<{ signed: number }>('SELECT signed FROM seeders WHERE pub_key = ?', seeder)?.signed ?? 0
  }

  *settlements(): Iterable<Settlement & { readonly receipt: SignedReceipt | undefined }> {
    for (const row of this.#settled()) yield { ...toSettlement(row)!, receipt: toReceipt(row) }
  }

  settlementsAt(seq: number): readonly Settlement[] {
    const sql = 'SELECT * FROM sessions WHERE settled_bytes > 0 AND seq = ? ORDER BY id'
    return this.sql.all<KeptRow>(sql, seq).map(row => toSettlement(row)!)
  }

  newestSettlement(hubKey: string): Settlement | undefined {
    const sql =
      'SELECT * FROM sessions WHERE settled_bytes > 0 AND coalesce(hub_key, ?1) = ?1 ORDER BY seq DESC, id DESC LIMIT 1'
    const row = this.sql.get<KeptRow>(sql, hubKey)
    return row && toSettlement(row)
  }

  keepHead(hubKey: string, head: LedgerHead): void {
    this.sql.transaction(() => {
      if (this.headsAt(hubKey, head.seq).length >= 2) return
      const added = this.sql.run(
        'INSERT INTO heads (hub_key, seq, hash, signature) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
        ...[hubKey, head.seq, head.hash, head.signature],
      )
      if (added === 0) return
      this.sql.run(
        `DELETE FROM heads WHERE hub_key = ?1 AND seq <=
          (SELECT DISTINCT seq FROM heads WHERE hub_key = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
        hubKey,
        keptHeads,
      )
    })
  }

  headsAt(hubKey: string, seq: number): readonly LedgerHead[] {
    return this.sql
      .all<LedgerHead>(
        'SELECT seq, hash, signature FROM heads WHERE hub_key = ? AND seq = ? ORDER BY hash',
        hubKey,
        seq,
      )
      .map(head => ({ ...head }))
  }

  newestHead(hubKey: string, before = Infinity): LedgerHead | undefined {
    const sql = 'SELECT seq, hash, signature FROM heads WHERE hub_key = ? AND seq < ? ORDER BY seq DESC, hash LIMIT 1'
    const head = this.sql.get<LedgerHead>(sql, hubKey, before)
    return head && { ...head }
  }

  /** By pages, so that the store can be written to while somebody reads it. */
  *#settled(): Iterable<KeptRow> {
    let after: Pick<KeptRow, 'seq' | 'id'> | undefined = { seq: -1, id: 0 }
    while (after !== undefined) {
      const rows: readonly KeptRow[] = this.sql.all<KeptRow>(
        'SELECT * FROM sessions WHERE settled_bytes > 0 AND (seq, id) > (?, ?) ORDER BY seq, id LIMIT ?',
        ...[after.seq, after.id, pageRows],
      )
      yield* rows
      after = rows.length < pageRows ? undefined : rows.at(-1)
    }
  }

  #session(session: string): KeptRow | undefined {
    return this.sql.get<KeptRow>('SELECT * FROM sessions WHERE session = ?', session)
  }

  /** The session with these parties, as it is or new. Undefined when it has others. */
  #known({ session, seeder, consumer }: SessionKeys): KeptRow | undefined {
    const row = this.#session(session)
    if (row !== undefined) return row.seeder === seeder && row.consumer === consumer ? row : undefined
    this.sql.run(
      'INSERT INTO sessions (session, began_ms, seeder, consumer) VALUES (?, ?, ?, ?)',
      ...[session, this.now(), seeder, consumer],
    )
    return this.#session(session)
  }

  #paid(consumer: string, bytes: number, balanceBytes: number): void {
    if (consumer === this.pubKey) return
    const sql = `INSERT INTO consumers (pub_key, paid, balance) VALUES (?, ?, ?) ON CONFLICT DO
      UPDATE SET paid = min(paid + excluded.paid, 9007199254740991), balance = excluded.balance`
    this.sql.run(sql, consumer, bytes, balanceBytes)
  }

  #signed(seeder: string, bytes: number): void {
    this.sql.run(
      'INSERT INTO seeders (pub_key, signed) VALUES (?, ?) ON CONFLICT DO UPDATE SET signed = signed + excluded.signed',
      ...[seeder, bytes],
    )
    this.sql.run(
      'INSERT INTO signed_minutes (minute, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes',
      ...[Math.floor(this.now() / minuteMs), bytes],
    )
  }
}
