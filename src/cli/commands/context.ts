import type { Io } from '../io.js'
import type { GlobalValues } from '../options.js'
import type { Output } from '../output.js'

/** What every command gets besides its own options. */
export interface Context {
  readonly io: Io
  readonly output: Output
  readonly globals: GlobalValues
  /** Absolute; need not exist. */
  readonly home: string
}
