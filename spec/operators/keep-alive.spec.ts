import { describe, expect, it } from '@jest/globals'
import { filter, map, type Observable, Subject } from 'rxjs'
import type { TestScheduler } from 'rxjs/testing'
import { keepAlive, keepAliveTickMs } from '../../src/operators/keep-alive.js'
import { multiplex } from '../../src/operators/multiplex.js'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'
import type { MuxEvent } from '../../src/protocol/mux/state.js'
import { marbles } from '../support/marbles.js'

const tick: MuxEvent = { type: 'tick' }
const values: Record<string, MuxEvent> = {
  a: { type: 'open', id: 3 },
  b: { type: 'room', bytes: 1 },
  c: { type: 'end', id: 3 },
  t: tick,
}
const every =
  (everyMs: number, scheduler: TestScheduler) =>
  (source$: Observable<MuxEvent>): Observable<MuxEvent> =>
    source$.pipe(keepAlive({ tick, everyMs, scheduler }))

describe('keepAlive', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '-----------', '----t---t--', '^----------!', '-----------!'],
    ['empty', '|', '|', '(^!)'],
    ['empty, later', '------|', '----t-|', '^-----!'],
    ['one', '-a----|', '-a--t-|', '^-----!'],
    ['many, as drawn', '--a----b-------c--|', '--a-t--bt---t--ct-|', '^-----------------!'],
    ['an error', '--a--#', '--a-t#', '^----!'],
    ['an early unsubscription', '--a----b---', '--a-t--', '^-----!', '------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row, scheduler }) => {
      row({
        source,
        values,
        through: every(4, scheduler),
        expected,
        results: values,
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it('ticks once a second by default', () => {
    expect(keepAliveTickMs).toBe(1000)
    marbles(({ cold, expectObservable, scheduler }) => {
      expectObservable(cold('- 2500ms |', values).pipe(keepAlive({ tick, scheduler }))).toBe(
        '1s t 999ms t 500ms |',
        values,
      )
    })
  })

  it('takes any value for a tick, and none at all for a mistake', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const letters$ = cold('-a----|').pipe(keepAlive({ tick: 't', everyMs: 4, scheduler }))
      expectObservable(letters$).toBe('-a--t-|')
    })
    expect(() => keepAlive({} as { readonly tick: string })).toThrow('option "tick" is missing')
  })

  it('keeps the order when an event causes the next', () => {
    const source$ = new Subject<MuxEvent>()
    const seen: string[] = []
    const subscription = source$.pipe(keepAlive({ tick })).subscribe(({ type }) => {
      seen.push(type)
      if (type === 'open') source$.next(values['c']!)
    })
    source$.next(values['a']!)
    subscription.unsubscribe()
    expect(seen).toEqual(['open', 'end'])
  })

  it('leaves no timer behind when its reader throws', () => {
    marbles(({ row, scheduler }) => {
      row({
        source: '-a--------',
        values,
        through: source$ =>
          source$.pipe(
            keepAlive({ tick, everyMs: 4, scheduler }),
            map((event): MuxEvent => {
              if (event.type === 'tick') throw new Error('of the reader')
              return event
            }),
          ),
        expected: '-a--#',
        results: values,
        error: new Error('of the reader'),
        subscribed: '^---!',
      })
    })
  })

  it('ends a silent connection after its ticks, on virtual time', () => {
    const config = defaultMuxConfig('client', { version: 2, rst: true })
    marbles(({ hot, expectObservable, scheduler }) => {
      const failed$ = hot<MuxEvent>('20s |').pipe(
        keepAlive({ tick, scheduler }),
        multiplex(config),
        filter(({ effects }) => effects.some(({ type }) => type === 'fail')),
        map(() => 'x'),
      )
      expectObservable(failed$).toBe('15s x 4999ms |')
    })
  })
})
