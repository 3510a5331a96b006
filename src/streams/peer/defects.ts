import { catchError, EMPTY, map, type MonoTypeOperatorFunction, type Observable, Subject, throwError } from 'rxjs'
import { isLighthouseError, type LighthouseError, toInternalError } from '../../protocol/errors.js'

/** Mistakes in this program, found while it runs: each is reported, and costs only what it happened in. */
export interface Defects {
  /** Hot. */
  readonly report$: Observable<{ readonly type: 'defect'; readonly reason: LighthouseError }>
  /** Errors with `internal` in place of a defect, which is reported. For what somebody waits for. */
  readonly reported: <T>() => MonoTypeOperatorFunction<T>
  /** Completes where a defect ends the source, which is reported. For a part that the others do without. */
  readonly contained: <T>() => MonoTypeOperatorFunction<T>
}

export function createDefects(): Defects {
  const defect$ = new Subject<LighthouseError>()
  const known = (error: unknown): LighthouseError => {
    const reason = toInternalError(error)
    if (reason !== error) defect$.next(reason)
    return reason
  }
  return {
    report$: defect$.pipe(map(reason => ({ type: 'defect', reason }))),
    reported: () => catchError((error: unknown) => throwError(() => known(error))),
    contained: () =>
      catchError((error: unknown) => {
        if (isLighthouseError(error)) throw error
        known(error)
        return EMPTY
      }),
  }
}
