import {
  catchError,
  defer,
  firstValueFrom,
  forkJoin,
  map,
  type Observable,
  of,
  share,
  type SchedulerLike,
  timeout,
} from 'rxjs'
import type { LedgerHead } from '../../../protocol/signaling/signal.js'
import type { HealthReport } from '../../ports/health.js'
import type { HubBus } from '../../ports/bus.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubStore } from '../../ports/store.js'

/** Whoever watches the hub gets the truth within two seconds, also when something hangs. */
const checkTimeoutMs = 1_500

/** What is looked at. */
export interface HealthParts {
  readonly store: Pick<HubStore, 'check'>
  readonly bus: Pick<HubBus, 'check'>
  /** The ledger's head, signed. */
  readonly head: () => Promise<LedgerHead | null>
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
}

/** Says whether database and bus work. Each answer comes within 1.5 s and never rejects. */
export function healthCheck({ store, bus, head, scheduler, logger }: HealthParts): () => Promise<HealthReport> {
  const look = <Value>(what: string, ask: () => Promise<Value>): Observable<{ readonly value: Value } | undefined> =>
    defer(ask).pipe(
      // Those who ask while the answer is on its way share it: what hangs is asked once, not once for everybody who looks.
      share({ resetOnRefCountZero: false }),
      timeout({ first: checkTimeoutMs, scheduler }),
      map(value => ({ value })),
      catchError((error: unknown) => {
        logger.error({ err: error }, `the ${what} fails`)
        return of(undefined)
      }),
    )
  const database$ = look('database', async () => {
    await store.check()
    return head()
  })
  const bus$ = look('bus', () => bus.check())
  const report$ = forkJoin({ database: database$, bus: bus$ }).pipe(
    map(({ database, bus: reached }): HealthReport => ({
      database: database === undefined ? 'failing' : 'ok',
      bus: reached === undefined ? 'failing' : 'ok',
      head: database?.value ?? null,
    })),
  )
  return () => firstValueFrom(report$)
}
