import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { maxRanges, parseRanges } from '../../../src/protocol/http/range.js'

const whole = 'whole'
const unsatisfiable = 'unsatisfiable'

describe('parseRanges', () => {
  it.each([
    ['bytes=0-0', [[0, 0]]],
    ['bytes=0-', [[0, 99]]],
    ['bytes=99-', [[99, 99]]],
    ['bytes=10-19', [[10, 19]]],
    ['bytes=10-1000', [[10, 99]]],
    [`bytes=10-${'9'.repeat(400)}`, [[10, 99]]],
    ['bytes=-1', [[99, 99]]],
    ['bytes=-1000', [[0, 99]]],
    ['BYTES=1-2', [[1, 2]]],
    [
      'bytes= 1-2 , 5-6',
      [
        [1, 2],
        [5, 6],
      ],
    ],
    [
      'bytes=1-2,,5-6,',
      [
        [1, 2],
        [5, 6],
      ],
    ],
    [
      'bytes=50-59,0-9',
      [
        [50, 59],
        [0, 9],
      ],
    ],
    ['bytes=0-9,200-300', [[0, 9]]],
    ['bytes=0-9,5-14', [[0, 14]]],
    ['bytes=0-9,10-19', [[0, 19]]],
    ['bytes=90-99,0-9,5-91', [[0, 99]]],
    ['bytes=0-,0-,0-,0-', [[0, 99]]],
    ['bytes=100-', unsatisfiable],
    ['bytes=100-200,300-', unsatisfiable],
    [`bytes=${'9'.repeat(400)}-`, unsatisfiable],
    ['bytes=-0', unsatisfiable],
    ['', whole],
    ['bytes', whole],
    ['bytes=', whole],
    ['bytes=,', whole],
    ['bytes=-', whole],
    ['bytes=a-b', whole],
    ['bytes=5-4', whole],
    ['bytes=0-9,x', whole],
    ['bytes=--5', whole],
    ['bytes=1-2-3', whole],
    ['bytes=0x1-2', whole],
    ['bytes=1.5-2', whole],
    ['bytes=+1-2', whole],
    ['items=0-9', whole],
    ['bytes=0-0;bytes=1-1', whole],
  ])('%s of 100', (header, expected) => {
    const ranges = typeof expected === 'string' ? expected : expected.map(([start, end]) => ({ start, end }))
    expect(parseRanges(header, 100)).toEqual(ranges)
  })

  it.each([
    ['bytes=0-', unsatisfiable],
    ['bytes=0-0', unsatisfiable],
    ['bytes=-0', unsatisfiable],
    ['bytes=-5', whole],
  ])('%s of an empty file: %s', (header, expected) => {
    expect(parseRanges(header, 0)).toBe(expected)
  })

  it('honours so many ranges and no more', () => {
    const header = (count: number): string => `bytes=${Array.from({ length: count }, (_, i) => `${i * 2}-${i * 2}`)}`
    expect(parseRanges(header(maxRanges), 10_000)).toHaveLength(maxRanges)
    expect(parseRanges(header(maxRanges + 1), 10_000)).toBe(whole)
  })

  it('gives ranges that lie inside, do not touch, and hold exactly the bytes asked for', () => {
    const bound = fc.nat(60)
    const range = fc.oneof(
      fc.tuple(bound, bound).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
      bound.map(a => `${a}-`),
      bound.map(a => `-${a}`),
    )
    const asked = (text: string, size: number): readonly number[] => {
      const [first = '', last = ''] = text.split('-')
      const bytes = Array.from({ length: size }, (_, index) => index)
      if (first === '') return bytes.slice(Math.max(0, size - Number(last)))
      return bytes.filter(index => index >= Number(first) && (last === '' || index <= Number(last)))
    }
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (texts, size) => {
        const expected = new Set(texts.flatMap(text => asked(text, size)))
        const ranges = parseRanges(`bytes=${texts.join(',')}`, size)
        if (expected.size === 0) return ranges === unsatisfiable
        if (typeof ranges === 'string') return false
        const bytes = ranges.flatMap(({ start, end }) => Array.from({ length: end - start + 1 }, (_, i) => start + i))
        const touching = ranges.some(a => ranges.some(b => a.end + 1 === b.start))
        return !touching && bytes.length === expected.size && bytes.every(byte => expected.has(byte))
      }),
      { numRuns: 2000 },
    )
  })

  it('returns for any text', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (text, size) => {
        parseRanges(text, size)
        parseRanges(`bytes=${text}`, size)
      }),
    )
  })
})
