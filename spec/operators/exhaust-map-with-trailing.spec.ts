import { describe, expect, it } from '@jest/globals'
import { EMPTY, map, NEVER, type Observable, of, Subject, throwError, timer } from 'rxjs'
import type { TestScheduler } from 'rxjs/testing'
import { exhaustMapWithTrailing } from '../../src/operators/exhaust-map-with-trailing.js'
import { marbles } from '../support/marbles.js'

/** Five frames, then the letter. */
const slowly =
  (scheduler: TestScheduler) =>
  (value: string): Observable<string> =>
    timer(5, scheduler).pipe(map(() => value))
const through =
  (scheduler: TestScheduler) =>
  (source$: Observable<string>): Observable<string> =>
    source$.pipe(exhaustMapWithTrailing(slowly(scheduler)))

describe('exhaustMapWithTrailing', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '----------', '----------', '^--------!', '---------!'],
    ['empty', '---|', '---|', '^--!'],
    ['one', '-a--------|', '------a---|', '^---------!'],
    ['many, as drawn', '-a--bc--d--------e---|', '------a----c----d-----(e|)', '^--------------------!'],
    ['many that come one after the other', '-a------b-----|', '------a------b|', '^-------------!'],
    ['one at the moment of the release', '-a----b-------|', '------a----b--|', '^-------------!'],
    ['the end, while one is under way', '-a|', '------(a|)', '^-!'],
    ['the end, while one waits', '-a-b|', '------a----(b|)', '^---!'],
    ['an error', '-a-b#', '----#', '^---!'],
    ['an early unsubscription', '-a-b------------', '------a--', '^--------!', '---------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row, scheduler }) => {
      row({ source, through: through(scheduler), expected, subscribed, ...(unsubscribed && { unsubscribed }) })
    })
  })

  it('goes on after projections that end at once', () => {
    for (const project of [() => EMPTY, (value: string) => of(value)]) {
      const source$ = new Subject<string>()
      const asked: string[] = []
      source$
        .pipe(
          exhaustMapWithTrailing(value => {
            asked.push(value)
            return project(value)
          }),
        )
        .subscribe()
      for (const value of ['a', 'b', 'c']) source$.next(value)
      expect(asked).toEqual(['a', 'b', 'c'])
    }
  })

  it('starts nothing twice when a projection makes the source emit', () => {
    const source$ = new Subject<number>()
    const seen: number[] = []
    source$
      .pipe(
        exhaustMapWithTrailing(value => {
          seen.push(value)
          if (value < 5) source$.next(value + 1)
          return of(value)
        }),
      )
      .subscribe()
    source$.next(1)
    expect(seen).toEqual([1, 2, 3, 4, 5])
  })

  it('passes on what a projection throws, or that it throws, and lets everything go', () => {
    const hostile = new Error('hostile')
    const projections = [
      () => throwError(() => hostile),
      (): Observable<never> => {
        throw hostile
      },
    ]
    for (const project of projections) {
      const source$ = new Subject<string>()
      const errors: unknown[] = []
      source$.pipe(exhaustMapWithTrailing(project)).subscribe({ error: error => errors.push(error) })
      source$.next('a')
      expect([errors, source$.observed]).toEqual([[hostile], false])
    }
  })

  it('keeps the state of each subscription to itself', () => {
    const source$ = new Subject<string>()
    const asked: string[] = []
    const mapped$ = source$.pipe(
      exhaustMapWithTrailing(value => {
        asked.push(value)
        return NEVER
      }),
    )
    const first = mapped$.subscribe()
    source$.next('a')
    mapped$.subscribe()
    source$.next('b')
    expect(asked).toEqual(['a', 'b'])
    first.unsubscribe()
    source$.next('c')
    expect(asked).toEqual(['a', 'b'])
  })
})
