import { catchError, defer, map, type Observable, of, type SchedulerLike, timeout } from 'rxjs'
import type { MonotonicClock } from '../../ports.js'
import { type Check, failing, type Diagnosis } from '../../protocol/doctor/check.js'
import { toInternalError } from '../../protocol/errors.js'

/** Makes checks of verdicts. */
export interface Checks {
  /** One check, with the time that it took: a failure where no verdict comes in so many milliseconds, or where it errors. */
  check$(name: string, limitMs: number, verdict$: () => Observable<Diagnosis>): Observable<Check>
  /** One whose verdict is known already, with its time if it has one. */
  known(name: string, verdict: Diagnosis, ms?: number): Check
}

export function createChecks(clock: MonotonicClock, scheduler: SchedulerLike): Checks {
  const late = (ms: number): Diagnosis =>
    failing(`no answer within ${Math.floor(ms / 1000)} s`, 'Try again. If it happens again, restart this machine.')
  return {
    known: (name, verdict, ms = 0) => ({ name, ...verdict, ms }),
    check$: (name, limitMs, verdict$) =>
      defer(() => {
        const startMs = clock.now()
        return defer(verdict$).pipe(
          timeout({ first: limitMs, scheduler, with: () => of(late(limitMs)) }),
          catchError((error: unknown) => {
            const { message, code } = toInternalError(error)
            return of(failing(message.replace(/\.$/, ''), 'Try again.', code))
          }),
          map(verdict => ({ name, ...verdict, ms: Math.round(clock.now() - startMs) })),
        )
      }),
  }
}
