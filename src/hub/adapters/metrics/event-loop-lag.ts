import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

/** How often is looked: pauses shorter than this are nobody's trouble. */
const resolutionMs = 10

/** How long this process has kept its event loop from turning. Looks from `start` to `stop`. */
export class EventLoopLag {
  #delays: IntervalHistogram | undefined

  start(): void {
    this.#delays = monitorEventLoopDelay({ resolution: resolutionMs })
    this.#delays.enable()
  }

  stop(): void {
    this.#delays?.disable()
    this.#delays = undefined
  }

  /** The longest pause since this was asked last, in seconds. */
  take(): number {
    const delays = this.#delays
    if (delays === undefined || delays.count === 0) return 0
    const seconds = Math.max(0, delays.max / 1e9 - resolutionMs / 1000)
    delays.reset()
    return seconds
  }
}
