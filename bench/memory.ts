/** How much memory a process of the bench takes at most. */

/** Often enough to see what piles up within a turn or two of the event loop. */
const samplePeriodMs = 20

let peak = 0

/** Samples the resident set as long as the process lives. */
export function watchMemory(): void {
  setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, samplePeriodMs).unref()
}

/** Highest resident set since the last call. */
export function peakMemory(): number {
  const bytes = Math.max(peak, process.memoryUsage.rss())
  peak = 0
  return bytes
}
