import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { ConnectionPlaces, type PlaceUse } from '../../../../src/hub/protocol/limits/connection-places.js'
import { Groups } from '../../../../src/hub/protocol/limits/groups.js'

const wide = { others: 1_000, loopback: 1_000 }
const places = (total: number, perAddress = wide): ConnectionPlaces<string> =>
  new ConnectionPlaces<string>({ total, perAddress }, address => address)

describe('ConnectionPlaces', () => {
  it('lets the address that has the most give up the one that is idle for the longest time', () => {
    const all = places(4)
    for (const name of ['a1', 'a2', 'a3']) expect(all.enter(name, 'a')).toBeUndefined()
    expect(all.enter('b1', 'b')).toBeUndefined()
    all.use('a1', 'busy')
    expect(all.enter('b2', 'b')).toBe('a2')
    all.leave('a2')
    // Of two that have as many as each other, the one that has had them for longer; of those that are busy only where all are.
    for (const name of ['b1', 'b2']) all.use(name, 'busy')
    expect(all.enter('c1', 'c')).toBe('b1')
    all.leave('b1')
    expect(all.size).toBe(4)
  })

  it('keeps those that have signed in, and turns away who comes when there is nobody else', () => {
    const all = places(2)
    all.enter('a1', 'a')
    all.enter('a2', 'a')
    all.use('a1', 'kept')
    all.use('a1', 'idle')
    expect(all.enter('b1', 'b')).toBe('a2')
    all.leave('a2')
    all.use('b1', 'kept')
    expect(all.enter('b2', 'b')).toBe('b2')
  })

  it('has a bound for each address, and another one for those of this machine', () => {
    const all = places(100, { others: 2, loopback: 3 })
    for (const name of ['a1', 'a2']) expect(all.enter(name, '192.0.2.1')).toBeUndefined()
    all.use('a1', 'kept')
    expect(all.enter('a3', '192.0.2.1')).toBe('a2')
    expect(all.enter('b1', '192.0.2.2')).toBeUndefined()
    for (const name of ['l1', 'l2', 'l3']) expect(all.enter(name, '127.0.0.1')).toBeUndefined()
    expect(all.enter('l4', '127.0.0.1')).toBe('l1')
  })

  it('takes nothing from a proxy, which speaks for many, and counts it all the same', () => {
    const all = places(3, { others: 1, loopback: 1 })
    for (const name of ['p1', 'p2']) expect(all.enter(name, undefined)).toBeUndefined()
    expect(all.enter('a1', 'a')).toBeUndefined()
    expect(all.enter('p3', undefined)).toBe('a1')
  })

  it('never has more than it may when those who are told go, and never lets a kept one go', () => {
    const step = fc.record({
      address: fc.constantFrom('a', 'b', 'c', '127.0.0.1', undefined),
      use: fc.constantFrom<PlaceUse | 'leave'>('idle', 'busy', 'kept', 'leave'),
      which: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const all = places(8, { others: 4, loopback: 6 })
        const open: string[] = []
        const kept = new Set<string>()
        for (const [index, { address, use, which }] of steps.entries()) {
          const name = `${address}${index}`
          open.push(name)
          if (address === undefined) kept.add(name)
          const given = all.enter(name, address)
          if (given !== undefined) {
            expect(kept.has(given) && given !== name).toBe(false)
            expect(open).toContain(given)
            open.splice(open.indexOf(given), 1)
            all.leave(given)
          }
          const chosen = open[which % Math.max(1, open.length)]
          if (chosen === undefined) continue
          if (use === 'leave') {
            open.splice(open.indexOf(chosen), 1)
            all.leave(chosen)
          } else {
            all.use(chosen, use)
            if (use === 'kept') kept.add(chosen)
          }
          expect(all.size).toBe(open.length)
          expect(all.size).toBeLessThanOrEqual(8)
        }
      }),
    )
  })
})

describe('Groups', () => {
  it('knows the largest, as a count of all would', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), item: fc.nat(5), add: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const groups = new Groups<number>()
        const model: Record<string, number[]> = { a: [], b: [], c: [] }
        for (const { key, item, add } of steps) {
          const list = model[key]!
          if (add && !list.includes(item)) {
            groups.add(key, item)
            list.push(item)
          } else if (!add) {
            groups.remove(key, item)
            model[key] = list.filter(each => each !== item)
          }
          for (const name of Object.keys(model)) expect([...groups.of(name)]).toEqual(model[name])
          expect(groups.largest.size).toBe(Math.max(...Object.values(model).map(({ length }) => length)))
        }
      }),
    )
  })
})
