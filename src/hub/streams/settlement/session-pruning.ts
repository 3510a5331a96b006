import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  expand,
  ignoreElements,
  type Observable,
  reduce,
  repeat,
  type SchedulerLike,
  tap,
  timer,
} from 'rxjs'
import type { HubLogger } from '../../ports/logger.js'
import type { HubStore } from '../../ports/store.js'

const dayMs = 86_400_000

/** A first receipt that was not handed in for so long is lost: longer than a holiday. */
const forgetAfterMs = 90 * dayMs

/** An answer comes within 20 s or not at all; who makes offers for fun leaves no more than a day of them. */
const forgetUnansweredAfterMs = dayMs

/** Sessions forgotten at once: some 25 ms on SQLite, during which a hub does nothing else. */
const stepSessions = 500

/** Between two steps everything else has its turn: pruning takes a fifth of the time at most, and a minute for 300,000. */
const pauseMs = 100

/** What pruning needs of its hub. */
export interface PruningParts {
  readonly store: Pick<HubStore, 'pruneSessions'>
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
}

/**
 * Forgets sessions of which nothing was settled and nothing heard for 90 days, or for one when they were not answered, at
 * once and then every day, in steps with a pause after each.
 * Never emits, completes or errors: a failure is logged, and tomorrow is another day.
 */
export function pruneSessions$({ store, scheduler, logger }: PruningParts): Observable<never> {
  return defer(() => {
    const now = scheduler.now()
    const step$ = defer(() => store.pruneSessions(now - forgetAfterMs, now - forgetUnansweredAfterMs, stepSessions))
    const next$ = timer(pauseMs, scheduler).pipe(concatMap(() => step$))
    return step$.pipe(expand(sessions => (sessions < stepSessions ? EMPTY : next$)))
  }).pipe(
    reduce((sum, sessions) => sum + sessions, 0),
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
