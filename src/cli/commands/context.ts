import { resolveHome } from '../home.js'
import type { Io } from '../io.js'
import type { GlobalValues } from '../options.js'
import { createOutput, type Output } from '../output.js'

/** What every command gets besides its own options. */
export interface Context {
  readonly io: Io
  readonly output: Output
  readonly globals: GlobalValues
  /** Absolute; need not exist. Throws `invalid-option` where there is none, so a command that needs no home works without. */
  readonly home: string
}

/** What a command line with these global options gets. */
export async function createContext(io: Io, globals: GlobalValues): Promise<Context> {
  const home = await resolveHome(io, globals.home).catch((error: Error) => error)
  return {
    io,
    output: createOutput(io, globals.json === true),
    globals,
    get home() {
      if (typeof home !== 'string') throw home
      return home
    },
  }
}
