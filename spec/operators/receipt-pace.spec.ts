import { describe, expect, it } from '@jest/globals'
import { map, NEVER, type Observable, Subject, throwError } from 'rxjs'
import type { TestScheduler } from 'rxjs/testing'
import { receiptPace } from '../../src/operators/receipt-pace.js'
import { marbles } from '../support/marbles.js'

const values = { z: 0, a: 3, b: 4, c: 20, d: 21, e: 22, f: 40 }
const paced =
  (scheduler: TestScheduler, flush$: Observable<unknown> = NEVER) =>
  (source$: Observable<number>): Observable<number> =>
    source$.pipe(receiptPace(() => 10, { everyMs: 4, flush$, scheduler }))

describe('receiptPace', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '-----------', '-----------', '^---------!', '----------!'],
    ['empty', '---|', '---|', '^--!'],
    ['nothing received', 'z-z--------|', '-----------|', '^----------!'],
    ['one, by time', '-a---------|', '-----a-----|', '^----------!'],
    ['one, by size', '-c---------|', '-c---------|', '^----------!'],
    ['many, as drawn', '-a-b------c-d-e---|', '-----b----c-----e-|', '^-----------------!'],
    ['a step that several make', '-a-b-(cde)-----|', '-----c---e-----|', '^--------------!'],
    ['the same count again', '-a-a------a---|', '-----a--------|', '^-------------!'],
    ['a count that fell, and rose again', '-c-b------e---|', '-c------------(e|)', '^-------------!'],
    ['the end, with something unsigned', '-a-b|', '----(b|)', '^---!'],
    ['the end, with nothing unsigned', '-a-----|', '-----a-|', '^------!'],
    ['an error, with something unsigned', '-a-b#', '----#', '^---!'],
    ['an early unsubscription', '-a-b------c-----', '-----b---', '^--------!', '---------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row, scheduler }) => {
      row({
        source,
        values,
        through: paced(scheduler),
        expected,
        results: values,
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it('flushes at once, and the time starts anew with the next count', () => {
    marbles(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
      const source$ = hot('-a--b------|', values)
      const flush$ = hot(' --x--------', values)
      expectObservable(paced(scheduler, flush$)(source$)).toBe('--a-----b--|', values)
      expectSubscriptions(flush$.subscriptions).toBe(['-^!', '----^---!'])
    })
  })

  it('flushes nothing when nothing is unsigned', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const flush$ = hot('x-------x--')
      expectObservable(paced(scheduler, flush$)(hot('-a---------|', values))).toBe('-----a-----|', values)
    })
  })

  it('goes on by time when the flushes have ended, and fails when they fail', () => {
    marbles(({ hot, cold, expectObservable, scheduler }) => {
      expectObservable(paced(scheduler, cold('|'))(hot('-a---------|', values))).toBe('-----a-----|', values)
      expectObservable(
        paced(
          scheduler,
          throwError(() => 'flush'),
        )(hot('-a---|', values)),
      ).toBe('-#', values, 'flush')
    })
  })

  it('signs a quarter of a second after the first byte by default', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const source$ = cold('a 99ms b 1s |', values)
      expectObservable(source$.pipe(receiptPace(() => 10, { scheduler }))).toBe('250ms b 850ms |', values)
    })
  })

  it('asks for the step again at each count', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const steps = [100, 3]
      const source$ = cold('-a-b-------|', values)
      const receipts$ = source$.pipe(receiptPace(() => steps.shift()!, { everyMs: 50, scheduler }))
      expectObservable(receipts$).toBe('---b-------|', values)
    })
  })

  it('lets no timer run while nothing is unsigned', () => {
    marbles(({ scheduler, flush }) => {
      const source$ = new Subject<number>()
      const subscription = paced(scheduler)(source$).subscribe()
      expect(scheduler.actions).toHaveLength(0)
      source$.next(3)
      expect(scheduler.actions).toHaveLength(1)
      flush()
      expect(scheduler.actions).toHaveLength(0)
      source$.next(50)
      source$.next(50)
      expect(scheduler.actions).toHaveLength(0)
      subscription.unsubscribe()
    })
  })

  it('takes up what an amount causes', () => {
    marbles(({ scheduler, flush }) => {
      const source$ = new Subject<number>()
      const seen: number[] = []
      paced(scheduler)(source$).subscribe(total => {
        seen.push(total)
        if (total < 100) source$.next(total === 20 ? 22 : total + 20)
      })
      source$.next(20)
      expect(seen).toEqual([20])
      flush()
      expect(seen).toEqual([20, 22, 42, 62, 82, 102])
    })
  })

  it('knows nothing of an earlier subscription', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const receipts$ = paced(scheduler)(cold('c----------', values))
      expectObservable(receipts$, '^------!').toBe('c', values)
      expectObservable(receipts$, '-------^------!').toBe('-------c', values)
    })
  })

  it('passes on what its source and its step throw, and lets the source go', () => {
    marbles(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
      const hostile = (): number => {
        throw new Error('hostile')
      }
      const source$ = hot('--a', values)
      expectObservable(paced(scheduler)(source$.pipe(map(hostile)))).toBe('--#', undefined, new Error('hostile'))
      expectObservable(source$.pipe(receiptPace(hostile, { scheduler }))).toBe('--#', undefined, new Error('hostile'))
      expectSubscriptions(source$.subscriptions).toBe(['^-!', '^-!'])
    })
  })
})
