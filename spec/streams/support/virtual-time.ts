import { type SchedulerLike, VirtualTimeScheduler } from 'rxjs'
import type { MonotonicClock } from '../../../src/ports.js'

/** Time that passes only when told to: a scheduler and a clock that agree. */
export interface VirtualTime {
  readonly scheduler: SchedulerLike
  readonly clock: MonotonicClock
  /** Runs everything that is due within so many milliseconds. */
  advance(milliseconds: number): void
  /** What is scheduled and not done: 0 when every timer was let go of. Cancelled work counts as gone. */
  pending(): number
}

export function virtualTime(): VirtualTime {
  const scheduler = new VirtualTimeScheduler()
  return {
    scheduler,
    clock: { now: () => scheduler.frame },
    advance(milliseconds) {
      scheduler.maxFrames = scheduler.frame + milliseconds
      scheduler.flush()
      scheduler.frame = scheduler.maxFrames
    },
    pending: () => scheduler.actions.filter(action => !action.closed).length,
  }
}
