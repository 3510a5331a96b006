import { describe, expect, it } from '@jest/globals'
import { NEVER, of, throwError } from 'rxjs'
import { unknownWallet } from '../../../src/protocol/coins/wallet.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { askBalance$, balanceOrLast$ } from '../../../src/streams/peer/balance.js'
import { marbles } from '../../support/marbles.js'

const away = new LighthouseError('hub-unreachable', 'the hub is away')
const last = { ...unknownWallet, balanceBytes: 7, atMs: 1_000 }

describe('askBalance$', () => {
  it('emits what the hub says of this key', () => {
    marbles(({ expectObservable }) => {
      const hub = { balance$: (key: string) => of(key === 'mine' ? 5 : undefined) }
      expectObservable(askBalance$(hub, 'mine')).toBe('(a|)', { a: 5 })
      const unknown = expect.objectContaining({ code: 'not-authenticated' })
      expectObservable(askBalance$(hub, 'new')).toBe('#', undefined, unknown)
    })
  })
})

describe('balanceOrLast$', () => {
  it('emits the hub’s answer, whatever was known', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const answer$ = cold('--a|', { a: 5 })
      expectObservable(balanceOrLast$(answer$, () => last, scheduler)).toBe('--a|', {
        a: { bytes: 5, asOfMs: undefined },
      })
      expectSubscriptions(answer$.subscriptions).toBe('^--!')
    })
  })

  it('emits the last wallet, and of when it is, where the hub is away or silent for 3 s', () => {
    marbles(({ expectObservable, scheduler }) => {
      const known = { a: { bytes: 7, asOfMs: 1_000 } }
      expectObservable(
        balanceOrLast$(
          throwError(() => away),
          () => last,
          scheduler,
        ),
      ).toBe('(a|)', known)
      expectObservable(balanceOrLast$(NEVER, () => last, scheduler)).toBe('3s (a|)', known)
    })
  })

  it('errors where none is known, and where the hub does not know the peer', () => {
    marbles(({ expectObservable, scheduler }) => {
      const nothing = () => unknownWallet
      expectObservable(
        balanceOrLast$(
          throwError(() => away),
          nothing,
          scheduler,
        ),
      ).toBe('#', undefined, away)
      const silent = expect.objectContaining({ code: 'hub-unreachable' })
      expectObservable(balanceOrLast$(NEVER, nothing, scheduler)).toBe('3s #', undefined, silent)
      const unknown = new LighthouseError('not-authenticated', 'register again')
      expectObservable(
        balanceOrLast$(
          throwError(() => unknown),
          () => last,
          scheduler,
        ),
      ).toBe('#', undefined, unknown)
    })
  })
})
