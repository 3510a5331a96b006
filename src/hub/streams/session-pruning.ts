import { catchError, defer, EMPTY, ignoreElements, type Observable, repeat, type SchedulerLike, tap, timer } from 'rxjs'
import type { HubLogger, HubStore } from '../ports.js'

const dayMs = 86_400_000

/** A first receipt that was not handed in for so long is lost: longer than a holiday. */
const forgetAfterMs = 90 * dayMs

/** An answer comes within 20 s or not at all; who makes offers for fun leaves no more than a day of them. */
const forgetUnansweredAfterMs = dayMs

/** What pruning needs of its hub. */
export interface PruningParts {
  readonly store: Pick<HubStore, 'pruneSessions'>
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
}

/**
 * Forgets sessions of which nothing was settled and nothing heard for 90 days, or for one when they were not answered, at
 * once and then every day. Never emits, completes or errors: a failure is logged, and tomorrow is another day.
 */
export function pruneSessions$({ store, scheduler, logger }: PruningParts): Observable<never> {
  return defer(() => {
    const now = scheduler.now()
    return store.pruneSessions(now - forgetAfterMs, now - forgetUnansweredAfterMs)
  }).pipe(
    tap(sessions => {
      if (sessions > 0) logger.info({ sessions }, 'old sessions were forgotten')
    }),
    catchError((error: unknown) => {
      logger.error({ err: error }, 'old sessions could not be forgotten')
      return EMPTY
    }),
    ignoreElements(),
    repeat({ delay: () => timer(dayMs, scheduler) }),
  )
}
