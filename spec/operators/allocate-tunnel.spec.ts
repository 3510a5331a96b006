import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import { allocateTunnel } from '../../src/operators/allocate-tunnel.js'
import type { TunnelDecision, TunnelEvent } from '../../src/protocol/tunnels/tunnel-lru.js'
import { marbles } from '../support/marbles.js'

const acquire = (owner: string): TunnelEvent => ({ type: 'acquire', owner })
const values: Record<string, TunnelEvent> = {
  a: acquire('ann'),
  b: acquire('bob'),
  c: acquire('cyd'),
  u: { type: 'use', owner: 'ann', streams: 0 },
  r: { type: 'release', owner: 'ann' },
  0: { type: 'acquire', owner: 'ann', except: [0] },
  1: { type: 'acquire', owner: 'ann', except: [0, 1] },
}
const granted = (owner: string, slot: number, evicted?: string): TunnelDecision => ({
  type: 'granted',
  owner,
  slot,
  evicted,
})
const results: Record<string, TunnelDecision> = {
  A: granted('ann', 0),
  B: granted('bob', 1),
  b: granted('bob', 0),
  N: granted('ann', 1),
  C: granted('cyd', 1, 'bob'),
  x: { type: 'refused', owner: 'ann' },
}

describe('allocateTunnel', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '--------', '--------', '^-------'],
    ['empty', '---|', '---|', '^--!'],
    ['one', '--a--|', '--A--|', '^----!'],
    ['many, as drawn', '--a---b---u---c----r--|', '--A---B-------C-------|', '^---------------------!'],
    ['ports of other programs, and looked at again', '-a-0-1-b-a|', '-A-N-x-b-N|', '^---------!'],
    ['an error', '--a--#', '--A--#', '^----!'],
    ['an early unsubscription', '--a---b---u---c--', '--A---B--', '^--------!', '---------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      row({
        source,
        values,
        through: allocateTunnel(2),
        expected,
        results,
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it('keeps the order when a decision causes the next event', () => {
    const source$ = new Subject<TunnelEvent>()
    const seen: TunnelDecision[] = []
    source$.pipe(allocateTunnel(1)).subscribe(decision => {
      seen.push(decision)
      if (seen.length === 1) source$.next(acquire('bob'))
    })
    source$.next(acquire('ann'))
    expect(seen).toEqual([granted('ann', 0), granted('bob', 0, 'ann')])
  })

  it('starts each subscription with free slots', () => {
    marbles(({ cold, expectObservable }) => {
      const decision$ = cold('-a', values).pipe(allocateTunnel(2))
      expectObservable(decision$, '^--!').toBe('-A', results)
      expectObservable(decision$, '---^--!').toBe('----A', results)
    })
  })

  it('errors on what is no event', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('--n', { n: undefined as unknown as TunnelEvent })
      expectObservable(source$.pipe(allocateTunnel(2))).toBe('--#', undefined, expect.any(TypeError))
      expectSubscriptions(source$.subscriptions).toBe('^-!')
    })
  })
})
