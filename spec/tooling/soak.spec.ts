import { describe, expect, it } from '@jest/globals'
import { random } from '../support/random.js'
import { growthOf, lowest, type MemorySample } from '../../bench/soak/growth.js'

/** Looks every 5 s, with memory of `mb(hours)`. */
const samplesOf = (count: number, mb: (hours: number) => number): readonly MemorySample[] =>
  Array.from({ length: count }, (_, at) => {
    const atMs = at * 5_000
    const bytes = mb(atMs / 3_600_000) * 1e6
    return { atMs, heapUsed: bytes, rss: 2 * bytes }
  })

describe('the growth of memory', () => {
  it('is that of the line through the samples', () => {
    const samples = samplesOf(60, hours => 30 + 12 * hours)
    expect(growthOf(samples, 'heapUsed').mbPerHour).toBeCloseTo(12)
    expect(growthOf(samples, 'heapUsed').error).toBeCloseTo(0)
    expect(growthOf(samples, 'rss').mbPerHour).toBeCloseTo(24)
  })

  it('is uncertain where memory goes up and down, and says how much', () => {
    const chance = random(1)
    const { mbPerHour, error } = growthOf(
      samplesOf(120, () => 30 + 5 * chance()),
      'heapUsed',
    )
    expect(Math.abs(mbPerHour)).toBeLessThan(4 * error)
    expect(error).toBeGreaterThan(1)
  })

  it('does not count what is on the way at a time', () => {
    const busy = samplesOf(60, hours => 30 + (Math.round(hours * 720) % 6 === 0 ? 0 : 20))
    expect(lowest(busy, 6).map(({ heapUsed }) => Math.round(heapUsed / 1e6))).toEqual(Array(10).fill(30))
  })
})

it('chooses its faults by the seed alone', () => {
  const [first, again, other] = [random(7), random(7), random(8)].map(chance => Array.from({ length: 50 }, chance))
  expect(again).toEqual(first)
  expect(other).not.toEqual(first)
  expect(first!.every(value => value >= 0 && value < 1)).toBe(true)
})
