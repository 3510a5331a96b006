import { type MonoTypeOperatorFunction, takeUntil, tap } from 'rxjs'
import { CommandFailure } from './failure.js'
import type { Io } from './io.js'

export const interrupted = (): CommandFailure => new CommandFailure('interrupted', 'interrupted before the end')

/** Errors with `interrupted` when the process is asked to end. */
export function failOnInterrupt<T>({ interrupt$ }: Pick<Io, 'interrupt$'>): MonoTypeOperatorFunction<T> {
  return takeUntil(
    interrupt$.pipe(
      tap(() => {
        throw interrupted()
      }),
    ),
  )
}
