import type { LedgerHead } from '../../protocol/signaling/signal.js'

/** What works now. `head` is null, too, while the database fails. */
export interface HealthReport {
  readonly database: 'ok' | 'failing'
  readonly bus: 'ok' | 'failing'
  readonly head: LedgerHead | null
}
