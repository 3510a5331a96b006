import { describe, expect, it } from '@jest/globals'
import { map, Subject, throwError } from 'rxjs'
import { trampoline } from '../../src/operators/trampoline.js'
import { marbles } from '../support/marbles.js'

describe('trampoline', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '----', '----', '^---'],
    ['empty', '---|', '---|', '^--!'],
    ['one', '--a--|', '--a--|', '^----!'],
    ['many', '-a-(bc)-|', '-a-(bc)-|', '^-------!'],
    ['an error', '-a-#', '-a-#', '^--!'],
    ['an early unsubscription', '-a--b--', '-a--', '^--!', '---!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      const through = (source$: Parameters<ReturnType<typeof trampoline<string>>>[0]) => source$.pipe(trampoline())
      row({ source, through, expected, subscribed, ...(unsubscribed && { unsubscribed }) })
    })
  })

  /** Counts down from each number that it is given, by what handling it causes. */
  function countDown(onZero: (source$: Subject<number>) => void): { source$: Subject<number>; log: string[] } {
    const source$ = new Subject<number>()
    const log: string[] = []
    source$.pipe(trampoline()).subscribe({
      next: number => {
        log.push(`start ${number}`)
        if (number > 0) source$.next(number - 1)
        else onZero(source$)
        log.push(`end ${number}`)
      },
      error: (error: unknown) => log.push(String(error)),
      complete: () => log.push('complete'),
    })
    return { source$, log }
  }

  it('finishes one value before those that it causes', () => {
    const { source$, log } = countDown(() => undefined)
    source$.next(2)
    expect(log).toEqual(['start 2', 'end 2', 'start 1', 'end 1', 'start 0', 'end 0'])
  })

  it.each([
    ['completion', (source$: Subject<number>) => source$.complete(), 'complete'],
    ['error', (source$: Subject<number>) => source$.error('broken'), 'broken'],
  ])('lets an %s wait for what was caused before it', (_name, finish, last) => {
    const { source$, log } = countDown(finish)
    const { source$: other$, log: otherLog } = countDown(subject$ => {
      subject$.next(-1)
      finish(subject$)
    })
    source$.next(0)
    expect(log).toEqual(['start 0', 'end 0', last])
    // -1 causes nothing more, for it finishes as 0 does.
    other$.next(0)
    expect(otherLog.slice(0, 2)).toEqual(['start 0', 'end 0'])
    expect(otherLog.indexOf(last)).toBeGreaterThan(otherLog.indexOf('end -1'))
  })

  it('drops what waits when nobody listens any more', () => {
    const source$ = new Subject<number>()
    const seen: number[] = []
    const subscription = source$.pipe(trampoline()).subscribe(number => {
      seen.push(number)
      source$.next(number + 1)
      if (number === 2) subscription.unsubscribe()
    })
    source$.next(1)
    expect(seen).toEqual([1, 2])
    expect(source$.observed).toBe(false)
  })

  it('goes on after an error downstream, in a subscription of its own', () => {
    const source$ = new Subject<number>()
    const trampolined$ = source$.pipe(trampoline())
    const errors: unknown[] = []
    const broken$ = trampolined$.pipe(
      map(number => {
        throw new Error(`no ${number}`)
      }),
    )
    broken$.subscribe({ error: (error: unknown) => errors.push(error) })
    const seen: number[] = []
    trampolined$.subscribe(number => seen.push(number))
    source$.next(1)
    source$.next(2)
    expect([errors.map(String), seen]).toEqual([['Error: no 1'], [1, 2]])
  })

  it('passes on an error at once when nothing is being handled', () => {
    const errors: unknown[] = []
    throwError(() => 'at once')
      .pipe(trampoline())
      .subscribe({ error: (error: unknown) => errors.push(error) })
    expect(errors).toEqual(['at once'])
  })
})
