import type { SessionState } from '../../protocol/settlement/settlement.js'

/** A session as both databases show it: the table's columns and, where it is settled, the hash of its last block. */
export interface SessionRow {
  readonly session: string
  readonly consumer: string
  readonly seeder: string
  readonly answered: boolean | number
  readonly settled: number
  readonly seq: number | null
  readonly hash: string | null
}

/** Sessions with the block that settled last, for its hash. Ends where a condition can follow. */
export const selectSessions =
  'SELECT s.session, s.consumer, s.seeder, s.answered, s.settled, b.seq, b.hash ' +
  'FROM sessions s LEFT JOIN blocks b ON b.seq = s.last_seq'

export function toSession({ session, consumer, seeder, answered, settled, seq, hash }: SessionRow): SessionState {
  const last = seq === null || hash === null ? undefined : { seq, hash }
  return { session, consumer, seeder, isAnswered: Boolean(answered), settledBytes: settled, last }
}
