import type { Io } from './io.js'
import type { Output } from './output.js'

/** Often enough to be seen to move. */
const betweenMs = 200

/** A line on a terminal that is written over and over. Nothing where stderr is no terminal, or under --json. */
export interface LiveLine {
  /** Asks for the text, and for when it was asked, if it is time for a new one. */
  show(text: (atMs: number) => string): void
  /** Takes the line away. */
  clear(): void
}

export function liveLine(io: Io, output: Output, now = () => performance.now()): LiveLine {
  if (!io.stderr.isTTY || output.json) return { show: () => undefined, clear: () => undefined }
  let shownAt: number | undefined
  return {
    show(text) {
      const at = now()
      if (shownAt !== undefined && at - shownAt < betweenMs) return
      shownAt = at
      io.stderr.write(`\r${text(at)}\u001b[K`)
    },
    clear() {
      if (shownAt !== undefined) io.stderr.write('\r\u001b[K')
      shownAt = undefined
    },
  }
}
