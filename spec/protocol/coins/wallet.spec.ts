import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { formatCoins } from '../../../src/protocol/coins/amount.js'
import { newer, unknownWallet, type Wallet, type WalletNews } from '../../../src/protocol/coins/wallet.js'

const signedIn = (hubKey?: string): WalletNews => ({
  type: 'hub-connection',
  hub: hubKey === undefined ? undefined : { hubKey },
})
const balance = (bytes: number): WalletNews => ({ type: 'balance', bytes })
const settled = (bytes: number, seq: number, coins = formatCoins(bytes)): WalletNews => {
  const settlement = { session: 's', bytes: 1, coins, seq, hash: '', signature: '' }
  return { type: 'settled', settlement }
}

/** The wallet after each of them, a millisecond apart. */
function after(...news: readonly WalletNews[]): readonly Wallet[] {
  let wallet = unknownWallet
  return news.map((each, index) => (wallet = newer(wallet, each, index)))
}
const balances = (...news: readonly WalletNews[]) => after(...news).map(({ balanceBytes }) => balanceBytes)

describe('a wallet', () => {
  it('is the newest report, and its time', () => {
    expect(after(signedIn('H'), balance(10), settled(4, 7))).toEqual([
      { ...unknownWallet, hubKey: 'H' },
      { hubKey: 'H', balanceBytes: 10, atMs: 1, seq: 0 },
      { hubKey: 'H', balanceBytes: 4, atMs: 2, seq: 7 },
    ])
  })

  it('is of several settlements that of the highest block, in whatever order they come', () => {
    expect(balances(settled(2, 9), settled(3, 8), settled(1, 9), settled(5, 10))).toEqual([2, 2, 1, 5])
  })

  it('counts blocks anew after a sign-in', () => {
    expect(balances(settled(2, 900), balance(50), settled(45, 30))).toEqual([2, 50, 45])
  })

  it('is unknown at another hub, and stays known while this one is away', () => {
    expect(balances(signedIn('H'), balance(5), signedIn(), signedIn('H'), signedIn('O'))).toEqual([
      undefined,
      5,
      5,
      5,
      undefined,
    ])
  })

  it('is the answer to a question, unless something newer was received since', () => {
    const known = newer(unknownWallet, balance(4), 0)
    const answer = (asked: Wallet): WalletNews => ({ type: 'looked-up', bytes: 9, asked })
    expect(newer(known, answer(known), 1)).toMatchObject({ balanceBytes: 9, atMs: 1 })
    expect(newer(known, answer(unknownWallet), 1)).toBe(known)
  })

  it('passes over an amount that is none', () => {
    expect(balances(balance(4), settled(0, 9, '-1'))).toEqual([4, 4])
  })

  it('comes to the same for settlements in any order', () => {
    const seqs = fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(
        seqs.chain(all => fc.shuffledSubarray(all, { minLength: all.length })),
        all => expect(balances(...all.map(seq => settled(seq, seq))).at(-1)).toBe(Math.max(...all)),
      ),
    )
  })
})
