import { describe, expect, it } from '@jest/globals'
import { map, type Observable, type SchedulerLike, Subject, tap } from 'rxjs'
import type { TestScheduler } from 'rxjs/testing'
import { type Metered, meter } from '../../src/operators/meter.js'
import { marbles } from '../support/marbles.js'

const values = { 5: 5, 9: 9 }
const results: Record<string, Metered> = {
  z: { total: 0, perSecond: 0 },
  a: { total: 10, perSecond: 10_000 / 6 },
  b: { total: 10, perSecond: 0 },
  c: { total: 5, perSecond: 5000 / 6 },
}
const every =
  (everyMs: number, scheduler: TestScheduler) =>
  (source$: Observable<number>): Observable<Metered> =>
    source$.pipe(meter({ everyMs, scheduler }))

describe('meter', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '--------------', '------z-----z-', '^-------------!', '--------------!'],
    ['empty', '---|', '---|', '^--!'],
    ['empty, later', '-------|', '------z|', '^------!'],
    ['one', '-5-----|', '------c|', '^------!'],
    ['many, as drawn', '-5--5-----------|', '------a-----b---|', '^---------------!'],
    ['an error', '-5--5---#', '------a-#', '^-------!'],
    ['an early unsubscription', '-5--5---5-----', '------a--', '^--------!', '---------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row, scheduler }) => {
      row({
        source,
        values,
        through: every(6, scheduler),
        expected,
        results,
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it('reports once a second by default', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      expectObservable(cold('5 1500ms |', values).pipe(meter({ scheduler }))).toBe('1s a 500ms |', {
        a: { total: 5, perSecond: 5 },
      })
    })
  })

  it('divides by the time that passed, not by the period, when the program was busy', () => {
    marbles(({ cold, scheduler, flush }) => {
      // The loop stands still for 40 ms, and the clock goes on: the first report is as late.
      let lateMs = 0
      const busy: SchedulerLike = {
        now: () => scheduler.now() + lateMs,
        schedule: (...args: Parameters<SchedulerLike['schedule']>) => scheduler.schedule(...args),
      }
      const seen: Metered[] = []
      cold('-5--9------------|', values)
        .pipe(
          tap(bytes => {
            if (bytes === 9) lateMs += 40
          }),
          meter({ everyMs: 10, scheduler: busy }),
        )
        .subscribe(metered => seen.push(metered))
      flush()
      expect(seen).toEqual([{ total: 14, perSecond: (14 * 1000) / 50 }])
    })
  })

  it('takes a clock that was set back for none, and never reports more than came', () => {
    marbles(({ cold, scheduler, flush }) => {
      let backMs = 0
      const jumping: SchedulerLike = {
        now: () => scheduler.now() - backMs,
        schedule: (...args: Parameters<SchedulerLike['schedule']>) => scheduler.schedule(...args),
      }
      const seen: Metered[] = []
      cold('-5----9------5--------|', values)
        .pipe(
          tap(bytes => {
            if (bytes === 9) backMs = 86_400_000
          }),
          meter({ everyMs: 10, scheduler: jumping }),
        )
        .subscribe(metered => seen.push(metered))
      flush()
      expect(seen).toEqual([
        { total: 14, perSecond: 1400 },
        { total: 19, perSecond: 500 },
      ])
    })
  })

  it('counts what a report causes in the next period', () => {
    marbles(({ scheduler, flush }) => {
      const source$ = new Subject<number>()
      const seen: Metered[] = []
      source$.pipe(meter({ everyMs: 10, scheduler })).subscribe(metered => {
        seen.push(metered)
        if (seen.length === 1) source$.next(7)
        else source$.complete()
      })
      source$.next(3)
      flush()
      expect(seen).toEqual([
        { total: 3, perSecond: 300 },
        { total: 10, perSecond: 700 },
      ])
    })
  })

  it('adds up nothing of an earlier subscription', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const metered$ = cold('5----------', values).pipe(meter({ everyMs: 6, scheduler }))
      expectObservable(metered$, '^------!').toBe('------c', results)
      expectObservable(metered$, '-------^------!').toBe('-------------c', results)
    })
  })

  it('passes on what its source throws, and lets it go', () => {
    marbles(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
      const source$ = hot('--5', values)
      const broken$ = source$.pipe(
        map((): number => {
          throw new Error('hostile')
        }),
        meter({ everyMs: 6, scheduler }),
      )
      expectObservable(broken$).toBe('--#', undefined, new Error('hostile'))
      expectSubscriptions(source$.subscriptions).toBe('^-!')
    })
  })
})
