import { expect } from '@jest/globals'
import type { Observable } from 'rxjs'
import { TestScheduler, type RunHelpers } from 'rxjs/testing'

/** What a marble spec works with: rxjs's helpers, the scheduler for operators that take one, and the usual expectation. */
export interface Marbles extends RunHelpers {
  readonly scheduler: TestScheduler
  /**
   * Runs one row of the table that every operator has: a hot source drawn as `source`, through the operator, gives `expected`
   * and is subscribed to exactly as `subscribed` shows. `unsubscribed` draws an early unsubscription.
   */
  row<In, Out>(row: {
    readonly source: string
    readonly values?: Readonly<Record<string, In>>
    readonly through: (source$: Observable<In>) => Observable<Out>
    readonly expected: string
    readonly results?: Readonly<Record<string, Out>>
    readonly error?: unknown
    readonly subscribed: string
    readonly unsubscribed?: string
  }): void
}

/** Runs a spec in virtual time. */
export function marbles(spec: (helpers: Marbles) => void): void {
  const scheduler = new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected)
  })
  scheduler.run(helpers => {
    // A timer that nobody stops makes the spec fail instead of running for ever. Longer than any drawing.
    scheduler.maxFrames = 120_000
    const { hot, expectObservable, expectSubscriptions } = helpers
    spec({
      ...helpers,
      scheduler,
      row({ source, values, through, expected, results, error, subscribed, unsubscribed }) {
        const source$ = hot(source, values, new Error('of the source'))
        expectObservable(through(source$), unsubscribed).toBe(expected, results, error ?? new Error('of the source'))
        expectSubscriptions(source$.subscriptions).toBe(subscribed)
      },
    })
  })
}
