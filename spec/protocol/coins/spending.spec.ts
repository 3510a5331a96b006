import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { signable, type Spending } from '../../../src/protocol/coins/spending.js'

const base: Spending = {
  receivedBytes: 5000,
  signedBytes: 1000,
  walletBytes: 100_000,
  unsettledBytes: 1000,
  signedTodayBytes: 1000,
  signedForPeerBytes: 1000,
  limits: {},
}

describe('what may be signed', () => {
  it.each<[string, Partial<Spending>, number, string?]>([
    ['all that was received', {}, 5000],
    ['nothing new', { receivedBytes: 1000 }, 1000],
    ['never less than before', { receivedBytes: 10 }, 1000],
    ['what the wallet holds', { walletBytes: 3000 }, 3000, 'no-coins'],
    ['exactly what the wallet holds', { walletBytes: 5000 }, 5000],
    ['an empty wallet', { walletBytes: 0, unsettledBytes: 0 }, 1000, 'no-coins'],
    ['a wallet that is spoken for', { walletBytes: 3000, unsettledBytes: 9000 }, 1000, 'no-coins'],
    ['an empty wallet and nothing wanted', { receivedBytes: 1000, walletBytes: 0 }, 1000],
    ['a limit for the connection', { limits: { connectionBytes: 2500 } }, 2500, 'spending-limit'],
    ['a limit for the day', { limits: { dayBytes: 2000 }, signedTodayBytes: 1700 }, 1300, 'spending-limit'],
    ['a limit for the peer', { limits: { peerBytes: 9000 }, signedForPeerBytes: 8999 }, 1001, 'spending-limit'],
    ['a limit that is passed', { limits: { dayBytes: 500 } }, 1000, 'spending-limit'],
    ['a limit of nothing', { limits: { connectionBytes: 0 } }, 1000, 'spending-limit'],
    [
      'the tightest limit',
      { limits: { connectionBytes: 4000, dayBytes: 1001, peerBytes: 3000 } },
      1001,
      'spending-limit',
    ],
    ['the wallet under a limit', { limits: { dayBytes: 4000 }, walletBytes: 2500 }, 2500, 'no-coins'],
    ['a limit under the wallet', { limits: { dayBytes: 2000 }, walletBytes: 3500 }, 2000, 'spending-limit'],
    ['both at once', { limits: { dayBytes: 2000 }, walletBytes: 2000 }, 2000, 'spending-limit'],
    ['limits that are not reached', { limits: { connectionBytes: 5000, dayBytes: 5000, peerBytes: 5000 } }, 5000],
  ])('%s', (...[_name, more, bytes, stop]) => {
    expect(signable({ ...base, ...more })).toEqual({ bytes, stop })
  })

  it('is beyond nothing, and less than what was received only for a reason', () => {
    const amount = fc.integer({ min: 0, max: 20_000 })
    const limit = fc.option(amount, { nil: undefined })
    const spending = fc.record({
      receivedBytes: amount,
      signedBytes: amount,
      walletBytes: amount,
      unsettledBytes: amount,
      signedTodayBytes: amount,
      signedForPeerBytes: amount,
      limits: fc.record({ connectionBytes: limit, dayBytes: limit, peerBytes: limit }),
    })
    fc.assert(
      fc.property(spending, given => {
        const { bytes, stop } = signable(given)
        const more = bytes - given.signedBytes
        expect(more).toBeGreaterThanOrEqual(0)
        if (more > 0) {
          const { connectionBytes = Infinity, dayBytes = Infinity, peerBytes = Infinity } = given.limits
          expect(bytes).toBeLessThanOrEqual(given.receivedBytes)
          expect(given.unsettledBytes + more).toBeLessThanOrEqual(given.walletBytes)
          expect(bytes).toBeLessThanOrEqual(connectionBytes)
          expect(given.signedTodayBytes + more).toBeLessThanOrEqual(dayBytes)
          expect(given.signedForPeerBytes + more).toBeLessThanOrEqual(peerBytes)
        }
        expect(stop !== undefined).toBe(bytes < given.receivedBytes)
      }),
      { numRuns: 1000 },
    )
  })
})
