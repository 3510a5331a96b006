import type { MonoTypeOperatorFunction, Observable } from 'rxjs'
import type { LighthouseError } from '../../protocol/errors.js'
import type { FramedReceipt } from '../../protocol/mux/frame.js'
import type { SessionCredit } from '../mux/session.js'
import type { SessionEvent } from '../mux/session-reports.js'

/** An open connection, as far as its coins go. */
export interface PayableSession {
  readonly hubKey: string
  readonly session: string
  /** Public key of the other side. */
  readonly pubKey: string
}

/** How one session is paid for: the consumer signs receipts (`paying`), the seeder gives credit (`crediting`). */
export interface SessionPayment {
  /** Default: no limit. */
  readonly credit?: SessionCredit
  /** The reason why the connection ended, in the light of the coins. Default: as it is. */
  readonly explain?: (reason: LighthouseError) => LighthouseError
  /** Receipts for the other side. */
  readonly receipt$?: Observable<FramedReceipt>
  /**
   * Passes on what a session reports, and pays meanwhile. Errors with the reason why the connection ended, in the light of the
   * coins, or why it has to end.
   */
  readonly follow: MonoTypeOperatorFunction<SessionEvent>
}
