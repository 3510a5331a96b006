import type { ClientBase, QueryResult } from 'pg'
import { concat, concatMap, defer, NEVER, type Observable, of, using } from 'rxjs'
import { LighthouseError } from '../../../protocol/errors.js'
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
import { type BlockRow, toLine } from './rows.js'
import { PostgresConnections } from './postgres-connections.js'
import { lockChain, migratePostgres } from './postgres-schema.js'
import { blockValues, insertBlocks, readBasis, writePlan } from './postgres-settlement.js'

const newestBlock = 'SELECT seq, hash FROM blocks ORDER BY seq DESC LIMIT 1'

/** Wallet, name, block and the used invite, if any (`$13` null otherwise), in one statement. */
const insertRegistration = `
  WITH wallet AS (INSERT INTO wallets (pub_key, bytes) VALUES ($10, $11)),
    name AS (INSERT INTO names (nickname, pub_key, signature) VALUES ($12, $10, $15)),
    invite AS (UPDATE invites SET used = $14, used_by = $10 WHERE code_hash = $13)
  ${insertBlocks}`

/** Rows of 1 KB, which are not compressed: what a transaction adds to its tables and their indexes, generously. */
const writeProbe = "INSERT INTO probe (padding) SELECT repeat('x', 1000) FROM generate_series(1, $1::integer)"
const probeRows = { base: 64, perWrite: 4 } as const

interface RegistrationState {
  readonly owner: string | null
  readonly has_key: boolean
  readonly is_invited: boolean
}

class PostgresStore implements HubStore {
  constructor(
    private readonly connections: PostgresConnections,
    private readonly hash: BlockHash,
  ) {}

  keyPair(generate: () => KeyPair): Promise<KeyPair> {
    return this.connections.transaction(async client => {
      const kept = async (): Promise<KeyPair | undefined> => {
        const { rows } = await client.query<{ pub_key: string; priv_key: string }>('SELECT pub_key, priv_key FROM hub')
        return rows[0] && { pubKey: rows[0].pub_key, privKey: rows[0].priv_key }
      }
      const known = await kept()
      if (known !== undefined) return known
      const generated = generate()
      // Waits for a process that does the same, and keeps its pair.
      const insert = 'INSERT INTO hub (id, pub_key, priv_key) VALUES (1, $1, $2) ON CONFLICT DO NOTHING'
      await client.query(insert, [generated.pubKey, generated.privKey])
      return (await kept()) ?? generated
    })
  }

  register(request: Parameters<HubStore['register']>[0]): Promise<RegistrationResult> {
    const { nickname, pubKey, signature, grantBytes, timeMs, inviteHash = null } = request
    return this.#append(async (client, chain): Promise<RegistrationResult> => {
      const { rows } = await client.query<RegistrationState>(
        `SELECT (SELECT pub_key FROM names WHERE nickname = $1) AS owner,
          EXISTS (SELECT FROM wallets WHERE pub_key = $2) AS has_key,
          $3::text IS NULL OR EXISTS (SELECT FROM invites WHERE code_hash = $3 AND used IS NULL) AS is_invited`,
        [nickname, pubKey, inviteHash],
      )
      const state = rows[0]
      if (state?.owner === pubKey) return { type: 'taken', what: 'both' }
      if (state?.has_key) return { type: 'taken', what: 'key' }
      if (state?.owner !== null) return { type: 'taken', what: 'nickname' }
      if (!state.is_invited) return { type: 'refused', what: 'invite' }
      const block = grantBlock(chain, { to: pubKey, bytes: grantBytes, time: timeMs })
      const line: LedgerLine = { ...block, hash: this.hash(block) }
      const values = [...blockValues([line]), pubKey, grantBytes, nickname, inviteHash, timeMs, signature]
      await client.query(insertRegistration, values)
      return { type: 'registered', line }
    })
  }

  async resolve(nickname: string): Promise<string | undefined> {
    const query = 'SELECT pub_key FROM names WHERE nickname = $1'
    const [row] = await this.connections.query<{ pub_key: string }>(query, [nickname])
    return row?.pub_key
  }

  async balance(pubKey: string): Promise<number | undefined> {
    const query = 'SELECT bytes FROM wallets WHERE pub_key = $1'
    const [row] = await this.connections.query<{ bytes: number }>(query, [pubKey])
    return row?.bytes
  }

  async head(): Promise<ChainState | undefined> {
    const [row] = await this.connections.query<ChainState & object>(newestBlock)
    return row
  }

  async blocksAfter(seq: number, limit: number): Promise<readonly LedgerLine[]> {
    const query = 'SELECT * FROM blocks WHERE seq > $1 ORDER BY seq LIMIT $2'
    return (await this.connections.query<BlockRow & object>(query, [seq, limit])).map(toLine)
  }

  async recordOffer({ session, consumer, seeder, timeMs }: SessionParties & { timeMs: number }): Promise<boolean> {
    const upsert = `INSERT INTO sessions (session, consumer, seeder, touched) VALUES ($1, $2, $3, $4)
      ON CONFLICT (session) DO UPDATE SET touched = greatest(sessions.touched, excluded.touched)
      WHERE sessions.consumer = excluded.consumer AND sessions.seeder = excluded.seeder RETURNING session`
    return (await this.connections.query(upsert, [session, consumer, seeder, timeMs])).length > 0
  }

  async recordAnswer({ session, consumer, seeder, timeMs }: SessionParties & { timeMs: number }): Promise<boolean> {
    const update = `UPDATE sessions SET answered = true, touched = greatest(touched, $4)
      WHERE session = $1 AND consumer = $2 AND seeder = $3 RETURNING session`
    return (await this.connections.query(update, [session, consumer, seeder, timeMs])).length > 0
  }

  settle(receipts: readonly SignedReceipt[], timeMs: number): Promise<readonly SettleResult[]> {
    return this.#append(async (client, chain) => {
      const plan = planSettlement(await readBasis(client, chain, receipts), receipts, timeMs, this.hash)
      await writePlan(client, plan, timeMs)
      return plan.results
    })
  }

  pruneSessions(beforeMs: number, unansweredBeforeMs = beforeMs, limit: number | null = null): Promise<number> {
    const old = 'SELECT session FROM sessions WHERE settled = 0 AND touched < $1 AND (NOT answered OR touched < $2)'
    const remove = `DELETE FROM sessions WHERE session IN (${old} LIMIT $3)`
    const values = [Math.max(beforeMs, unansweredBeforeMs), beforeMs, limit]
    // Not between a settlement's look at a session and its write, which would find nothing to write to.
    return this.#append(async client => (await client.query(remove, values)).rowCount ?? 0)
  }

  async addInvite({ codeHash, timeMs }: { codeHash: string; timeMs: number }): Promise<void> {
    const insert = 'INSERT INTO invites (code_hash, made) VALUES ($1, $2) ON CONFLICT DO NOTHING'
    await this.connections.query(insert, [codeHash, timeMs])
  }

  async openInvites(): Promise<number> {
    const query = 'SELECT count(*) AS count FROM invites WHERE used IS NULL'
    const [row] = await this.connections.query<{ count: number }>(query)
    return row?.count ?? 0
  }

  async check(): Promise<void> {
    const query = `SELECT current_setting('transaction_read_only') AS read_only, (SELECT max(seq) FROM blocks) AS seq`
    const [row] = await this.connections.quickQuery<{ read_only: string }>(query)
    if (row?.read_only === 'off') return
    throw new LighthouseError('store-failed', 'The PostgreSQL database can be read and not written.')
  }

  async probe(writes: number): Promise<void> {
    // With the chain, as registrations and settlements: a lock that is held elsewhere shows.
    await this.#append(async client => {
      // Into a new file, since there may be room in the one that is there.
      await client.query('TRUNCATE probe')
      await client.query(writeProbe, [probeRows.base + probeRows.perWrite * writes])
    })
  }

  /** A transaction with the chain to itself, across all processes; it is released with the commit. */
  #append<Result>(work: (client: ClientBase, chain: ChainState) => Promise<Result>): Promise<Result> {
    return this.connections.transaction(async client => {
      // Two statements in one message: the second sees what was committed while the first waited.
      const text = `${lockChain}; ${newestBlock}`
      const [, newest] = (await client.query(text)) as unknown as readonly QueryResult<ChainState & object>[]
      return work(client, newest?.rows[0] ?? emptyChain)
    })
  }
}

async function prepare(connections: PostgresConnections, logger: Pick<HubLogger, 'warn'>): Promise<void> {
  await connections.transaction(migratePostgres)
  const [row] = await connections.query<{ fsync: string }>('SHOW fsync')
  if (row?.fsync === 'off') logger.warn({}, 'the database runs with fsync=off: a crash can lose what was acknowledged')
}

/**
 * Opens a PostgreSQL database, `postgres://user:password@host:port/name`, on subscription; brings its schema to this
 * version, emits the store and never completes; unsubscribing closes the connections once their statements have ended.
 *
 * Errors with `store-failed` when the database cannot be reached or is of a newer version. Later failures are those of the
 * calls: the store works again by itself when the database does. Any number of processes may use one database.
 */
export function postgresStore$(url: string, hash: BlockHash, logger: Pick<HubLogger, 'warn'>): Observable<HubStore> {
  const open = () => {
    const connections = new PostgresConnections(url, logger)
    const closed = (err: unknown): void => logger.warn({ err }, 'the database could not be closed cleanly')
    return { connections, unsubscribe: () => void connections.close().catch(closed) }
  }
  return using(open, resource => {
    const { connections } = resource as ReturnType<typeof open>
    return defer(() => prepare(connections, logger)).pipe(
      concatMap(() => concat(of(new PostgresStore(connections, hash)), NEVER)),
    )
  })
}
