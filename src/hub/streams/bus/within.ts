import type { SchedulerLike } from 'rxjs'

/** Whether this resolves within so many milliseconds. Never rejects, and leaves no timer behind. */
export function within(limitMs: number, work: Promise<unknown>, scheduler: SchedulerLike): Promise<boolean> {
  return new Promise(resolve => {
    const timer = scheduler.schedule(() => resolve(false), limitMs)
    const done = (resolved: boolean) => () => {
      timer.unsubscribe()
      resolve(resolved)
    }
    work.then(done(true), done(false))
  })
}
