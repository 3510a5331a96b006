import type { Io } from '../io.js'
import type { Output } from '../output.js'

/** Often enough to be seen to move. */
const betweenMs = 200

/** A line on a terminal that counts blocks. Nothing where stderr is no terminal, or under --json. */
export interface BlockProgress {
  show(blocks: number): void
  /** Takes the line away. */
  clear(): void
}

export function blockProgress(io: Io, output: Output): BlockProgress {
  if (!io.stderr.isTTY || output.json) return { show: () => undefined, clear: () => undefined }
  let shownAt = performance.now()
  let isShown = false
  return {
    show(blocks) {
      const now = performance.now()
      if (now - shownAt < betweenMs) return
      shownAt = now
      isShown = true
      io.stderr.write(`\r${blocks.toLocaleString('en')} blocks`)
    },
    clear() {
      if (isShown) io.stderr.write('\r\u001b[K')
      isShown = false
    },
  }
}
