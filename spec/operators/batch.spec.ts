import { describe, expect, it } from '@jest/globals'
import { map, NEVER, of, Subject, throwError, timer, VirtualTimeScheduler } from 'rxjs'
import { batch } from '../../src/operators/batch.js'
import { marbles } from '../support/marbles.js'

describe('batch', () => {
  it('collects for maxMs from the first on, and collects the next batch while one is worked on', () => {
    marbles(({ row, scheduler }) => {
      const through = batch<string, string>({ maxMs: 2, maxItems: 9, scheduler }, items =>
        timer(4, scheduler).pipe(map(() => items.join(''))),
      )
      const results = { x: 'a', y: 'bc', z: 'd', w: 'ab', m: 'a', n: 'bcd' }
      row({ source: '-', through, expected: '-', subscribed: '^' })
      row({ source: '|', through, expected: '|', subscribed: '(^!)' })
      row({ source: 'a---------|', through, expected: '------x---|', results, subscribed: '^---------!' })
      row({ source: 'ab-----------|', through, expected: '------w------|', results, subscribed: '^------------!' })
      // b, c and d come during the work on a, and go at once when it is done.
      row({ source: 'a--bcd-----|', through, expected: '------m---n|', results, subscribed: '^----------!' })
      row({ source: 'a---#', through, expected: '----#', results, subscribed: '^---!' })
      row({
        ...{ source: 'a--------', through, expected: '---', results },
        ...{ subscribed: '^--!', unsubscribed: '---!' },
      })
      // Nobody waits for what cannot come any more.
      row({ source: 'a|', through, expected: '-----(x|)', results, subscribed: '^!' })
    })
  })

  it('does not wait once a batch is full, and works on no more than that at once', () => {
    marbles(({ row, scheduler }) => {
      const through = batch<string, string>({ maxMs: 5, maxItems: 2, scheduler }, items => of(items.join('')))
      const results = { x: 'ab', y: 'cd', z: 'e' }
      row({ source: 'a-bc-de------|', through, expected: '--x--y-----z-|', results, subscribed: '^------------!' })
    })
    marbles(({ row, scheduler }) => {
      const through = batch<string, string>({ maxMs: 5, maxItems: 1, scheduler }, items => of(items.join('')))
      row({ source: 'a-b|', through, expected: 'a-b|', subscribed: '^--!' })
    })
  })

  it('ends with what the work throws', () => {
    marbles(({ row, scheduler }) => {
      const error = new Error('of the work')
      const bounds = { maxMs: 2, maxItems: 9, scheduler }
      const throwing = batch<string, string>(bounds, () => {
        throw error
      })
      row({ source: 'a----', through: throwing, expected: '--#', error, subscribed: '^-!' })
      const failing = batch<string, string>(bounds, () => throwError(() => error))
      row({ source: 'a----', through: failing, expected: '--#', error, subscribed: '^-!' })
    })
  })

  it('takes what its own results cause', () => {
    const scheduler = new VirtualTimeScheduler()
    const source$ = new Subject<number>()
    const batches: (readonly number[])[] = []
    source$
      .pipe(
        batch({ maxMs: 1, maxItems: 9, scheduler }, items => {
          batches.push(items)
          return of(...items)
        }),
      )
      .subscribe(item => {
        if (item < 3) source$.next(item + 1)
      })
    source$.next(1)
    scheduler.flush()
    expect(batches).toEqual([[1], [2], [3]])
  })

  it('schedules nothing while nothing waits, and stops its timer', () => {
    const scheduler = new VirtualTimeScheduler()
    const source$ = new Subject<number>()
    const live = (): number => scheduler.actions.filter(action => !action.closed).length
    const subscription = source$.pipe(batch({ maxMs: 3, maxItems: 9, scheduler }, () => NEVER)).subscribe()
    expect(live()).toBe(0)
    source$.next(1)
    expect(live()).toBe(1)
    scheduler.flush()
    expect(live()).toBe(0)
    subscription.unsubscribe()
    expect(source$.observed).toBe(false)
    const second = source$.pipe(batch({ maxMs: 3, maxItems: 9, scheduler }, () => NEVER)).subscribe()
    source$.next(1)
    second.unsubscribe()
    expect(live()).toBe(0)
  })
})
