import { map, type Observable } from 'rxjs'
import { SqliteConnection } from '../../../adapters/store/sqlite/connection.node.js'
import { database$ } from '../../../adapters/store/sqlite/file.node.js'
import type { Database } from '../../../adapters/store/sqlite/library.node.js'
import type { SignedReceipt } from '../../../protocol/coins/receipt.js'
import {
  type BlockHash,
  type ChainState,
  emptyChain,
  grantBlock,
  type LedgerLine,
} from '../../protocol/settlement/ledger.js'
import { planSettlement, type SessionParties, type SettleResult } from '../../protocol/settlement/settlement.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubStore, KeyPair, RegistrationResult } from '../../ports/store.js'
import { type BlockRow, selectSessions, type SessionRow, toLine, toRow, toSession } from './rows.js'
import { closeStoreFile, openStoreFile, storeFailed } from './sqlite-file.js'

/**
 * Pages that a transaction writes at most: some for the file's own and for trees that grow, and for each registration or
 * receipt one of `blocks`, one of `sessions` and one of its index, two of `wallets`.
 */
const probePages = { base: 16, perWrite: 5 } as const

/** SQLite's default. */
const pageBytes = 4_096

function probeBytes(writes: number): number {
  return (probePages.base + probePages.perWrite * writes) * pageBytes
}

class SqliteStore implements HubStore {
  /** The newest block, kept while nothing failed: the lock is exclusive, so nobody else can append. */
  #chain: ChainState | undefined

  constructor(
    private readonly sql: SqliteConnection,
    private readonly hash: BlockHash,
  ) {}

  async keyPair(generate: () => KeyPair): Promise<KeyPair> {
    return this.sql.transaction(() => {
      const kept = this.sql.get<{ pub_key: string; priv_key: string }>('SELECT pub_key, priv_key FROM hub WHERE id = 1')
      if (kept !== undefined) return { pubKey: kept.pub_key, privKey: kept.priv_key }
      const { pubKey, privKey } = generate()
      this.sql.run('INSERT INTO hub (id, pub_key, priv_key) VALUES (1, ?, ?)', pubKey, privKey)
      return { pubKey, privKey }
    })
  }

  async register(request: Parameters<HubStore['register']>[0]): Promise<RegistrationResult> {
    const { nickname, pubKey, signature, grantBytes, timeMs, inviteHash } = request
    return this.#append((chain): RegistrationResult => {
      const owner = this.#nameOwner(nickname)
      const hasKey = this.#walletBytes(pubKey) !== undefined
      if (owner === pubKey) return { type: 'taken', what: 'both' }
      if (owner !== undefined || hasKey) return { type: 'taken', what: hasKey ? 'key' : 'nickname' }
      this.sql.run('INSERT INTO wallets (pub_key, bytes) VALUES (?, ?)', pubKey, grantBytes)
      const used = 'UPDATE invites SET used = ?, used_by = ? WHERE code_hash = ? AND used IS NULL'
      if (inviteHash !== undefined && this.sql.run(used, timeMs, pubKey, inviteHash) === 0) {
        this.sql.run('DELETE FROM wallets WHERE pub_key = ?', pubKey)
        return { type: 'refused', what: 'invite' }
      }
      const block = grantBlock(chain, { to: pubKey, bytes: grantBytes, time: timeMs })
      const line: LedgerLine = { ...block, hash: this.hash(block) }
      this.sql.run('INSERT INTO names (nickname, pub_key, signature) VALUES (?, ?, ?)', nickname, pubKey, signature)
      this.#insert(line)
      return { type: 'registered', line }
    })
  }

  async resolve(nickname: string): Promise<string | undefined> {
    return this.#nameOwner(nickname)
  }

  async balance(pubKey: string): Promise<number | undefined> {
    return this.#walletBytes(pubKey)
  }

  async head(): Promise<ChainState | undefined> {
    return this.#newestBlock()
  }

  async blocksAfter(seq: number, limit: number): Promise<readonly LedgerLine[]> {
    const query = 'SELECT * FROM blocks WHERE seq > ? ORDER BY seq LIMIT ?'
    return this.sql.attempt(() => this.sql.all<BlockRow>(query, seq, limit).map(toLine))
  }

  async recordOffer({ session, consumer, seeder, timeMs }: SessionParties & { timeMs: number }): Promise<boolean> {
    const upsert =
      'INSERT INTO sessions (session, consumer, seeder, touched) VALUES (?, ?, ?, ?) ON CONFLICT (session) DO UPDATE ' +
      'SET touched = max(touched, excluded.touched) WHERE consumer = excluded.consumer AND seeder = excluded.seeder'
    return this.sql.transaction(() => this.sql.run(upsert, session, consumer, seeder, timeMs) > 0)
  }

  async recordAnswer({ session, consumer, seeder, timeMs }: SessionParties & { timeMs: number }): Promise<boolean> {
    const update =
      'UPDATE sessions SET answered = 1, touched = max(touched, ?) WHERE session = ? AND consumer = ? AND seeder = ?'
    return this.sql.transaction(() => this.sql.run(update, timeMs, session, consumer, seeder) > 0)
  }

  async settle(receipts: readonly SignedReceipt[], timeMs: number): Promise<readonly SettleResult[]> {
    return this.#append(chain => {
      const rows = [...new Set(receipts.map(({ session }) => session))]
        .map(session => this.sql.get<SessionRow>(`${selectSessions} WHERE s.session = ?`, session))
        .filter(row => row !== undefined)
      const sessions = new Map(rows.map(row => [row.session, toSession(row)]))
      const keys = new Set(rows.flatMap(({ consumer, seeder }) => [consumer, seeder]))
      const wallets = new Map<string, number>()
      for (const key of keys) {
        const bytes = this.#walletBytes(key)
        if (bytes !== undefined) wallets.set(key, bytes)
      }
      const plan = planSettlement({ chain, sessions, wallets }, receipts, timeMs, this.hash)
      for (const line of plan.lines) this.#insert(line)
      for (const { session, settledBytes, last } of plan.sessions) {
        const update = 'UPDATE sessions SET settled = ?, last_seq = ?, touched = max(touched, ?) WHERE session = ?'
        this.sql.run(update, settledBytes, last?.seq ?? null, timeMs, session)
      }
      for (const [key, bytes] of plan.wallets)
        this.sql.run('UPDATE wallets SET bytes = ? WHERE pub_key = ?', bytes, key)
      return plan.results
    })
  }

  async pruneSessions(beforeMs: number, unansweredBeforeMs = beforeMs, limit = -1): Promise<number> {
    const old = 'SELECT session FROM sessions WHERE settled = 0 AND touched < ? AND (answered = 0 OR touched < ?)'
    const remove = `DELETE FROM sessions WHERE session IN (${old} LIMIT ?)`
    return this.sql.transaction(() => this.sql.run(remove, Math.max(beforeMs, unansweredBeforeMs), beforeMs, limit))
  }

  async addInvite({ codeHash, timeMs }: { codeHash: string; timeMs: number }): Promise<void> {
    const insert = 'INSERT INTO invites (code_hash, made) VALUES (?, ?) ON CONFLICT DO NOTHING'
    this.sql.transaction(() => this.sql.run(insert, codeHash, timeMs))
  }

  async openInvites(): Promise<number> {
    const query = 'SELECT count(*) AS count FROM invites WHERE used IS NULL'
    return this.sql.get<{ count: number }>(query)?.count ?? 0
  }

  async check(): Promise<void> {
    // Takes the right to write, and writes nothing: no sync for whoever likes to ask.
    this.sql.run('BEGIN IMMEDIATE')
    try {
      this.#newestBlock()
    } finally {
      this.sql.run('ROLLBACK')
    }
  }

  async probe(writes: number): Promise<void> {
    // Random, since a page that does not change is not written.
    const write = 'INSERT OR REPLACE INTO probe (id, padding) VALUES (1, randomblob(?))'
    this.sql.transaction(() => this.sql.run(write, probeBytes(writes)))
  }

  #nameOwner(nickname: string): string | undefined {
    return this.sql.get<{ pub_key: string }>('SELECT pub_key FROM names WHERE nickname = ?', nickname)?.pub_key
  }

  #walletBytes(pubKey: string): number | undefined {
    return this.sql.get<{ bytes: number }>('SELECT bytes FROM wallets WHERE pub_key = ?', pubKey)?.bytes
  }

  #newestBlock(): ChainState | undefined {
    const row = this.sql.get<ChainState>('SELECT seq, hash FROM blocks ORDER BY seq DESC LIMIT 1')
    return row === undefined ? undefined : { seq: row.seq, hash: row.hash }
  }

  /** A transaction that may append blocks. What is remembered of the chain is forgotten when it fails. */
  #append<Result>(work: (chain: ChainState) => Result): Result {
    try {
      return this.sql.transaction(() => work((this.#chain ??= this.#newestBlock() ?? emptyChain)))
    } catch (error) {
      // At once, before another transaction can begin.
      this.#chain = undefined
      throw error
    }
  }

  #insert(line: LedgerLine): void {
    const { seq, prev_hash, time, kind, payer, payee, bytes, receipt, hash } = toRow(line)
    this.sql.run(
      'INSERT INTO blocks (seq, prev_hash, time, kind, payer, payee, bytes, receipt, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[seq, prev_hash, time, kind, payer, payee, bytes, receipt, hash],
    )
    this.#chain = { seq, hash }
  }
}

/**
 * Opens a database file, or `:memory:`, on subscription; emits the store and never completes; unsubscribing closes the
 * file. Errors with `store-failed`. A failure to close is logged: every commit is on the disk already. One connection
 * with the exclusive lock: a second hub on the same file is refused.
 */
export function sqliteStore$(path: string, hash: BlockHash, logger: Pick<HubLogger, 'warn'>): Observable<HubStore> {
  const close = (database: Database): void => {
    try {
      closeStoreFile(database)
    } catch (error) {
      // Nothing acknowledged is lost, and an unsubscription has nobody to throw to.
      logger.warn({ err: error }, 'the database could not be closed cleanly')
    }
  }
  return database$(library => openStoreFile(library, path), close).pipe(
    map(database => new SqliteStore(new SqliteConnection(database, error => storeFailed(error)), hash)),
  )
}
