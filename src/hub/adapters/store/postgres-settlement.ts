import type { ClientBase } from 'pg'
import type { SignedReceipt } from '../../../protocol/coins/receipt.js'
import type { ChainState, LedgerLine } from '../../protocol/settlement/ledger.js'
import type { SettlementBasis, SettlementPlan } from '../../protocol/settlement/settlement.js'
import { selectSessions, type SessionRow, toRow, toSession } from './rows.js'

const blockColumns = [
  ['seq', 'bigint'],
  ['prev_hash', 'text'],
  ['time', 'bigint'],
  ['kind', 'text'],
  ['payer', 'text'],
  ['payee', 'text'],
  ['bytes', 'bigint'],
  ['receipt', 'text'],
  ['hash', 'text'],
] as const

/** Inserts blocks; takes one array a column, `$1` to `$9`, as `blockValues` makes them. */
export const insertBlocks = `
  INSERT INTO blocks (${blockColumns.map(([name]) => name).join(', ')})
  SELECT * FROM unnest(${blockColumns.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ')})`

export function blockValues(lines: readonly LedgerLine[]): readonly unknown[][] {
  const rows = lines.map(toRow)
  return blockColumns.map(([name]) => rows.map(row => row[name]))
}

/** Everything that a batch changes, in one statement. */
const writeBatch = `
  WITH appended AS (${insertBlocks}), settled AS (
    UPDATE sessions SET settled = moved.settled, last_seq = moved.seq, touched = greatest(touched, $10)
    FROM unnest($11::text[], $12::bigint[], $13::bigint[]) AS moved (session, settled, seq)
    WHERE sessions.session = moved.session
  )
  UPDATE wallets SET bytes = moved.bytes
  FROM unnest($14::text[], $15::bigint[]) AS moved (pub_key, bytes) WHERE wallets.pub_key = moved.pub_key`

/** What these receipts are judged by. The chain is locked already. Two statements, however many receipts. */
export async function readBasis(
  client: ClientBase,
  chain: ChainState,
  receipts: readonly SignedReceipt[],
): Promise<SettlementBasis> {
  const ids = [...new Set(receipts.map(({ session }) => session))]
  const sessions = await client.query<SessionRow>(`${selectSessions} WHERE s.session = ANY ($1)`, [ids])
  const keys = [...new Set(receipts.flatMap(({ consumer, seeder }) => [consumer, seeder]))]
  const wallets = await client.query<{ pub_key: string; bytes: number }>(
    'SELECT pub_key, bytes FROM wallets WHERE pub_key = ANY ($1)',
    [keys],
  )
  return {
    chain,
    sessions: new Map(sessions.rows.map(row => [row.session, toSession(row)])),
    wallets: new Map(wallets.rows.map(({ pub_key, bytes }) => [pub_key, bytes])),
  }
}

/** One statement, however many receipts; none when nothing moved. */
export async function writePlan(client: ClientBase, plan: SettlementPlan, timeMs: number): Promise<void> {
  if (plan.lines.length === 0) return
  const { sessions, wallets } = plan
  await client.query(writeBatch, [
    ...blockValues(plan.lines),
    timeMs,
    sessions.map(({ session }) => session),
    sessions.map(({ settledBytes }) => settledBytes),
    sessions.map(({ last }) => last?.seq ?? null),
    [...wallets.keys()],
    [...wallets.values()],
  ])
}
