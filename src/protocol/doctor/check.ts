/** One thing that `doctor` looked at, and what it found. */
import type { ErrorCode } from '../errors.js'

/** What came of it: `warn` works and could be better, `skip` could not be looked at. */
export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skip'

/** What was found, in words. */
export interface Diagnosis {
  readonly status: CheckStatus
  readonly detail: string
  /** What to do, in sentences. A failure has it always. */
  readonly next?: string | undefined
  /** Which failure it is, where one of the project's codes fits: the exit code depends on it. */
  readonly code?: ErrorCode | undefined
}

/** A verdict with its name, and how long it took. */
export interface Check extends Diagnosis {
  readonly name: string
  readonly ms: number
}

/** It works. */
export const fine = (detail: string): Diagnosis => ({ status: 'ok', detail })

/** It works, and could be better. */
export const warning = (detail: string, next: string): Diagnosis => ({ status: 'warn', detail, next })

/** It does not work. */
export const failing = (detail: string, next: string, code?: ErrorCode): Diagnosis => ({
  status: 'fail',
  detail,
  next,
  code,
})

/** It could not be looked at. */
export const skipped = (detail: string): Diagnosis => ({ status: 'skip', detail })
