import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  extraWindowOf,
  initialWindowBytes,
  maxWindowBytes,
  nextWindow,
  windowBudgetBytes,
} from '../../../src/protocol/mux/window.js'

const base = { windowBytes: initialWindowBytes, elapsedMs: 10, roundTripMs: 40, spareBytes: windowBudgetBytes }

describe('the receive window', () => {
  it.each([
    ['a slow path', { consumedBytes: 10_000 }, initialWindowBytes],
    ['a fast one, doubling', { consumedBytes: 1_000_000 }, 2 * initialWindowBytes],
    ['rate × five round trips', { consumedBytes: 20_000 }, 400_000],
    ['rate × (2 × round trip + 6 ms) on a short path', { consumedBytes: 400_000, roundTripMs: 1 }, 320_000],
    ['the first millisecond', { consumedBytes: 2000, elapsedMs: 0 }, 400_000],
    ['no budget left', { consumedBytes: 1_000_000, spareBytes: 0 }, initialWindowBytes],
    ['a budget overdrawn', { consumedBytes: 1_000_000, spareBytes: -5 }, initialWindowBytes],
    ['some budget left', { consumedBytes: 1_000_000, spareBytes: 1000 }, initialWindowBytes + 1000],
    ['a large one, idle', { consumedBytes: 1, windowBytes: maxWindowBytes }, (maxWindowBytes / 8) * 7],
    ['the largest', { consumedBytes: 1e8, windowBytes: maxWindowBytes }, maxWindowBytes],
  ])('on %s', (_name, more, expected) => {
    expect(nextWindow({ ...base, ...more })).toBe(expected)
  })

  it('grants nothing less than before, when updated at half the window, and keeps within the budget', () => {
    const update = fc.record({
      stream: fc.nat(9),
      elapsedMs: fc.nat(2000),
      roundTripMs: fc.nat(500),
      more: fc.nat(100),
    })
    fc.assert(
      fc.property(fc.array(update, { maxLength: 300, size: 'max' }), updates => {
        const windows = Array.from({ length: 10 }, () => initialWindowBytes)
        const extra = (): number => windows.reduce((sum, window) => sum + extraWindowOf(window), 0)
        for (const { stream, elapsedMs, roundTripMs, more } of updates) {
          const windowBytes = windows[stream]!
          const consumedBytes = Math.ceil(windowBytes / 2) + more
          const spareBytes = windowBudgetBytes - extra() + extraWindowOf(windowBytes)
          const next = nextWindow({ windowBytes, consumedBytes, elapsedMs, roundTripMs, spareBytes })
          expect(Number.isInteger(next)).toBe(true)
          expect(next).toBeGreaterThanOrEqual(initialWindowBytes)
          expect(next).toBeLessThanOrEqual(Math.min(maxWindowBytes, windowBytes * 2))
          expect(next + consumedBytes).toBeGreaterThanOrEqual(windowBytes)
          windows[stream] = next
          expect(extra()).toBeLessThanOrEqual(windowBudgetBytes)
        }
      }),
    )
  })
})
