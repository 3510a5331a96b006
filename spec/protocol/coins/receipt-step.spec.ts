import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { creditWindow, maxCreditBytes } from '../../../src/protocol/coins/credit.js'
import { receiptAsked, receiptSettled, receiptStep, unknownLag } from '../../../src/protocol/coins/paid-session.js'

const rich = 1e12

describe('how often a receipt is due', () => {
  it.each([
    [0, 500_000],
    [16_000_000, 500_000],
    [32_000_000, 1_000_000],
    [64_000_000, 2_000_000],
    [256_000_000, 8_000_000],
    [1e12, 8_000_000],
  ])('before any settlement, after %d bytes paid: each %d', (paid, step) => {
    expect(receiptStep(paid)).toBe(step)
  })

  it('is up to three quarters of the window, where little arrives while one is settled', () => {
    expect(receiptStep(rich, { bytes: 0 })).toBe(12_000_000)
    expect(receiptStep(rich, { bytes: 1_000_000 })).toBe(11_000_000)
    expect(receiptStep(0, { bytes: 0 })).toBe(750_000)
  })

  it('comes sooner for what no program has taken, which uses up the window too', () => {
    expect(receiptStep(rich, { bytes: 1_000_000 }, 4_000_000)).toBe(7_000_000)
  })

  it('is an eighth at least, so that nothing makes it a receipt for each message', () => {
    expect(receiptStep(rich, { bytes: 1e9 }, 1e9)).toBe(2_000_000)
    expect(receiptStep(0, { bytes: 1e9 })).toBe(125_000)
  })

  it('leaves a quarter of the window for what is in the channel, or is at its least', () => {
    const bytes = fc.integer({ min: 0, max: 2 * maxCreditBytes })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), bytes, bytes, (paid, lag, untaken) => {
        const window = creditWindow(paid)
        const step = receiptStep(paid, { bytes: lag }, untaken)
        expect(step).toBeGreaterThanOrEqual(Math.floor(window / 8))
        if (step > Math.floor(window / 8)) expect(step + lag + untaken).toBeLessThanOrEqual((3 * window) / 4)
      }),
    )
  })
})

describe('what arrives while a receipt is settled', () => {
  it('is what came between its signature and a settlement of at least as much', () => {
    let lag = receiptAsked(unknownLag, 100, 130)
    lag = receiptSettled(lag, 99, 200)
    expect(lag.bytes).toBeUndefined()
    lag = receiptSettled(lag, 150, 250)
    expect(lag).toEqual({ bytes: 120 })
  })

  it('is measured for one receipt at a time: later ones wait behind it', () => {
    const first = receiptAsked(unknownLag, 100, 100)
    expect(receiptAsked(first, 200, 200)).toBe(first)
  })

  it('grows at once and shrinks by a quarter', () => {
    const measured = (before: number, arrived: number): number | undefined =>
      receiptSettled(receiptAsked({ bytes: before }, 1, 0), 1, arrived).bytes
    expect(measured(100, 400)).toBe(400)
    expect(measured(400, 10)).toBe(300)
    expect(measured(400, 350)).toBe(350)
  })

  it('is not touched by settlements of what was asked before', () => {
    expect(receiptSettled({ bytes: 7 }, 100, 100)).toEqual({ bytes: 7 })
  })
})
