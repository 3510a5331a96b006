import { pino, type Logger } from 'pino'
import type { Io } from './io.js'
import type { LogLevel } from './options.js'

/** The log of a command: JSON lines on stderr, so that stdout holds results only. JSON escapes control characters. */
export function createLog(io: Io, level: LogLevel = 'warn'): Logger {
  return pino({ level, base: { pid: io.pid } }, { write: line => io.stderr.write(line) })
}
