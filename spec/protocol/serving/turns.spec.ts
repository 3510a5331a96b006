import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  ask,
  createTurns,
  crowded,
  leave,
  release,
  type TurnLimits,
  type Turns,
} from '../../../src/protocol/serving/turns.js'
import { deepFreeze } from '../../support/freeze.js'

/** Turns, and who has one. Items are named by their key and a number. */
class Bench {
  turns: Turns<string>
  readonly running: string[] = []
  private count = 0
  constructor(limits: TurnLimits) {
    this.turns = deepFreeze(createTurns(limits))
  }
  ask(key: string): string {
    const item = `${key}${this.count++}`
    this.apply(ask(this.turns, key, item))
    return item
  }
  leave(item: string): void {
    this.turns = deepFreeze(leave(this.turns, item[0]!, item))
  }
  release(item: string): void {
    this.running.splice(this.running.indexOf(item), 1)
    this.apply(release(this.turns, item[0]!))
  }
  used(key: string): number {
    return this.running.filter(item => item[0] === key).length
  }
  waiting(): string[] {
    return [...this.turns.waiting.values()].flat()
  }
  private apply([turns, granted]: readonly [Turns<string>, readonly string[]]): void {
    this.turns = deepFreeze(turns)
    this.running.push(...granted)
  }
}

describe('turns', () => {
  it('are given at once while a key has its share', () => {
    const bench = new Bench({ total: 100, perKey: 3 })
    for (let count = 0; count < 5; count++) bench.ask('a')
    expect([bench.running, bench.waiting()]).toEqual([
      ['a0', 'a1', 'a2'],
      ['a3', 'a4'],
    ])
    bench.release('a1')
    expect([bench.running, bench.waiting()]).toEqual([['a0', 'a2', 'a3'], ['a4']])
  })

  it('leave half of the places to others, whatever one key asks for, and a third where there are two', () => {
    const bench = new Bench({ total: 12, perKey: 100 })
    for (let count = 0; count < 100; count++) bench.ask('a')
    expect(bench.used('a')).toBe(6)
    for (let count = 0; count < 100; count++) bench.ask('b')
    expect([bench.used('a'), bench.used('b')]).toEqual([6, 3])
    // What the first lets go of is shared anew.
    for (let count = 0; count < 4; count++) bench.release(bench.running.find(item => item[0] === 'a')!)
    expect([bench.used('a'), bench.used('b')]).toEqual([4, 5])
  })

  it('go round the keys that wait', () => {
    const bench = new Bench({ total: 1, perKey: 1 })
    const first = bench.ask('x')
    for (const key of ['a', 'a', 'a', 'b', 'b', 'c']) bench.ask(key)
    const order: string[] = []
    for (let turn = first; ; turn = order.at(-1)!) {
      bench.release(turn)
      const next = bench.running.at(-1)
      if (next === undefined) break
      order.push(next)
    }
    expect(order).toEqual(['a1', 'b4', 'c6', 'a2', 'b5', 'a3'])
  })

  it('are not given to those who have left', () => {
    const bench = new Bench({ total: 2, perKey: 1 })
    const first = bench.ask('a')
    const [gone, next] = [bench.ask('a'), bench.ask('a')]
    bench.leave(gone)
    bench.release(first)
    expect([bench.running, bench.waiting()]).toEqual([[next], []])
    bench.leave(next)
    expect(bench.running).toEqual([next])
  })

  it('are given up by the key that uses most, when one that uses none waits and no place is free', () => {
    const bench = new Bench({ total: 4, perKey: 3 })
    for (const key of ['a', 'a', 'a', 'b', 'c']) bench.ask(key)
    expect([bench.running, crowded(bench.turns)]).toEqual([['a0', 'a1', 'b3', 'c4'], undefined])
    bench.ask('d')
    expect(crowded(bench.turns)).toBe('a')
    bench.release('a0')
    expect([bench.running, crowded(bench.turns)]).toEqual([['a1', 'b3', 'c4', 'd5'], undefined])
    // Nobody has two.
    bench.ask('e')
    expect([bench.waiting(), crowded(bench.turns)]).toEqual([['a2', 'e6'], undefined])
  })

  it('keep within their limits, keep nobody waiting who may have one, and are all given in the end', () => {
    const operation = fc.record({
      type: fc.constantFrom('ask', 'ask', 'release', 'leave'),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      pick: fc.nat(50),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 20 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(operation, { maxLength: 100 }),
        (total, perKey, list) => {
          const bench = new Bench({ total, perKey })
          for (const { type, key, pick } of list) {
            const items = type === 'release' ? bench.running : bench.waiting()
            if (type === 'ask') bench.ask(key)
            else if (items.length > 0) bench[type](items[pick % items.length]!)
            const free = total - bench.running.length
            expect(free).toBeGreaterThanOrEqual(0)
            for (const each of ['a', 'b', 'c', 'd']) {
              expect(bench.used(each)).toBeLessThanOrEqual(perKey)
              expect(bench.turns.used.get(each) ?? 0).toBe(bench.used(each))
              const may = bench.used(each) < Math.min(perKey, free)
              expect(may && bench.turns.waiting.has(each)).toBe(false)
            }
          }
          for (let left = 1000; bench.running.length > 0 && left > 0; left--) bench.release(bench.running[0]!)
          expect([bench.turns.usedTotal, bench.turns.used.size, bench.waiting()]).toEqual([0, 0, []])
        },
      ),
      { numRuns: 300 },
    )
  })
})
