import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { setBounded } from '../../src/protocol/bounded-map.js'

const filled = (maxEntries: number, ...keys: string[]): Map<string, number> => {
  const map = new Map<string, number>()
  for (const [index, key] of keys.entries()) setBounded(map, key, index, maxEntries)
  return map
}

describe('setBounded', () => {
  it('keeps all until there is one too many, then forgets the oldest', () => {
    expect([...filled(3, 'a', 'b', 'c').keys()]).toEqual(['a', 'b', 'c'])
    expect([...filled(3, 'a', 'b', 'c', 'd').keys()]).toEqual(['b', 'c', 'd'])
  })

  it('makes what is set again the newest, and forgets nothing for it', () => {
    expect([...filled(3, 'a', 'b', 'c', 'a')]).toEqual([
      ['b', 1],
      ['c', 2],
      ['a', 3],
    ])
    expect([...filled(3, 'a', 'b', 'c', 'a', 'd').keys()]).toEqual(['c', 'a', 'd'])
  })

  it('forgets a key that is undefined like any other', () => {
    const map = new Map<string | undefined, number>()
    setBounded(map, undefined, 1, 1)
    setBounded(map, 'a', 2, 1)
    expect([...map]).toEqual([['a', 2]])
  })

  it('holds the newest value of each of the keys that were set last', () => {
    const sets = fc.array(fc.tuple(fc.nat(12), fc.nat()), { maxLength: 60 })
    fc.assert(
      fc.property(sets, fc.integer({ min: 1, max: 8 }), (entries, maxEntries) => {
        const map = new Map<number, number>()
        for (const [key, value] of entries) {
          setBounded(map, key, value, maxEntries)
          expect(map.size).toBeLessThanOrEqual(maxEntries)
        }
        const last = entries.filter(([key], index) => !entries.slice(index + 1).some(([later]) => later === key))
        expect([...map]).toEqual(last.slice(-maxEntries))
      }),
    )
  })
})
