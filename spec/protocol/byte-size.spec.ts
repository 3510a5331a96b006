import { describe, expect, it } from '@jest/globals'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { formatBytes, parseBytes } from '../../src/protocol/byte-size.js'

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** What a text stands for. */
function read(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d)?) (\w+)$/.exec(text)!
  return Number(number) * 1000 ** units.indexOf(unit!)
}

const anySize = fc.oneof(
  fc.maxSafeNat(),
  // Around the places where the unit changes.
  fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -100, max: 100 })).map(([power, parts]) => {
    return Math.max(0, Math.round(1000 ** power * (1 + parts / 10_000)))
  }),
  fc.double({ min: 0, max: 1e15, noNaN: true }),
)

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [999.5, '1.0 kB'],
    [1000, '1.0 kB'],
    [80_476, '80.5 kB'],
    [999_949, '999.9 kB'],
    [999_960, '1.0 MB'],
    [1_536_000, '1.5 MB'],
    [999_999_999, '1.0 GB'],
    [10 ** 15, '1.0 PB'],
    [Number.MAX_SAFE_INTEGER, '9.0 PB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it('never shows a thousand of a unit, and is off by less than the last digit', () => {
    fc.assert(
      fc.property(anySize, bytes => {
        const text = formatBytes(bytes)
        expect(text).toMatch(/^(\d{1,3} B|\d{1,3}\.\d (kB|MB|GB|TB|PB))$/)
        expect(Math.abs(read(text) - bytes)).toBeLessThanOrEqual(bytes < 999.5 ? 0.5 : bytes * 0.0501)
      }),
    )
  })

  it('is monotonic', () => {
    fc.assert(
      fc.property(anySize, anySize, (a, b) => {
        const [less, more] = a < b ? [a, b] : [b, a]
        expect(read(formatBytes(less))).toBeLessThanOrEqual(read(formatBytes(more)))
      }),
    )
  })

  it('uses nothing from outside, since its text is a part of the dashboard', () => {
    expect(runInNewContext(`(${formatBytes.toString()})(999960)`)).toBe('1.0 MB')
  })
})

describe('parseBytes', () => {
  it.each<[string, number | undefined]>([
    ['0', 0],
    ['1500', 1_500],
    ['500MB', 500_000_000],
    ['1.5 gb', 1_500_000_000],
    [' 2TB ', 2e12],
    ['0.001 kB', 1],
    ['', undefined],
    ['MB', undefined],
    ['-1', undefined],
    ['1e9', undefined],
    ['1 PB', undefined],
    ['10000000 GB', undefined],
  ])('%j is %p', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  it('reads what formatBytes writes, to its last digit', () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 31).map(bytes => bytes * 400),
        bytes => {
          const text = formatBytes(bytes)
          expect(formatBytes(parseBytes(text)!)).toBe(text)
        },
      ),
    )
  })
})
