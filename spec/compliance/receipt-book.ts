import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, type Observable, ReplaySubject, type Subscription } from 'rxjs'
import type { ReceiptBook } from '../../src/ports.js'
import {
  bob,
  carol,
  head,
  hub,
  key,
  noon,
  receipt,
  self,
  sessionOf,
  settlement,
  signature,
} from '../support/receipts.js'

/** What every receipt book has to do. `book$` opens a fresh, empty one of `self` on each subscription. */
export function describeReceiptBook(name: string, book$: (now: () => number) => Observable<ReceiptBook>): void {
  describe(`${name} as a receipt book`, () => {
    let subscription: Subscription
    let book: ReceiptBook
    let now: number
    beforeEach(async () => {
      now = noon
      const opened$ = new ReplaySubject<ReceiptBook>(1)
      subscription = book$(() => now).subscribe(opened$)
      book = await firstValueFrom(opened$)
    })
    afterEach(() => subscription.unsubscribe())

    it('is empty at first', () => {
      expect(book.due(10)).toEqual([])
      expect(book.receipt(sessionOf('one'))).toBeUndefined()
      expect(book.parties(sessionOf('one'))).toBeUndefined()
      expect(book.settlement(sessionOf('one'))).toBeUndefined()
      expect([...book.settlements()]).toEqual([])
      expect(book.account(bob)).toEqual({ servedBytes: 0, paidBytes: 0 })
      expect([book.signedSince(0), book.signedFor(bob), book.unsettledBytes(self, hub)]).toEqual([0, 0, 0])
      expect([book.headsAt(hub, 1), book.newestHead(hub)]).toEqual([[], undefined])
    })

    it.each([
      ['consumer', { seeder: bob }],
      ['seeder', { consumer: bob }],
    ])('keeps the highest receipt of a session as %s', (_role, parties) => {
      book.keep(receipt('one', 500, parties))
      book.keep({ ...receipt('one', 900, parties), signature: signature('n') })
      book.keep(receipt('one', 900, parties))
      book.keep(receipt('one', 700, parties))
      const highest = { ...receipt('one', 900, parties), signature: signature('n') }
      expect(book.receipt(sessionOf('one'))).toEqual(highest)
      expect(book.due(10)).toEqual([highest])
      const { seeder, consumer } = highest
      expect(book.parties(sessionOf('one'))).toEqual({ seeder, consumer })
    })

    it('keeps nothing else of what it is given', () => {
      book.keep(Object.assign(receipt('one', 500, { seeder: bob }), { extra: 1 }))
      book.settle(Object.assign(settlement('one', 500), { extra: 1 }))
      book.keepHead(hub, Object.assign(head(1), { extra: 1 }))
      expect(book.receipt(sessionOf('one'))).toEqual(receipt('one', 500, { seeder: bob }))
      expect(book.settlement(sessionOf('one'))).toEqual(settlement('one', 500))
      expect(book.newestHead(hub)).toEqual(head(1))
    })

    it('leaves a session to those who had it first', () => {
      book.keep(receipt('one', 500, { consumer: bob }))
      book.keep(receipt('one', 900, { consumer: carol }))
      book.keep(receipt('one', 900, { seeder: bob }))
      book.keep(receipt('two', 900, { seeder: bob, consumer: carol }))
      book.open({ session: sessionOf('one'), seeder: self, consumer: carol })
      expect(book.receipt(sessionOf('one'))).toEqual(receipt('one', 500, { consumer: bob }))
      expect(book.receipt(sessionOf('two'))).toBeUndefined()
      expect(book.parties(sessionOf('one'))).toEqual({ seeder: self, consumer: bob })
      expect([book.signedFor(bob), book.signedSince(0)]).toEqual([0, 0])
    })

    it('says by how much a settlement is ahead, and keeps the highest', () => {
      book.keep(receipt('one', 900, { consumer: bob }))
      expect(book.settle(settlement('one', 300, 5))).toBe(300)
      expect(book.settle(settlement('one', 300, 6))).toBe(0)
      expect(book.settle(settlement('one', 200, 7))).toBe(0)
      expect(book.settle(settlement('one', 900, 8))).toBe(600)
      expect(book.settlement(sessionOf('one'))).toEqual(settlement('one', 900, 8))
      expect(book.account(bob)).toEqual({ servedBytes: 0, paidBytes: 900 })
    })

    it('lists what is due, newest first, until it is settled or given up', () => {
      for (const name of ['one', 'two', 'three', 'four']) book.keep(receipt(name, 1000, { seeder: bob }))
      book.keep(receipt('one', 2000, { seeder: bob }))
      book.settle(settlement('two', 1000))
      book.settle(settlement('three', 400))
      const due = (limit = 10): string[] => book.due(limit).map(({ session }) => session)
      expect(due()).toEqual(['four', 'three', 'one'].map(sessionOf))
      expect(due(2)).toEqual(['four', 'three'].map(sessionOf))
      expect(due(0)).toEqual([])
      expect(book.unsettledBytes(self, hub)).toBe(2000 + 600 + 1000)
      book.giveUp(sessionOf('one'))
      book.giveUp(sessionOf('unknown'))
      expect(due()).toEqual(['four', 'three'].map(sessionOf))
      expect(book.unsettledBytes(self, hub)).toBe(1600)
      expect(book.receipt(sessionOf('one'))).toEqual(receipt('one', 2000, { seeder: bob }))
      book.keep(receipt('three', 1100, { seeder: bob }))
      expect(book.unsettledBytes(self, hub)).toBe(1700)
      expect(book.unsettledBytes(bob, hub)).toBe(0)
    })

    it('gives up receipts, and not the session: a higher one is due, for what it adds', () => {
      book.keep(receipt('one', 1000, { seeder: bob }))
      expect(book.givenUp(sessionOf('one'))).toBe(0)
      book.giveUp(sessionOf('one'))
      expect([book.givenUp(sessionOf('one')), book.givenUp(sessionOf('unknown'))]).toEqual([1000, 0])
      expect(book.due(10)).toEqual([])
      book.keep(receipt('one', 1500, { seeder: bob }))
      const higher = receipt('one', 1500, { seeder: bob })
      expect([book.due(10), book.unsettledBytes(self, hub)]).toEqual([[higher], 500])
      expect(book.settle(settlement('one', 800))).toBe(800)
      expect(book.unsettledBytes(self, hub)).toBe(500)
      book.settle(settlement('one', 1200))
      expect(book.unsettledBytes(self, hub)).toBe(300)
      book.settle(settlement('one', 1500))
      expect([book.unsettledBytes(self, hub), book.due(10)]).toEqual([0, []])
    })

    it('counts what a session owes that was given up only once the hub settles it after all', () => {
      book.keep(receipt('one', 1000, { seeder: bob }))
      book.owe(receipt('one', 1800, { seeder: bob }))
      const { signature: _signature, ...debt } = receipt('one', 1800, { seeder: bob })
      expect(book.owed(hub)).toEqual([debt])
      book.giveUp(sessionOf('one'))
      expect(book.owed(hub)).toEqual([])
      book.settle(settlement('one', 1000))
      expect(book.owed(hub)).toEqual([debt])
    })

    it('gives what is due a page at a time', () => {
      const names = ['one', 'two', 'three', 'four', 'five']
      for (const name of names) book.keep(receipt(name, 1000, { consumer: bob }))
      book.settle(settlement('three', 1000))
      book.giveUp(sessionOf('four'))
      const due = (limit: number, before?: string): string[] =>
        book.due(limit, before === undefined ? undefined : sessionOf(before)).map(({ session }) => session)
      expect(due(2)).toEqual(['five', 'two'].map(sessionOf))
      expect(due(2, 'two')).toEqual([sessionOf('one')])
      // A cursor stays one when its session is settled meanwhile.
      expect(due(2, 'three')).toEqual(['two', 'one'].map(sessionOf))
      expect([due(2, 'one'), due(2, 'unknown'), due(0)]).toEqual([[], [], []])
      expect(book.due(1)).toEqual([receipt('five', 1000, { consumer: bob })])
    })

    it('has the newest receipts of keys that owe, settled or not', () => {
      book.keep(receipt('one', 1000, { consumer: bob }))
      book.keep(receipt('two', 1000, { consumer: bob }))
      book.keep(receipt('three', 1000, { consumer: carol }))
      book.keep(receipt('four', 1000, { seeder: bob }))
      book.open({ session: sessionOf('five'), seeder: self, consumer: bob })
      const owing = (limit = 10): string[] => book.ofDebtors(limit).map(({ session }) => session)
      expect(owing()).toEqual([])
      book.serve(bob, 2500)
      book.serve(carol, 1000)
      for (const name of ['one', 'two', 'three']) book.settle(settlement(name, 1000))
      expect(owing()).toEqual(['two', 'one'].map(sessionOf))
      expect([owing(1), owing(0)]).toEqual([[sessionOf('two')], []])
      book.keep(receipt('six', 1000, { consumer: bob }))
      expect(owing()).toEqual(['six', 'two', 'one'].map(sessionOf))
      book.giveUp(sessionOf('six'))
      expect(owing()).toEqual(['two', 'one'].map(sessionOf))
      book.settle(settlement('one', 1500))
      expect(owing()).toEqual([])
    })

    it('looks for those among the newest thousand sessions', () => {
      book.serve(bob, 5000)
      for (const name of ['old', 'one']) book.keep(receipt(name, 1000, { consumer: bob }))
      for (let count = 0; count < 999; count++) {
        book.open({ session: sessionOf(`carol ${count}`), seeder: self, consumer: carol })
      }
      expect(book.ofDebtors(10)).toEqual([receipt('one', 1000, { consumer: bob })])
    })

    it('knows what each consumer was served and has paid, over its sessions', () => {
      book.serve(bob, 5000)
      book.serve(carol, 10)
      book.serve(bob, 4000)
      for (const name of ['one', 'two']) book.open({ session: sessionOf(name), seeder: self, consumer: bob })
      book.settle(settlement('one', 1000))
      book.settle(settlement('two', 1500))
      expect(book.account(bob)).toEqual({ servedBytes: 4000, paidBytes: 2500 })
      expect(book.account(carol)).toEqual({ servedBytes: 10, paidBytes: 0 })
    })

    it('keeps nothing of sessions that nobody opened or signed for', () => {
      for (let seq = 1; seq <= 100; seq++) expect(book.settle(settlement(`strange ${seq}`, 700, seq))).toBe(0)
      expect([...book.settlements()]).toEqual([])
      expect(book.parties(sessionOf('strange 1'))).toBeUndefined()
    })

    it.each([
      ['opened', (known: ReceiptBook) => known.open({ session: sessionOf('one'), seeder: self, consumer: bob })],
      ['signed for', (known: ReceiptBook) => known.keep(receipt('one', 900, { consumer: bob }))],
    ])('books a settlement once the session was %s', (_how, learn) => {
      expect(book.settle(settlement('one', 700))).toBe(0)
      learn(book)
      learn(book)
      expect(book.account(bob).paidBytes).toBe(0)
      expect(book.settle(settlement('one', 700))).toBe(700)
      expect(book.settle(settlement('one', 900))).toBe(200)
      expect(book.account(bob).paidBytes).toBe(900)
    })

    it('adds nothing to what others paid when it pays itself', () => {
      book.keep(receipt('one', 900, { seeder: bob }))
      expect(book.settle(settlement('one', 900))).toBe(900)
      expect(book.account(bob).paidBytes).toBe(0)
      expect(book.account(self).paidBytes).toBe(0)
    })

    it('adds up what was signed, by time and seeder, superseded receipts with their differences', () => {
      book.keep(receipt('one', 100, { seeder: bob }))
      now = noon + 90_000
      book.keep(receipt('one', 250, { seeder: bob }))
      book.keep(receipt('two', 1000, { seeder: carol }))
      // Of a lower one, and of one that was given to it, nothing counts.
      book.keep(receipt('one', 200, { seeder: bob }))
      book.keep(receipt('three', 5000, { consumer: bob }))
      expect(book.signedSince(noon)).toBe(1250)
      expect(book.signedSince(noon + 90_000)).toBe(1150)
      expect(book.signedSince(noon + 60_000)).toBe(1150)
      expect(book.signedSince(noon + 120_000)).toBe(0)
      expect([book.signedFor(bob), book.signedFor(carol)]).toEqual([250, 1000])
      book.giveUp(sessionOf('one'))
      expect([book.signedFor(bob), book.signedSince(0)]).toEqual([250, 1250])
    })

    it('counts in the minute of the clock, also when it was set back', () => {
      book.keep(receipt('one', 100, { seeder: bob }))
      now = noon - 3_600_000
      book.keep(receipt('one', 250, { seeder: bob }))
      expect(book.signedSince(noon)).toBe(100)
      expect(book.signedSince(noon - 3_600_000)).toBe(250)
    })

    it('gives settlements in the order of their blocks, with receipts where they are', () => {
      for (const name of ['one', 'three']) book.open({ session: sessionOf(name), seeder: self, consumer: bob })
      book.settle(settlement('one', 100, 30))
      book.keep(receipt('two', 200, { consumer: bob }))
      book.settle(settlement('two', 150, 10))
      book.settle(settlement('three', 5, 20))
      expect([...book.settlements()]).toEqual([
        { ...settlement('two', 150, 10), receipt: receipt('two', 200, { consumer: bob }) },
        { ...settlement('three', 5, 20), receipt: undefined },
        { ...settlement('one', 100, 30), receipt: undefined },
      ])
    })

    it('knows sessions of keys that owe of which no receipt came', () => {
      for (const name of ['one', 'two', 'three', 'four']) {
        book.open({ session: sessionOf(name), seeder: self, consumer: bob })
      }
      book.open({ session: sessionOf('mine'), seeder: bob, consumer: self })
      book.open({ session: sessionOf('of carol'), seeder: self, consumer: carol })
      expect(book.unreceipted(10)).toEqual([])
      book.serve(bob, 1000)
      book.keep(receipt('two', 100, { consumer: bob }))
      book.settle(settlement('three', 100))
      expect(book.unreceipted(10)).toEqual([sessionOf('four'), sessionOf('one')])
      expect(book.unreceipted(1)).toEqual([sessionOf('four')])
      book.settle(settlement('three', 1000))
      expect(book.unreceipted(10)).toEqual([])
    })

    it('gives the head before a number', () => {
      for (const seq of [3, 7]) book.keepHead(hub, head(seq))
      expect([3, 7, 9].map(seq => book.headBefore(hub, seq)?.seq)).toEqual([undefined, 3, 7])
      expect(book.headBefore(key('O'), 9)).toBeUndefined()
    })

    it('gives the settlements of a block, and the newest of a hub', () => {
      for (const name of ['one', 'two', 'three']) book.open({ session: sessionOf(name), seeder: self, consumer: bob })
      expect([book.settlementsAt(30), book.newestSettlement(hub)]).toEqual([[], undefined])
      book.settle(settlement('one', 100, 30))
      book.settle(settlement('two', 150, 30))
      expect(book.settlementsAt(30)).toEqual([settlement('one', 100, 30), settlement('two', 150, 30)])
      book.settle(settlement('three', 5, 20))
      expect(book.newestSettlement(hub)?.seq).toBe(30)
      book.keep({ ...receipt('four', 9, { consumer: bob }), hub_key: key('O') })
      book.settle(settlement('four', 9, 99))
      expect([hub, key('O')].map(each => book.newestSettlement(each)?.seq)).toEqual([30, 99])
      book.settle(settlement('two', 160, 40))
      expect(book.settlementsAt(30)).toEqual([settlement('one', 100, 30)])
    })

    it('can be written to while its settlements are read', () => {
      for (let seq = 1; seq <= 2500; seq++) {
        book.open({ session: sessionOf(`session ${seq}`), seeder: self, consumer: bob })
        book.settle(settlement(`session ${seq}`, seq, seq))
      }
      let seen = 0
      for (const { seq, bytes } of book.settlements()) {
        seen++
        expect([seq, bytes]).toEqual([seen, seen])
        book.serve(bob, seen)
      }
      expect(seen).toBe(2500)
    })

    it('keeps both heads of a fork, each once, and two are enough', () => {
      book.keepHead(hub, head(7, 'b'))
      book.keepHead(hub, head(7, 'a'))
      book.keepHead(hub, head(7, 'b'))
      book.keepHead(hub, head(7, 'c'))
      book.keepHead(key('O'), head(9))
      expect(book.headsAt(hub, 7)).toEqual([head(7, 'a'), head(7, 'b')])
      expect(book.newestHead(hub)?.seq).toBe(7)
      expect(book.newestHead(key('O'))).toEqual(head(9))
    })

    it('keeps the heads of the 1,000 highest numbers for each hub', () => {
      book.keepHead(key('O'), head(1))
      for (let seq = 1; seq <= 1000; seq++) book.keepHead(hub, head(seq))
      book.keepHead(hub, head(1, 'b'))
      expect(book.headsAt(hub, 1)).toHaveLength(2)
      book.keepHead(hub, head(1001))
      expect(book.headsAt(hub, 1)).toEqual([])
      expect(book.headsAt(hub, 2)).toEqual([head(2)])
      expect(book.newestHead(hub)).toEqual(head(1001))
      book.keepHead(hub, head(1))
      expect(book.headsAt(hub, 1)).toEqual([])
      expect(book.headsAt(hub, 2)).toEqual([head(2)])
      expect(book.headsAt(key('O'), 1)).toEqual([head(1)])
    })

    it('holds amounts up to the largest safe integer', () => {
      const bytes = Number.MAX_SAFE_INTEGER
      book.keep(receipt('one', bytes, { seeder: bob }))
      expect(book.settle(settlement('one', bytes, bytes))).toBe(bytes)
      book.serve(carol, bytes)
      expect(book.settlement(sessionOf('one'))?.bytes).toBe(bytes)
      expect([book.signedFor(bob), book.account(carol).servedBytes]).toEqual([bytes, bytes])
    })
  })
}
