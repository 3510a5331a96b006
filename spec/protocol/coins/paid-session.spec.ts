import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  newPaidSession,
  type PaidSessionEvent,
  receiptStep,
  stepPaidSession,
} from '../../../src/protocol/coins/paid-session.js'

const after = (...events: readonly PaidSessionEvent[]) => events.reduce(stepPaidSession, newPaidSession)
const bytes = (receivedBytes: number, payableBytes = receivedBytes): PaidSessionEvent => ({
  type: 'bytes',
  receivedBytes,
  payableBytes,
})
const second: PaidSessionEvent = { type: 'traffic' }

describe('stepPaidSession', () => {
  it('counts what programs have consumed', () => {
    expect(after(bytes(1_800, 600))).toMatchObject({ receivedBytes: 1_800, payableBytes: 600, countableBytes: 600 })
  })

  it('counts all that arrived when programs consume nothing for a second', () => {
    expect(after(bytes(1_800, 600), second, bytes(1_900, 620), second).countableBytes).toBe(620)
    expect(after(bytes(1_800, 600), second, second).countableBytes).toBe(1_800)
  })

  it('takes no second for a pause before there was one', () => {
    expect(after(bytes(5, 0), second).countableBytes).toBe(0)
  })

  it('has receipts due later where settlements are quick', () => {
    const quick = after(bytes(500_000), { type: 'signed', bytes: 500_000 }, bytes(510_000), {
      type: 'settled',
      bytes: 500_000,
    })
    expect([receiptStep(newPaidSession, 0), receiptStep(quick, 0)]).toEqual([500_000, 740_000])
  })

  it('never counts more than was received, nor less than before', () => {
    const grown = fc.tuple(fc.nat(1_000), fc.nat(1_000), fc.boolean())
    fc.assert(
      fc.property(fc.array(grown, { maxLength: 50 }), steps => {
        let session = newPaidSession
        for (const [received, consumed, isSecond] of steps) {
          const before = session.countableBytes
          const receivedBytes = session.receivedBytes + received
          const payableBytes = Math.min(receivedBytes, session.payableBytes + consumed)
          session = stepPaidSession(session, isSecond ? second : bytes(receivedBytes, payableBytes))
          expect(session.countableBytes).toBeGreaterThanOrEqual(Math.max(before, session.payableBytes))
          expect(session.countableBytes).toBeLessThanOrEqual(session.receivedBytes)
        }
      }),
    )
  })
})
