import { describe, it } from '@jest/globals'
import { EMPTY } from 'rxjs'
import { formatCoins } from '../../../src/protocol/coins/amount.js'
import { unknownWallet, type Wallet, type WalletNews } from '../../../src/protocol/coins/wallet.js'
import type { SignalingEvent } from '../../../src/streams/signaling/signaling.js'
import { walletChanges$ } from '../../../src/streams/coins/wallet.js'
import { hub, key } from '../../support/receipts.js'
import { marbles } from '../../support/marbles.js'
import { signedSettlement } from '../support/coins.js'

const session = (hubKey: string): SignalingEvent => {
  const connection = { send$: () => EMPTY, settle$: () => EMPTY }
  return { type: 'session', session: { hubKey, iceServers: [], head: undefined, connection } }
}
const balance = (bytes: number): SignalingEvent => ({ type: 'balance', bytes })
const settled = (balanceBytes: number, seq: number) => signedSettlement('one', 1, balanceBytes, seq)
const wallet = (balanceBytes: number, atMs: number, seq = 0): Wallet => ({ ...unknownWallet, balanceBytes, atMs, seq })

describe('walletChanges$', () => {
  it('emits what was said last, and when', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const hubEvent$ = hot('--a---|', { a: balance(10) })
      const settled$ = hot('----s-|', { s: settled(4, 7) })
      expectObservable(walletChanges$({ hubEvent$, settled$, lookedUp$: EMPTY, scheduler })).toBe('--a-s-|', {
        a: wallet(10, 2),
        s: wallet(4, 4, 7),
      })
    })
  })

  it('takes of several settlements that of the highest block, in whatever order they come', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const settled$ = hot('abcd|', { a: settled(2, 9), b: settled(3, 8), c: settled(1, 9), d: settled(5, 10) })
      expectObservable(walletChanges$({ hubEvent$: EMPTY, settled$, lookedUp$: EMPTY, scheduler })).toBe('a-cd|', {
        a: wallet(2, 0, 9),
        c: wallet(1, 2, 9),
        d: wallet(5, 3, 10),
      })
    })
  })

  it('counts blocks anew after a sign-in, and knows nothing at another hub', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const hubEvent$ = hot('h-b-h-o|', { h: session(hub), b: balance(50), o: session(key('O')) })
      const settled$ = hot('-s-t---|', { s: settled(2, 900), t: settled(45, 30) })
      expectObservable(walletChanges$({ hubEvent$, settled$, lookedUp$: EMPTY, scheduler })).toBe('hsbt--o|', {
        h: { ...unknownWallet, hubKey: hub },
        s: { ...wallet(2, 1, 900), hubKey: hub },
        b: { ...wallet(50, 2), hubKey: hub },
        t: { ...wallet(45, 3, 30), hubKey: hub },
        o: { ...unknownWallet, hubKey: key('O') },
      })
    })
  })

  it('takes the answer to a question, unless something was said since it was asked', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const lookedUp = (asked: Wallet): WalletNews => ({ type: 'looked-up', balanceBytes: 9, asked })
      const lookedUp$ = hot('a-b|', { a: lookedUp(unknownWallet), b: lookedUp(unknownWallet) })
      expectObservable(walletChanges$({ hubEvent$: EMPTY, settled$: EMPTY, lookedUp$, scheduler })).toBe('a--|', {
        a: wallet(9, 0),
      })
    })
  })

  it('passes over an amount that is none', () => {
    marbles(({ hot, expectObservable, scheduler }) => {
      const settled$ = hot('a|', { a: { ...settled(2, 9), coins: formatCoins(-1) } })
      expectObservable(walletChanges$({ hubEvent$: EMPTY, settled$, lookedUp$: EMPTY, scheduler })).toBe('-|')
    })
  })
})
