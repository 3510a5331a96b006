/** What a key may owe while the hub is away. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  announce,
  closeSession,
  createCredit,
  type Credit,
  creditWindow,
  limitOf,
  maxTrustBytes,
  openSession,
  sent,
  settled,
} from '../../../src/protocol/coins/credit.js'

const accountOf = (paidBytes: number, balanceBytes: number): Credit =>
  createCredit({ servedBytes: paidBytes, paidBytes, debtSinceMs: 0, balanceBytes })

/** All that a session may send, as a sender does that always has more. */
function exhaust(credit: Credit, session: string, isAway: boolean): Credit {
  for (let now = announce(credit, isAway); ;) {
    const next = announce(sent(now, session, limitOf(now, session, isAway)), isAway)
    if (next.servedBytes === now.servedBytes && limitOf(next, session, isAway) === limitOf(now, session, isAway))
      return next
    now = next
  }
}

describe('what a key may owe while the hub is away', () => {
  const owed = (paid: number, balance: number, promisedBytes: number, isAway = true): number => {
    const credit = openSession({ ...accountOf(paid, balance), promisedBytes }, 'one')
    return limitOf(exhaust(credit, 'one', isAway), 'one', isAway)
  }

  it.each([
    ['a key that never paid, whatever it signs', 0, 1e9, 1e9, 1_000_000],
    ['a key that signs nothing', 50_000_000, 1e9, 0, 3_125_000],
    ['its window beyond what it signed', 50_000_000, 1e9, 10_000_000, 13_125_000],
    ['as much again as it has paid', 50_000_000, 1e9, 60_000_000, 50_000_000],
    ['what its wallet held', 50_000_000, 20_000_000, 60_000_000, 20_000_000],
    ['its window, where its wallet held less', 50_000_000, 2_000_000, 60_000_000, 3_125_000],
    ['where the hub never told of its wallet', 50_000_000, 0, 60_000_000, 3_125_000],
    ['a gigabyte at most', 5e9, 5e9, 5e9, 1_000_000_000],
    ['less than a window that was paid', 600_000, 1e9, 1e9, 1_000_000],
  ])('is bounded: %s', (_name, paid, balance, promised, most) => {
    expect(owed(paid, balance, promised)).toBe(most)
    expect(owed(paid, balance, promised, false)).toBe(creditWindow(paid))
  })

  it('is used up by what is settled of it, and paid counts from then on', () => {
    const credit = openSession({ ...accountOf(50_000_000, 1e9), promisedBytes: 30_000_000 }, 'one')
    const later = settled(exhaust(credit, 'one', true), 'one', 30_000_000)
    expect(later).toMatchObject({ promisedBytes: 0, paidBytes: 80_000_000 })
    expect(settled(later, 'two', 5).promisedBytes).toBe(0)
  })

  const session = fc.constantFrom('one', 'two')
  const bytes = fc.integer({ min: 0, max: 200_000_000 })
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('take' as const), session }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('close' as const), session }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant('sign' as const), bytes }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('settle' as const), session, bytes, balance: bytes }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('hub' as const), isAway: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('refuse' as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
  )

  it('is in any history at most its window, or once what it had paid, what its wallet held, and a gigabyte', () => {
    const start = fc.record({ paid: fc.constantFrom(0, 3_000_000, 90_000_000, 4e9), balance: bytes })
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 100 }), ({ paid, balance }, steps) => {
        let credit = accountOf(paid, balance)
        let [isAway, trust] = [false, 0]
        for (const next of steps) {
          const before = credit
          if (next.type === 'take') credit = exhaust(openSession(credit, next.session), next.session, isAway)
          else if (next.type === 'close') credit = announce(closeSession(credit, next.session), isAway)
          else if (next.type === 'sign') credit = { ...credit, promisedBytes: credit.promisedBytes + next.bytes }
          else if (next.type === 'settle') {
            credit = { ...settled(credit, next.session, next.bytes), balanceBytes: next.balance }
          } else if (next.type === 'refuse') credit = { ...credit, balanceBytes: 0 }
          else if (next.type === 'crash') {
            const { announcedBytes, promisedBytes } = credit
            credit = { ...createCredit({ ...credit, servedBytes: announcedBytes }), promisedBytes }
          } else isAway = next.isAway
          credit = announce(credit, isAway)

          trust = Math.max(trust, Math.min(credit.paidBytes, credit.balanceBytes, maxTrustBytes))
          const owes = credit.servedBytes - credit.paidBytes
          const window = creditWindow(credit.paidBytes)
          expect(owes).toBeLessThanOrEqual(Math.max(window, trust))
          // With the hub there nobody gets beyond the window. A crash gives nothing: it counts what was announced before as sent.
          const isGiven = next.type !== 'crash' && owes > before.servedBytes - before.paidBytes
          if (!isAway && isGiven) expect(owes).toBeLessThanOrEqual(window)
          // What is on disk is never less than what was sent, nor beyond the bound.
          expect(credit.announcedBytes).toBeGreaterThanOrEqual(credit.servedBytes)
          expect(credit.announcedBytes - credit.paidBytes).toBeLessThanOrEqual(Math.max(window, trust))
        }
      }),
      { numRuns: 500 },
    )
  })
})
