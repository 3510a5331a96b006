import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  announce,
  closeSession,
  createCredit,
  type Credit,
  creditWindow,
  fade,
  fadePaid,
  forgive,
  limitOf,
  openSession,
  sent,
  settled,
} from '../../../src/protocol/coins/credit.js'
import { fadeByPayment, fadeByTime, maxFadeDays } from '../../../src/protocol/coins/fading.js'

const dayMs = 86_400_000
const noon = Date.UTC(2030, 5, 15, 12)

describe('a debt', () => {
  const after = (bytes: number, ms: number) => fadeByTime({ bytes, sinceMs: noon }, noon + ms)

  it.each([
    ['at once', 0, 5_000_000],
    ['within the day', dayMs - 1, 5_000_000],
    ['after a day', dayMs, 4_000_000],
    ['after a day and a half', 1.5 * dayMs, 4_000_000],
    ['after three days', 3 * dayMs, 2_000_000],
    ['after a month', 30 * dayMs, 0],
  ])('fades by a megabyte a day: %s', (_name, ms, left) => {
    expect(after(5_000_000, ms).bytes).toBe(left)
  })

  it('fades as much however often somebody looks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 * dayMs }), { maxLength: 30 }), looks => {
        let debt = { bytes: 1_000_000_000, sinceMs: noon }
        let nowMs = noon
        for (const pause of looks) debt = fadeByTime(debt, (nowMs += pause))
        expect(debt.bytes).toBe(1_000_000_000 - 1_000_000 * Math.floor((nowMs - noon) / dayMs))
      }),
    )
  })

  it('saves up no days while there is none', () => {
    const none = fadeByTime({ bytes: 0, sinceMs: noon }, noon + 20 * dayMs)
    expect(fadeByTime({ ...none, bytes: 5_000_000 }, noon + 20.9 * dayMs).bytes).toBe(5_000_000)
  })

  it('is forgiven for no more than 30 days by a clock that jumps ahead, and then counts from there', () => {
    const jumped = after(1_000_000_000, 3_650 * dayMs)
    expect(jumped).toEqual({ bytes: 970_000_000, sinceMs: noon + 3_650 * dayMs })
    expect(maxFadeDays).toBe(30)
  })

  it('waits for nothing, and fades no faster, when the clock jumps back', () => {
    const back = after(5_000_000, -10 * dayMs)
    expect(back).toEqual({ bytes: 5_000_000, sinceMs: noon - 10 * dayMs })
    expect(fadeByTime(back, noon - 9 * dayMs).bytes).toBe(4_000_000)
  })

  it.each([
    [5_000_000, 63, 5_000_000],
    [5_000_000, 64_000_000, 4_000_000],
    [5_000_000, 1e12, 0],
    [0, 64_000_000, 0],
  ])('of %d fades by a sixty-fourth of what is paid: %d', (debt, paid, left) => {
    expect(fadeByPayment(debt, paid)).toBe(left)
  })
})

describe('the account of a key', () => {
  const account = (servedBytes: number, paidBytes = 0): Credit =>
    createCredit({ servedBytes, paidBytes, debtSinceMs: noon, balanceBytes: 0 })

  it('fades what sessions owe that are over, and not what live ones have not paid yet', () => {
    const owing = openSession(account(3_000_000, 2_500_000), 'one')
    const live = sent(owing, 'one', 400_000)
    expect(fade(live, noon + dayMs)).toMatchObject({ servedBytes: 2_900_000, paidBytes: 2_500_000 })
    // Of what it paid on the way only its own difference counts.
    const paying = settled(live, 'one', 300_000)
    expect(fade(paying, noon + dayMs).servedBytes).toBe(2_900_000)
    const over = closeSession(fade(live, noon + dayMs), 'one')
    expect(fade(over, noon + 1.9 * dayMs).servedBytes).toBe(2_900_000)
    expect(fade(over, noon + 2 * dayMs).servedBytes).toBe(2_500_000)
  })

  it('fades by what is paid, in a session that lives or one that is over', () => {
    expect(settled(account(1_000_000), 'one', 640_000)).toMatchObject({ servedBytes: 990_000, paidBytes: 640_000 })
    const live = sent(openSession(account(1_000_000), 'one'), 'one', 640_000)
    expect(settled(live, 'one', 640_000)).toMatchObject({ servedBytes: 1_630_000, paidBytes: 640_000 })
    expect(fadePaid(account(1_000_000, 640_000), 640_000).servedBytes).toBe(990_000)
  })

  it('has nothing that fades once it was forgiven, and gives nothing back', () => {
    const live = forgive(sent(openSession(account(900_000), 'one'), 'one', 50_000))
    expect(fade(live, noon + 5 * dayMs)).toMatchObject({ servedBytes: 0, paidBytes: 0 })
  })

  it('puts right on disk what has faded', () => {
    const live = announce(sent(openSession(account(16_000_000, 15_000_000), 'one'), 'one', 1_000))
    const faded = announce(settled(live, 'one', 32_000_000))
    expect(faded.announcedBytes - faded.servedBytes).toBeLessThanOrEqual(500_000)
    expect(faded.announcedBytes).toBeGreaterThanOrEqual(faded.servedBytes)
  })

  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('take' as const), name: fc.constantFrom('one', 'two') }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('close' as const), name: fc.constantFrom('one', 'two') }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant('pay' as const),
        name: fc.constantFrom('one', 'two', 'over'),
        bytes: fc.integer({ min: 1, max: 30_000_000 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat({ max: 4 * dayMs }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
    // Of the seeder's own clock: to any time at all.
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('jump' as const), ms: fc.integer({ min: -1e12, max: 1e12 }) }),
    },
  )

  it('gives a key in any history what it pays, its window, a megabyte a day and a sixty-fourth of what it pays', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 40_000_000, 5e9), fc.array(step, { maxLength: 80 }), (paidBefore, steps) => {
        let credit = account(paidBefore, paidBefore)
        let [nowMs, days, taken, paid] = [noon, 0, 0, 0]
        for (const next of steps) {
          credit = fade(credit, nowMs)
          if (next.type === 'take') {
            credit = announce(openSession(credit, next.name))
            const before = credit.sessions.get(next.name)!.sentBytes
            const limit = limitOf(credit, next.name)
            taken += limit - before
            credit = announce(sent(credit, next.name, limit))
          } else if (next.type === 'close') {
            credit = announce(closeSession(credit, next.name))
          } else if (next.type === 'pay') {
            paid += next.bytes
            credit = announce(settled(credit, next.name, next.bytes))
          } else if (next.type === 'wait') {
            nowMs += next.ms
            days += Math.ceil(next.ms / dayMs)
          } else if (next.type === 'jump') {
            nowMs += next.ms
            days += maxFadeDays
          } else {
            credit = account(credit.announcedBytes, credit.paidBytes)
          }
          const bound = creditWindow(paidBefore + paid) + days * 1_000_000 + paid / 64
          expect(taken - paid).toBeLessThanOrEqual(bound)
        }
      }),
      { numRuns: 500 },
    )
  })
})
