import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject } from 'rxjs'
import type { ConnectionStats } from '../../../src/protocol/peer/stats.js'
import { fallenSilent$ } from '../../../src/streams/peer/silence.js'
import { virtualTime } from '../support/virtual-time.js'

/** The seconds in which nothing came, by connection. */
type Silences = Readonly<Record<string, number>>

function world() {
  const time = virtualTime()
  const state$ = new BehaviorSubject({ connections: new Map<string, ConnectionStats>() })
  let times = 0
  const subscription = fallenSilent$(state$, time.scheduler).subscribe(() => times++)
  const pass = (silences: Silences): number => {
    const stats = Object.entries(silences).map(([session, silentSeconds]) => ({ session, silentSeconds }))
    state$.next({ connections: new Map(stats.map(one => [one.session, one as ConnectionStats])) })
    time.advance(1_000)
    return times
  }
  return { pass, time, subscription }
}

describe('fallenSilent$', () => {
  it('notices each connection on which nothing comes any more, once', () => {
    const { pass } = world()
    expect([pass({ a: 0 }), pass({ a: 1 }), pass({ a: 2 }), pass({ a: 3 }), pass({ a: 4 }), pass({ a: 5 })]).toEqual([
      0, 0, 1, 1, 1, 1,
    ])
    // While another one stays silent.
    expect([pass({ a: 6, b: 2 }), pass({ a: 7, b: 3 })]).toEqual([2, 2])
    expect([pass({ b: 0 }), pass({ b: 1 }), pass({ b: 2 })]).toEqual([2, 2, 3])
  })

  it('notices no more than one each 3 s, however many there are', () => {
    const { pass, subscription, time } = world()
    const counts = Array.from({ length: 9 }, (_, second) => pass({ [`a${second}`]: 2, [`b${second}`]: 2 }))
    expect(counts.at(-1)).toBe(3)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })
})
