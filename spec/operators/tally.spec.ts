import { describe, expect, it } from '@jest/globals'
import { map, type Observable, Subject } from 'rxjs'
import type { TestScheduler } from 'rxjs/testing'
import { type Tally, tally } from '../../src/operators/tally.js'
import { marbles } from '../support/marbles.js'

const first = (text: string): string => text[0]!
const counted =
  (scheduler: TestScheduler) =>
  (source$: Observable<string>): Observable<string> =>
    source$.pipe(
      tally(first, { everyMs: 8, scheduler }),
      map(({ newest, count }) => `${newest}×${count}`),
    )
const values = { a: 'a', b: 'b', A: 'a, the newest' }
const results = { 1: 'a×1', 2: 'a, the newest×2', b: 'b×1', n: 'a, the newest×1' }

describe('tally', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '--------', '--------', '^-------'],
    ['empty', '---|', '---|', '^--!'],
    ['one', '--a-------------|', '--1-------------|', '^---------------!'],
    ['many, as drawn', '-a--a-b-A---------|', '-1-------(2b)-----|', '^-----------------!'],
    [
      'one key after another, each once a period',
      '-a-A-----b---------|',
      '-1-------(nb)------|',
      '^------------------!',
    ],
    ['a quiet time, then at once', '-a-----------A---|', '-1-----------n---|', '^----------------!'],
    ['an end within a period', '-a-b--|', '-1-------(b|)', '^-----!'],
    ['an error, after what was counted', '-a-b-A-#', '-1-----(bn#)', '^------!'],
    ['an early unsubscription', '-a-b----------', '-1----', '^-----!', '------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row, scheduler }) => {
      row({
        source,
        values,
        through: counted(scheduler),
        expected,
        results,
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it('makes few reports of a flood, and loses none of the count', () => {
    marbles(({ scheduler, flush }) => {
      const source$ = new Subject<string>()
      const seen: Tally<string>[] = []
      source$.pipe(tally(first, { everyMs: 8, scheduler })).subscribe(report => seen.push(report))
      for (let count = 0; count < 100_000; count++) source$.next(count % 4 === 0 ? 'b' : 'a')
      source$.complete()
      flush()
      expect(seen).toHaveLength(3)
      expect(seen.reduce((sum, { count }) => sum + count, 0)).toBe(100_000)
    })
  })

  it('counts what a report causes in the next one', () => {
    marbles(({ scheduler, flush }) => {
      const source$ = new Subject<string>()
      const seen: string[] = []
      source$.pipe(counted(scheduler)).subscribe(text => {
        seen.push(text)
        if (seen.length === 1) source$.next('a')
      })
      source$.next('a')
      flush()
      expect(seen).toEqual(['a×1', 'a×1'])
    })
  })

  it('counts nothing of an earlier subscription', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const counted$ = counted(scheduler)(hot('-a-a-a--a---', values))
      expectObservable(counted$, '^------!').toBe('-1------', results)
      expectObservable(counted$, '-------^--!').toBe('--------1--', results)
    })
  })

  it('passes on what its key throws', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const broken$ = cold('--a', values).pipe(
        tally(
          (): string => {
            throw new Error('hostile')
          },
          { everyMs: 8, scheduler },
        ),
      )
      expectObservable(broken$).toBe('--#', undefined, new Error('hostile'))
    })
  })
})
