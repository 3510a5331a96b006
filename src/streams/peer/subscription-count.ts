import { defer, finalize, type MonoTypeOperatorFunction } from 'rxjs'

/** Counts live subscriptions, for the figures of a process. */
export interface SubscriptionCount {
  readonly current: () => number
  /** Counts each subscription to the source until it ends. */
  readonly counted: <T>() => MonoTypeOperatorFunction<T>
}

export function createSubscriptionCount(): SubscriptionCount {
  let count = 0
  return {
    current: () => count,
    counted: () => source$ =>
      defer(() => {
        count++
        return source$.pipe(finalize(() => count--))
      }),
  }
}
