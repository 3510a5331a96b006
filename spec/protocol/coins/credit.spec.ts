import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  announce,
  announceBytes,
  closeSession,
  createCredit,
  type Credit,
  creditWindow,
  firstCreditBytes,
  forgive,
  limitOf,
  maxCreditBytes,
  openSession,
  sent,
  settled,
} from '../../../src/protocol/coins/credit.js'

/** As a seeder does after every change: the store records what is announced. */
const told = announce
const announced = (credit: Credit): number => announce(credit).announcedBytes

/** Sends all that one session may, as a sender does that always has more: again whenever its limit grew. */
function exhaust(credit: Credit, session: string): Credit {
  for (let limit = limitOf(credit, session); ; limit = limitOf(credit, session)) {
    const next = told(sent(credit, session, limit))
    if (limitOf(next, session) === limit) return next
    credit = next
  }
}

const accountOf = (servedBytes: number, paidBytes: number, debtSinceMs = 0): Credit =>
  createCredit({ servedBytes, paidBytes, debtSinceMs, balanceBytes: 0 })
const fresh = (servedBytes = 0, paidBytes = 0): Credit => told(openSession(accountOf(servedBytes, paidBytes), 'one'))

function expectBounds(credit: Credit): void {
  const { servedBytes, paidBytes, announcedBytes } = credit
  const window = Math.min(16_000_000, Math.max(1_000_000, Math.floor(paidBytes / 16)))
  expect(servedBytes - paidBytes).toBeLessThanOrEqual(window)
  // What a crash would leave behind: nothing forgotten, little more, and still within the window.
  expect(announcedBytes).toBeGreaterThanOrEqual(servedBytes)
  const ahead = Math.max(262_144, window / 8)
  expect(announcedBytes - servedBytes).toBeLessThanOrEqual(ahead)
  expect(announcedBytes - paidBytes).toBeLessThanOrEqual(window)
}

describe('the credit window', () => {
  it.each([
    ['a key that never paid', 0, 1_000_000],
    ['a key that paid 16 MB', 16_000_000, 1_000_000],
    ['a little more', 16_000_016, 1_000_001],
    ['less than a sixteenth of a byte more', 16_000_015, 1_000_000],
    ['a key that paid 256 MB', 256_000_000, 16_000_000],
    ['a key that paid a terabyte', 1e12, 16_000_000],
  ])('of %s', (_name, paid, window) => {
    expect(creditWindow(paid)).toBe(window)
  })

  it('lets an unknown key take a megabyte, then nothing', () => {
    const credit = exhaust(fresh(), 'one')
    expect(limitOf(credit, 'one')).toBe(firstCreditBytes)
    expect(limitOf(credit, 'two')).toBe(0)
  })

  it('opens again by what is settled', () => {
    const credit = exhaust(fresh(), 'one')
    expect(limitOf(told(settled(credit, 'one', 250_000)), 'one')).toBe(1_250_000)
  })

  it('is 16 MB at most, whatever was paid, over all sessions and those that are over', () => {
    const rich = exhaust(fresh(1e12, 1e12), 'one')
    expect(limitOf(rich, 'one')).toBe(maxCreditBytes)
    const again = exhaust(told(openSession(told(closeSession(rich, 'one')), 'two')), 'two')
    expect(limitOf(again, 'two')).toBe(0)
  })

  it('takes what one session sends off all others', () => {
    const both = told(openSession(fresh(), 'two'))
    const credit = told(sent(both, 'one', 200_000))
    const exhausted = exhaust(credit, 'two')
    expect(['one', 'two'].map(name => limitOf(exhausted, name))).toEqual([200_000, 800_000])
  })

  it('remembers what a session owed that is over, and gives more for a late settlement only', () => {
    const over = told(closeSession(exhaust(fresh(), 'one'), 'one'))
    const again = told(openSession(over, 'two'))
    expect(limitOf(again, 'two')).toBe(0)
    expect(limitOf(told(settled(again, 'one', 300_000)), 'two')).toBeGreaterThan(0)
    expect(limitOf(exhaust(told(settled(again, 'one', 300_000)), 'two'), 'two')).toBe(300_000 + 4_687)
  })

  it('is wider by what was paid ahead', () => {
    const ahead = told(settled(fresh(), 'one', 5_000_000))
    expect(limitOf(exhaust(ahead, 'one'), 'one')).toBe(6_000_000)
  })

  it('counts no byte twice and none of a session that it does not know', () => {
    const credit = told(sent(fresh(), 'one', 1000))
    expect(sent(credit, 'one', 1000)).toBe(credit)
    expect(sent(credit, 'one', 999)).toBe(credit)
    expect(sent(credit, 'two', 5)).toBe(credit)
    expect(settled(credit, 'one', 0)).toBe(credit)
    expect(closeSession(credit, 'two')).toBe(credit)
    expect(openSession(credit, 'one')).toBe(credit)
  })

  it('sends nothing that the store has not recorded, and corrects the store at the end', () => {
    const untold = openSession(accountOf(5, 5), 'one')
    expect(limitOf(untold, 'one')).toBe(0)
    expect(announced(untold)).toBe(5 + announceBytes)
    const credit = told(untold)
    expect(told(credit)).toBe(credit)
    expect(announced(sent(credit, 'one', 1000))).toBe(5 + announceBytes)
    expect(announced(sent(credit, 'one', 200_000))).toBe(5 + 200_000 + announceBytes)
    const over = closeSession(sent(credit, 'one', 1000), 'one')
    expect(announced(over)).toBe(1005)
    expect(told(told(over))).toEqual(told(over))
  })

  it('is whole again for a key that was forgiven, and what it paid ahead stays its own', () => {
    const owing = exhaust(fresh(), 'one')
    expect(forgive(owing)).toMatchObject({ servedBytes: 0, paidBytes: 0 })
    const ahead = settled(fresh(), 'one', 5_000)
    expect(forgive(ahead)).toEqual(ahead)
  })

  const session = fc.constantFrom('one', 'two', 'three')
  const bytes = fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 0, max: 40_000_000 }))
  const operation = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constant('open' as const), session }) },
    { weight: 6, arbitrary: fc.record({ type: fc.constant('send' as const), session, bytes }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('exhaust' as const), session }) },
    { weight: 6, arbitrary: fc.record({ type: fc.constant('settle' as const), session, bytes }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('close' as const), session }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
  )
  type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

  function perform(credit: Credit, step: Operation): Credit {
    switch (step.type) {
      case 'open':
        return told(openSession(credit, step.session))
      case 'send': {
        const before = credit.sessions.get(step.session)?.sentBytes ?? 0
        return told(sent(credit, step.session, Math.min(before + step.bytes, limitOf(credit, step.session))))
      }
      case 'exhaust':
        return exhaust(credit, step.session)
      case 'settle':
        // Also of sessions that are over, and also ahead of what was sent.
        return told(settled(credit, step.session, step.bytes))
      case 'close':
        return told(closeSession(credit, step.session))
      case 'crash':
        return accountOf(credit.announcedBytes, credit.paidBytes)
    }
  }

  it('is kept in any history', () => {
    const paid = fc.constantFrom(0, 20_000_000, 300_000_000, 5_000_000_000)
    fc.assert(
      fc.property(paid, fc.array(operation, { maxLength: 80 }), (paidBytes, steps) => {
        let credit = accountOf(paidBytes, paidBytes)
        for (const step of steps) {
          const before = credit
          credit = perform(credit, step)
          expectBounds(credit)
          for (const [name, { sentBytes }] of credit.sessions) {
            expect(limitOf(credit, name)).toBeGreaterThanOrEqual(sentBytes)
          }
          expect(credit.paidBytes).toBeGreaterThanOrEqual(before.paidBytes)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('gives no more to a thousand sessions than to one', () => {
    const paid = fc.constantFrom(0, 5_000_000, 16_000_000, 40_000_000)
    fc.assert(
      fc.property(paid, fc.boolean(), fc.boolean(), (paidBytes, crashes, atOnce) => {
        let credit = accountOf(paidBytes, paidBytes)
        for (let count = 0; count < 1000; count++) {
          credit = exhaust(told(openSession(credit, `session ${count}`)), `session ${count}`)
          if (crashes && count % 100 === 99) {
            credit = accountOf(credit.announcedBytes, paidBytes)
          } else if (!atOnce) {
            credit = told(closeSession(credit, `session ${count}`))
          }
        }
        expect(credit.servedBytes - paidBytes).toBe(creditWindow(paidBytes))
      }),
      { numRuns: 16 },
    )
  })

  it('never pauses a consumer for good that pays what arrives, with a little lost at each reconnect', () => {
    const lifetime = fc.array(
      fc.record({
        bursts: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 }),
        lost: fc.integer({ min: 0, max: 100 }),
      }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(lifetime, connections => {
        let credit = accountOf(0, 0)
        for (const [index, { bursts, lost }] of connections.entries()) {
          const name = `session ${index}`
          credit = told(openSession(credit, name))
          let paid = 0
          for (const percent of bursts) {
            const before = credit.sessions.get(name)!.sentBytes
            const available = limitOf(credit, name) - before
            expect(available).toBeGreaterThan(0)
            credit = told(sent(credit, name, before + Math.ceil((available * percent) / 100)))
            const owed = credit.sessions.get(name)!.sentBytes - paid
            // Less than the sixteenth of what it pays gets lost when the connection breaks.
            const missing = percent === bursts.at(-1) ? Math.floor((owed * lost) / 100 / 32) : 0
            credit = told(settled(credit, name, owed - missing))
            paid += owed - missing
          }
          credit = told(closeSession(credit, name))
          expectBounds(credit)
        }
        expect(limitOf(told(openSession(credit, 'last')), 'last')).toBeGreaterThan(0)
      }),
      { numRuns: 300 },
    )
  })

  it('delays nobody by updating the store: the whole window can be sent a little at a time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400_000 }), step => {
        let credit = fresh()
        for (let total = 0; total < firstCreditBytes;) {
          const limit = limitOf(credit, 'one')
          expect(limit).toBeGreaterThan(total)
          total = Math.min(total + Math.max(step, 1000), limit)
          credit = told(sent(credit, 'one', total))
        }
        expect(limitOf(credit, 'one')).toBe(firstCreditBytes)
      }),
    )
  })
})
