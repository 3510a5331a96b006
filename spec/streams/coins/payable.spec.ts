import { describe, expect, it } from '@jest/globals'
import { defer, type Observable, of, throwError } from 'rxjs'
import type { LighthouseError } from '../../../src/protocol/errors.js'
import type { SpendingLimits } from '../../../src/protocol/coins/spending.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { payable$, unpayable } from '../../../src/streams/coins/payable.js'
import { bob, carol, self } from '../../support/receipts.js'
import { type CoinPeer, coinPeer, playHub, signedReceipt } from '../support/coins.js'
import { virtualTime } from '../support/virtual-time.js'

interface Given {
  readonly wallet?: number
  readonly signed?: number
  readonly limits?: SpendingLimits
}

/** A peer with so much in its wallet, of which so much is signed to bob and not settled. */
function peer({ wallet = 5_000_000, signed = 0, limits = {} }: Given = {}): CoinPeer {
  const time = virtualTime()
  const store = memoryReceipts(self, () => time.scheduler.now())
  if (signed > 0) store.keep(signedReceipt('one', signed, bob, self))
  const hub = playHub(time, {})
  const here = coinPeer(time, hub, self, { store, limits })
  here.hear({ type: 'hub-connection', hub: hub.connection(self) })
  here.hear({ type: 'balance', bytes: wallet })
  return here
}

/** How it ends: the reason, or that there is something to pay with. */
function outcome(
  { payments }: CoinPeer,
  balance$: Observable<unknown> = throwError(() => new Error('away')),
  seeder?: string,
): unknown {
  let result: unknown = 'nothing'
  payable$(payments, balance$, seeder).subscribe({
    next: () => (result = 'payable'),
    error: ({ code, message }: LighthouseError) => (result = [code, message]),
  })
  return result
}

describe('payable$', () => {
  it('says that there is something to pay with, and asks nobody', () => {
    const asked = defer(() => {
      throw new Error('nobody should be asked')
    })
    expect(outcome(peer(), asked)).toBe('payable')
    expect(outcome(peer({ signed: 4_999_999, limits: { peerBytes: 6_000_000 } }), asked, bob)).toBe('payable')
  })

  it('says nothing of a wallet that was never told', () => {
    const { payments } = coinPeer(virtualTime(), playHub(virtualTime(), {}), self)
    expect(unpayable(payments)).toBeUndefined()
  })

  it('refuses with less than one coin', () => {
    expect(outcome(peer({ wallet: 999_999 }))).toEqual(['no-coins', expect.stringContaining('holds 0.999999 coins')])
  })

  it('refuses when all that the wallet holds is signed away', () => {
    expect(outcome(peer({ signed: 5_000_000 }))).toEqual(['no-coins', expect.stringContaining('not settled yet')])
  })

  it.each([
    ['the wallet', { wallet: 0 }],
    ['what is signed', { signed: 5_000_000 }],
  ])('looks again before it refuses for %s: others may have paid in', (_what, state) => {
    const here = peer(state)
    const paidIn$ = here.payments.lookUp$(of(9_000_000))
    expect(outcome(here, paidIn$)).toBe('payable')
  })

  it('refuses at the limit of the day', () => {
    expect(outcome(peer({ signed: 2_000_000, limits: { dayBytes: 2_000_000 } }))).toEqual([
      'spending-limit',
      expect.stringContaining('for a day'),
    ])
  })

  it('refuses at the limit for one peer, and no other', () => {
    const here = peer({ signed: 2_000_000, limits: { peerBytes: 2_000_000 } })
    expect(outcome(here, undefined, bob)).toEqual(['spending-limit', expect.stringContaining('for this peer')])
    expect([outcome(here, undefined, carol), outcome(here)]).toEqual(['payable', 'payable'])
  })
})
