import type { Observable } from 'rxjs'
import type { LighthouseError } from '../../protocol/errors.js'
import type { FramedReceipt } from '../../protocol/mux/frame.js'
import type { SessionCredit } from '../mux/session.js'
import type { SessionEvent } from '../mux/session-reports.js'

/** What the bytes of one session mean in coins: the consumer pays (`paying`), the seeder gives credit (`crediting`). */
export interface SessionAccount {
  /** Default: no limit. */
  readonly credit?: SessionCredit
  /** Receipts for the other side. */
  readonly receipt$?: Observable<FramedReceipt>
  /** Runs beside the session as long as that does. Never emits; errors when the connection has to end. */
  follow$(event$: Observable<SessionEvent>): Observable<never>
  /** The reason why the connection ended, in the light of the coins. */
  reason(error: LighthouseError): LighthouseError
}
