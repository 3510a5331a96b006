import { describe, expect, it } from '@jest/globals'
import { Subject, type Observable } from 'rxjs'
import type { TestScheduler } from 'rxjs/testing'
import { connectTimeoutMs, connectWithin } from '../../src/operators/connect-within.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { marbles } from '../support/marbles.js'

interface State {
  readonly type: string
}
const values: Record<string, State> = {
  r: { type: 'resolving' },
  o: { type: 'offering' },
  c: { type: 'connecting' },
  p: { type: 'open' },
  x: { type: 'closed' },
}
const isOpen = ({ type }: State): boolean => type === 'open'
const phaseOf = (state: State | undefined): string => state?.type ?? 'resolving'
const late = (phase: string, ms: number, what = 'bob'): LighthouseError =>
  new LighthouseError('connect-timeout', `${what} did not connect within ${ms / 1000} s (reached: ${phase})`, { phase })
const within =
  (ms: number, scheduler: TestScheduler) =>
  (source$: Observable<State>): Observable<State> =>
    source$.pipe(connectWithin({ isOpen, phaseOf, ms, scheduler, what: 'bob' }))

describe('connectWithin', () => {
  it.each<[string, string, string, string, (string | undefined)?, string?]>([
    ['never', '--------------------', '-------------#', '^------------!', 'resolving'],
    ['empty', '---|', '---|', '^--!'],
    ['one, that is not open', 'r-------------------', 'r------------#', '^------------!', 'resolving'],
    ['never open, as drawn', '--r---o----c-------------', '--r---o----c-#', '^------------!', 'connecting'],
    [
      'open in time, and then as long as it likes',
      '-r-o-c-p------------x|',
      '-r-o-c-p------------x|',
      '^--------------------!',
    ],
    ['open at once', '(p|)', '(p|)', '(^!)'],
    ['closed before it opened', '-r-o-x|', '-r-o-x|', '^-----!'],
    ['an error of the source in time', '-r-o--#', '-r-o--#', '^-----!'],
    ['an error of the source after it opened', '-p-----------------#', '-p-----------------#', '^------------------!'],
    ['an early unsubscription', '-r-o-c-p------------x|', '-r-o----', '^----!', undefined, '-----!'],
  ])('%s', (...[_name, source, expected, subscribed, phase, unsubscribed]) => {
    marbles(({ row, scheduler }) => {
      row({
        source,
        values,
        through: within(13, scheduler),
        expected: unsubscribed === undefined ? expected : '-r-o-',
        results: values,
        ...(phase !== undefined && { error: late(phase, 13) }),
        subscribed,
        ...(unsubscribed !== undefined && { unsubscribed }),
      })
    })
  })

  it('waits 20 s by default', () => {
    expect(connectTimeoutMs).toBe(20_000)
    marbles(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
      const source$ = hot('r 30s c', values)
      const error = late('connecting', 20_000, 'the other side')
      expectObservable(source$.pipe(connectWithin({ isOpen, scheduler }))).toBe('r 19999ms #', values, error)
      expectSubscriptions(source$.subscriptions).toBe('^ 19999ms !')
    })
  })

  it('starts its clock and its phase anew with each subscription', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const state$ = cold('-r-c-----------', values).pipe(
        connectWithin({ isOpen, phaseOf, ms: 5, scheduler, what: 'bob' }),
      )
      expectObservable(state$).toBe('-r-c-#', values, late('connecting', 5))
      expectObservable(state$, '-------^').toBe('--------r-c-#', values, late('connecting', 5))
    })
  })

  it('keeps the order when a state causes the next', () => {
    const source$ = new Subject<State>()
    const seen: string[] = []
    const subscription = source$.pipe(connectWithin({ isOpen, ms: 60_000 })).subscribe(({ type }) => {
      seen.push(type)
      if (type === 'resolving') source$.next(values['p']!)
    })
    source$.next(values['r']!)
    subscription.unsubscribe()
    expect(seen).toEqual(['resolving', 'open'])
    expect(source$.observed).toBe(false)
  })

  it('says that nothing came', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const attempt$ = hot<State>('----').pipe(connectWithin({ isOpen, ms: 3, scheduler }))
      expectObservable(attempt$).toBe('---#', undefined, late('started', 3, 'the other side'))
    })
  })

  it('errors on what is no state', () => {
    marbles(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
      const source$ = hot('--x', { x: undefined as unknown as State })
      expectObservable(source$.pipe(connectWithin({ isOpen, scheduler }))).toBe('--#', undefined, expect.any(TypeError))
      expectSubscriptions(source$.subscriptions).toBe('^-!')
    })
  })
})
