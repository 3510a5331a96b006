import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, defer, EMPTY, NEVER, type Observable, of, switchMap, throwError } from 'rxjs'
import type { SignedReceipt } from '../../../src/protocol/coins/receipt.js'
import type { LedgerHead } from '../../../src/protocol/signaling/signal.js'
import { missedPayments$ } from '../../../src/streams/coins/missed-payments.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { newKeys, smallLedger } from '../../support/ledger.js'
import { virtualTime } from '../support/virtual-time.js'

/** B of the small ledger, which knew it up to block 3 and was away while a and c paid it. */
function scene(ledger$?: () => Observable<readonly string[]>) {
  const { ledger, people } = smallLedger()
  const [a, b, c] = people
  const hubKey = ledger.hub.pubKey
  const time = virtualTime()
  const store = memoryReceipts(b.pubKey)
  store.keepHead(hubKey, ledger.head(3))
  const asked: number[] = []
  const hubConnection$ = new BehaviorSubject<{ hubKey: string; head: LedgerHead | undefined } | undefined>(undefined)
  const hub = {
    ledger$: (after: number) =>
      defer(() => {
        asked.push(after)
        return ledger$?.() ?? of(ledger.lines().slice(after, after + 2), ledger.lines().slice(after + 2))
      }),
  }
  const missed: SignedReceipt[] = []
  const options = { hub, store, scheduler: time.scheduler }
  const subscription = hubConnection$
    .pipe(switchMap(connection => (connection === undefined ? EMPTY : missedPayments$(connection, options))))
    .subscribe(receipt => missed.push(receipt))
  return {
    ...{ ledger, store, asked, missed, time, subscription },
    owe(session: string, consumer = a): void {
      store.open({ session, seeder: b.pubKey, consumer: consumer.pubKey })
      store.serve(consumer.pubKey, 2_000_000, 0)
    },
    other: c,
    signIn: () => hubConnection$.next({ hubKey, head: ledger.head() }),
    signOut: () => hubConnection$.next(undefined),
  }
}

describe('missedPayments$', () => {
  it('finds what a key that owes paid in sessions of which no receipt came, from the head of the time before', () => {
    const { ledger, owe, signIn, missed, asked } = scene()
    owe('session-of-a-and-b')
    signIn()
    expect(asked).toEqual([3])
    expect(missed).toEqual([ledger.entries[3]!.receipt, ledger.entries[5]!.receipt])
  })

  it('asks nothing where nobody owes, where a receipt is held, and while it is signed out', () => {
    const { ledger, store, owe, signIn, signOut, asked, other } = scene()
    signIn()
    signOut()
    owe('session-of-c-and-b', other)
    store.keep(ledger.entries[4]!.receipt!)
    signIn()
    signOut()
    expect(asked).toEqual([])
  })

  it('reads ten thousand blocks at most, and none behind the head', () => {
    const { ledger, owe, signIn, missed, asked, store } = scene()
    const key = newKeys().pubKey
    for (let seq = 8; seq <= 10_010; seq += 1) ledger.entries.push({ ...ledger.entries[0]!, seq, to: key })
    owe('session-of-a-and-b')
    const head = ledger.head(10_010)
    store.keepHead(ledger.hub.pubKey, head)
    signIn()
    expect([asked, missed]).toEqual([[10], []])
  })

  it.each<[string, () => Observable<readonly string[]>]>([
    ['fails', () => throwError(() => new Error('down'))],
    ['gives out what is no block', () => of(['{}', '{}'])],
  ])('finds nothing at a hub that %s, and looks again at the next sign-in', (_what, ledger$) => {
    const { owe, signIn, signOut, missed, asked } = scene(ledger$)
    owe('session-of-a-and-b')
    signIn()
    signOut()
    signIn()
    expect([missed, asked.length]).toEqual([[], 2])
  })

  it('gives a hub a minute, and holds nothing afterwards', () => {
    const { owe, signIn, time, subscription, asked } = scene(() => NEVER)
    owe('session-of-a-and-b')
    signIn()
    expect([asked.length, time.pending()]).toEqual([1, 1])
    time.advance(60_000)
    expect(time.pending()).toBe(0)
    subscription.unsubscribe()
  })
})
