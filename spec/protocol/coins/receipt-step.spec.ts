import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { creditWindow, maxCreditBytes } from '../../../src/protocol/coins/credit.js'
import {
  newPaidSession,
  type PaidSession,
  receiptStep,
  stepPaidSession,
} from '../../../src/protocol/coins/paid-session.js'

const rich = 1e12

/** The step after so much was paid, where so much arrives while a receipt is settled and so much was not taken. */
const step = (paid: number, lagBytes?: number, untaken = 0): number =>
  receiptStep({ ...newPaidSession, lagBytes, receivedBytes: untaken }, paid)

const received = (session: PaidSession, receivedBytes: number): PaidSession =>
  stepPaidSession(session, { type: 'bytes', receivedBytes, payableBytes: receivedBytes })
/** A receipt is signed when so much has been received. */
const asked = (session: PaidSession, bytes: number, receivedBytes: number): PaidSession =>
  stepPaidSession(received(session, receivedBytes), { type: 'signed', bytes })
const settled = (session: PaidSession, bytes: number, receivedBytes: number): PaidSession =>
  stepPaidSession(received(session, receivedBytes), { type: 'settled', bytes })

describe('how often a receipt is due', () => {
  it.each([
    [0, 500_000],
    [16_000_000, 500_000],
    [32_000_000, 1_000_000],
    [64_000_000, 2_000_000],
    [256_000_000, 8_000_000],
    [1e12, 8_000_000],
  ])('before any settlement, after %d bytes paid: each %d', (paid, due) => {
    expect(step(paid)).toBe(due)
  })

  it('is up to three quarters of the window, where little arrives while one is settled', () => {
    expect(step(rich, 0)).toBe(12_000_000)
    expect(step(rich, 1_000_000)).toBe(11_000_000)
    expect(step(0, 0)).toBe(750_000)
  })

  it('comes sooner for what no program has consumed, which uses up the window too', () => {
    expect(step(rich, 1_000_000, 4_000_000)).toBe(7_000_000)
  })

  it('is an eighth at least, so that nothing makes it a receipt for each message', () => {
    expect(step(rich, 1e9, 1e9)).toBe(2_000_000)
    expect(step(0, 1e9)).toBe(125_000)
  })

  it('leaves a quarter of the window for what is in the channel, or is at its least', () => {
    const bytes = fc.integer({ min: 0, max: 2 * maxCreditBytes })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), bytes, bytes, (paid, lag, untaken) => {
        const window = creditWindow(paid)
        const due = step(paid, lag, untaken)
        expect(due).toBeGreaterThanOrEqual(Math.floor(window / 8))
        if (due > Math.floor(window / 8)) expect(due + lag + untaken).toBeLessThanOrEqual((3 * window) / 4)
      }),
    )
  })
})

describe('what arrives while a receipt is settled', () => {
  it('is what came between its signature and a settlement of at least as much', () => {
    let session = asked(newPaidSession, 100, 130)
    session = settled(session, 99, 200)
    expect(session.lagBytes).toBeUndefined()
    session = settled(session, 150, 250)
    expect([session.lagBytes, session.asked]).toEqual([120, undefined])
  })

  it('is measured for one receipt at a time: later ones wait behind it', () => {
    const first = asked(newPaidSession, 100, 100)
    expect(asked(first, 200, 200).asked).toBe(first.asked)
  })

  it('grows at once and shrinks by a quarter', () => {
    const measured = (before: number, arrived: number): number | undefined =>
      settled(asked({ ...newPaidSession, lagBytes: before }, 1, 0), 1, arrived).lagBytes
    expect(measured(100, 400)).toBe(400)
    expect(measured(400, 10)).toBe(300)
    expect(measured(400, 350)).toBe(350)
  })

  it('is not touched by settlements of what was asked before', () => {
    expect(settled({ ...newPaidSession, lagBytes: 7 }, 100, 100).lagBytes).toBe(7)
  })
})
