import {
  catchError,
  defer,
  firstValueFrom,
  forkJoin,
  from,
  map,
  type Observable,
  of,
  type SchedulerLike,
  timeout,
} from 'rxjs'
import type { LedgerHead } from '../../../protocol/signaling/signal.js'
import type { HubBus } from '../../ports/bus.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubStore } from '../../ports/store.js'

/** Whoever watches the hub gets the truth within two seconds, also when something hangs. */
const checkTimeoutMs = 1_500

/** What works now. `head` is null, too, while the database fails. */
export interface HealthReport {
  readonly database: 'ok' | 'failing'
  readonly bus: 'ok' | 'failing'
  readonly head: LedgerHead | null
}

/** What is looked at. */
export interface HealthParts {
  readonly store: Pick<HubStore, 'check'>
  readonly bus: Pick<HubBus, 'check'>
  /** The ledger's head, signed. */
  readonly head: () => Promise<LedgerHead | null>
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
}

/** Those who ask while the answer is on its way share it: what hangs is asked once, not once for everybody who looks. */
function shared<Value>(ask: () => Promise<Value>): () => Promise<Value> {
  let asking: Promise<Value> | undefined
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined
    })
    return asking
  }
}

/** Says whether database and bus work. Each answer comes within 1.5 s and never rejects. */
export function healthCheck({ store, bus, head, scheduler, logger }: HealthParts): () => Promise<HealthReport> {
  const look = <Value>(
    what: string,
    ask: () => Promise<Value>,
  ): (() => Observable<{ readonly value: Value } | undefined>) => {
    const once = shared(ask)
    return () =>
      defer(() => from(once())).pipe(
        timeout({ first: checkTimeoutMs, scheduler }),
        map(value => ({ value })),
        catchError((error: unknown) => {
          logger.error({ err: error }, `the ${what} fails`)
          return of(undefined)
        }),
      )
  }
  const database$ = look('database', async () => {
    await store.check()
    return head()
  })
  const bus$ = look('bus', () => bus.check())
  return () =>
    firstValueFrom(
      forkJoin({ database: database$(), bus: bus$() }).pipe(
        map(found => ({
          database: found.database === undefined ? 'failing' : 'ok',
          bus: found.bus === undefined ? 'failing' : 'ok',
          head: found.database?.value ?? null,
        })),
      ),
    )
}
