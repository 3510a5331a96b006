import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, type Observable, ReplaySubject, type Subscription } from 'rxjs'
import type { ReceiptStore } from '../../src/ports/receipts.js'
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

/** What every receipt store has to do. `store$` opens a fresh, empty one of `self` on each subscription. */
export function describeReceiptStore(name: string, store$: (now: () => number) => Observable<ReceiptStore>): void {
  describe(`${name} as a receipt store`, () => {
    let subscription: Subscription
    let store: ReceiptStore
    let now: number
    beforeEach(async () => {
      now = noon
      const opened$ = new ReplaySubject<ReceiptStore>(1)
      subscription = store$(() => now).subscribe(opened$)
      store = await firstValueFrom(opened$)
    })
    afterEach(() => subscription.unsubscribe())

    it('is empty at first', () => {
      expect(store.due(10)).toEqual([])
      expect(store.session(sessionOf('one'))).toBeUndefined()
      expect([...store.settlements()]).toEqual([])
      expect(store.account(bob)).toEqual({ servedBytes: 0, paidBytes: 0, debtSinceMs: 0, balanceBytes: 0 })
      expect([store.signedSince(0), store.signedFor(bob), store.unsettledBytes(self, hub)]).toEqual([0, 0, 0])
      expect([store.headsAt(hub, 1), store.newestHead(hub)]).toEqual([[], undefined])
    })

    it.each([
      ['consumer', { seeder: bob }],
      ['seeder', { consumer: bob }],
    ])('keeps the highest receipt of a session as %s', (_role, parties) => {
      store.keep(receipt('one', 500, parties))
      store.keep({ ...receipt('one', 900, parties), signature: signature('n') })
      store.keep(receipt('one', 900, parties))
      store.keep(receipt('one', 700, parties))
      const highest = { ...receipt('one', 900, parties), signature: signature('n') }
      expect(store.session(sessionOf('one'))?.receipt).toEqual(highest)
      expect(store.due(10)).toEqual([highest])
      const { seeder, consumer } = highest
      expect(store.session(sessionOf('one'))).toMatchObject({ seeder, consumer })
    })

    it('keeps nothing else of what it is given', () => {
      store.keep(Object.assign(receipt('one', 500, { seeder: bob }), { extra: 1 }))
      store.settle(Object.assign(settlement('one', 500), { extra: 1 }))
      store.keepHead(hub, Object.assign(head(1), { extra: 1 }))
      expect(store.session(sessionOf('one'))?.receipt).toEqual(receipt('one', 500, { seeder: bob }))
      expect(store.session(sessionOf('one'))?.settlement).toEqual(settlement('one', 500))
      expect(store.newestHead(hub)).toEqual(head(1))
    })

    it('leaves a session to those who had it first', () => {
      store.keep(receipt('one', 500, { consumer: bob }))
      store.keep(receipt('one', 900, { consumer: carol }))
      store.keep(receipt('one', 900, { seeder: bob }))
      store.keep(receipt('two', 900, { seeder: bob, consumer: carol }))
      store.open({ session: sessionOf('one'), seeder: self, consumer: carol })
      expect(store.session(sessionOf('one'))?.receipt).toEqual(receipt('one', 500, { consumer: bob }))
      expect(store.session(sessionOf('two'))?.receipt).toBeUndefined()
      expect(store.session(sessionOf('one'))).toMatchObject({ seeder: self, consumer: bob })
      expect([store.signedFor(bob), store.signedSince(0)]).toEqual([0, 0])
    })

    it('says what a settlement moved, and keeps the highest', () => {
      store.keep(receipt('one', 900, { consumer: bob }))
      expect(store.settle(settlement('one', 300, 5))).toEqual({
        session: sessionOf('one'),
        seeder: self,
        consumer: bob,
        bytes: 300,
      })
      expect(store.settle(settlement('one', 300, 6))).toBeUndefined()
      expect(store.settle(settlement('one', 200, 7))).toBeUndefined()
      expect(store.settle(settlement('one', 900, 8))?.bytes).toBe(600)
      expect(store.session(sessionOf('one'))?.settlement).toEqual(settlement('one', 900, 8))
      expect(store.account(bob)).toMatchObject({ servedBytes: 0, paidBytes: 900 })
    })

    it('lists what is due, newest first, until it is settled or given up', () => {
      for (const name of ['one', 'two', 'three', 'four']) store.keep(receipt(name, 1000, { seeder: bob }))
      store.keep(receipt('one', 2000, { seeder: bob }))
      store.settle(settlement('two', 1000))
      store.settle(settlement('three', 400))
      const due = (limit = 10): string[] => store.due(limit).map(({ session }) => session)
      expect(due()).toEqual(['four', 'three', 'one'].map(sessionOf))
      expect(due(2)).toEqual(['four', 'three'].map(sessionOf))
      expect(due(0)).toEqual([])
      expect(store.unsettledBytes(self, hub)).toBe(2000 + 600 + 1000)
      store.giveUp(sessionOf('one'))
      store.giveUp(sessionOf('unknown'))
      expect(due()).toEqual(['four', 'three'].map(sessionOf))
      expect(store.unsettledBytes(self, hub)).toBe(1600)
      expect(store.session(sessionOf('one'))?.receipt).toEqual(receipt('one', 2000, { seeder: bob }))
      store.keep(receipt('three', 1100, { seeder: bob }))
      expect(store.unsettledBytes(self, hub)).toBe(1700)
      expect(store.unsettledBytes(bob, hub)).toBe(0)
    })

    it('gives up receipts, and not the session: a higher one is due, for what it adds', () => {
      store.keep(receipt('one', 1000, { seeder: bob }))
      store.giveUp(sessionOf('one'))
      expect([store.due(10), store.unsettledBytes(self, hub)]).toEqual([[], 0])
      store.keep(receipt('one', 1500, { seeder: bob }))
      const higher = receipt('one', 1500, { seeder: bob })
      expect([store.due(10), store.unsettledBytes(self, hub)]).toEqual([[higher], 500])
      expect(store.settle(settlement('one', 800))?.bytes).toBe(800)
      expect(store.unsettledBytes(self, hub)).toBe(500)
      store.settle(settlement('one', 1200))
      expect(store.unsettledBytes(self, hub)).toBe(300)
      store.settle(settlement('one', 1500))
      expect([store.unsettledBytes(self, hub), store.due(10)]).toEqual([0, []])
    })

    it('counts what a session owes that was given up only once the hub settles it after all', () => {
      store.keep(receipt('one', 1000, { seeder: bob }))
      store.owe(receipt('one', 1800, { seeder: bob }))
      const { signature: _signature, ...debt } = receipt('one', 1800, { seeder: bob })
      expect(store.owed(hub)).toEqual([debt])
      store.giveUp(sessionOf('one'))
      expect(store.owed(hub)).toEqual([])
      store.settle(settlement('one', 1000))
      expect(store.owed(hub)).toEqual([debt])
    })

    it('gives what is due a page at a time', () => {
      const names = ['one', 'two', 'three', 'four', 'five']
      for (const name of names) store.keep(receipt(name, 1000, { consumer: bob }))
      store.settle(settlement('three', 1000))
      store.giveUp(sessionOf('four'))
      const due = (limit: number, before?: string): string[] =>
        store.due(limit, before === undefined ? undefined : sessionOf(before)).map(({ session }) => session)
      expect(due(2)).toEqual(['five', 'two'].map(sessionOf))
      expect(due(2, 'two')).toEqual([sessionOf('one')])
      // A cursor stays one when its session is settled meanwhile.
      expect(due(2, 'three')).toEqual(['two', 'one'].map(sessionOf))
      expect([due(2, 'one'), due(2, 'unknown'), due(0)]).toEqual([[], [], []])
      expect(store.due(1)).toEqual([receipt('five', 1000, { consumer: bob })])
    })

    it('has the newest receipts of keys that owe, settled or not', () => {
      store.keep(receipt('one', 1000, { consumer: bob }))
      store.keep(receipt('two', 1000, { consumer: bob }))
      store.keep(receipt('three', 1000, { consumer: carol }))
      store.keep(receipt('four', 1000, { seeder: bob }))
      store.open({ session: sessionOf('five'), seeder: self, consumer: bob })
      const owing = (): string[] => store.ofDebtors().flatMap(({ receipt: kept }) => kept?.session ?? [])
      expect(owing()).toEqual([])
      store.serve(bob, 2500, 0)
      store.serve(carol, 1000, 0)
      for (const name of ['one', 'two', 'three']) store.settle(settlement(name, 1000))
      expect(owing()).toEqual(['two', 'one'].map(sessionOf))
      store.keep(receipt('six', 1000, { consumer: bob }))
      expect(owing()).toEqual(['six', 'two', 'one'].map(sessionOf))
      store.giveUp(sessionOf('six'))
      expect(owing()).toEqual(['two', 'one'].map(sessionOf))
      store.settle(settlement('one', 1500))
      expect(owing()).toEqual([])
    })

    it('looks for those among the newest thousand sessions', () => {
      store.serve(bob, 5000, 0)
      for (const name of ['old', 'one']) store.keep(receipt(name, 1000, { consumer: bob }))
      for (let count = 0; count < 999; count++) {
        store.open({ session: sessionOf(`carol ${count}`), seeder: self, consumer: carol })
      }
      expect(store.ofDebtors().map(kept => kept.receipt)).toEqual([receipt('one', 1000, { consumer: bob })])
    })

    it('knows what each consumer was served and has paid, over its sessions', () => {
      store.serve(bob, 5000, noon)
      store.serve(carol, 10, noon + 1)
      store.serve(bob, 4000, noon + 2)
      for (const name of ['one', 'two']) store.open({ session: sessionOf(name), seeder: self, consumer: bob })
      store.settle(settlement('one', 1000))
      store.settle(settlement('two', 1500))
      expect(store.account(bob)).toEqual({ servedBytes: 4000, paidBytes: 2500, debtSinceMs: noon + 2, balanceBytes: 0 })
      expect(store.account(carol)).toEqual({ servedBytes: 10, paidBytes: 0, debtSinceMs: noon + 1, balanceBytes: 0 })
    })

    it('knows what the hub told of a wallet last, until a receipt of it is refused, or a hub does not tell', () => {
      for (const name of ['one', 'two']) store.open({ session: sessionOf(name), seeder: self, consumer: bob })
      const told = (): number => store.account(bob).balanceBytes
      store.settle({ ...settlement('one', 1000), consumer_coins: '12.000001' })
      expect(told()).toBe(12_000_001)
      store.settle({ ...settlement('two', 1000), consumer_coins: '11.000000' })
      store.settle({ ...settlement('one', 900), consumer_coins: '99.000000' })
      expect(told()).toBe(11_000_000)
      store.doubt(bob)
      store.doubt(carol)
      expect([told(), store.account(bob).paidBytes]).toEqual([0, 2000])
      store.settle({ ...settlement('one', 2000), consumer_coins: '10.000000' })
      store.settle(settlement('two', 2000))
      expect(told()).toBe(0)
      store.serve(bob, 5, noon)
      expect(store.account(carol).balanceBytes).toBe(0)
    })

    it('keeps nothing of sessions that nobody opened or signed for', () => {
      for (let seq = 1; seq <= 100; seq++) expect(store.settle(settlement(`strange ${seq}`, 700, seq))).toBeUndefined()
      expect([...store.settlements()]).toEqual([])
      expect(store.session(sessionOf('strange 1'))).toBeUndefined()
    })

    it.each([
      ['opened', (known: ReceiptStore) => known.open({ session: sessionOf('one'), seeder: self, consumer: bob })],
      ['signed for', (known: ReceiptStore) => known.keep(receipt('one', 900, { consumer: bob }))],
    ])('stores a settlement once the session was %s', (_how, learn) => {
      expect(store.settle(settlement('one', 700))).toBeUndefined()
      learn(store)
      learn(store)
      expect(store.account(bob).paidBytes).toBe(0)
      expect(store.settle(settlement('one', 700))?.bytes).toBe(700)
      expect(store.settle(settlement('one', 900))?.bytes).toBe(200)
      expect(store.account(bob).paidBytes).toBe(900)
    })

    it('adds nothing to what others paid when it pays itself', () => {
      store.keep(receipt('one', 900, { seeder: bob }))
      expect(store.settle(settlement('one', 900))?.bytes).toBe(900)
      expect(store.account(bob).paidBytes).toBe(0)
      expect(store.account(self).paidBytes).toBe(0)
    })

    it('adds up what was signed, by time and seeder, superseded receipts with their differences', () => {
      store.keep(receipt('one', 100, { seeder: bob }))
      now = noon + 90_000
      store.keep(receipt('one', 250, { seeder: bob }))
      store.keep(receipt('two', 1000, { seeder: carol }))
      // Of a lower one, and of one that was given to it, nothing counts.
      store.keep(receipt('one', 200, { seeder: bob }))
      store.keep(receipt('three', 5000, { consumer: bob }))
      expect(store.signedSince(noon)).toBe(1250)
      expect(store.signedSince(noon + 90_000)).toBe(1150)
      expect(store.signedSince(noon + 60_000)).toBe(1150)
      expect(store.signedSince(noon + 120_000)).toBe(0)
      expect([store.signedFor(bob), store.signedFor(carol)]).toEqual([250, 1000])
      store.giveUp(sessionOf('one'))
      expect([store.signedFor(bob), store.signedSince(0)]).toEqual([250, 1250])
    })

    it('counts in the minute of the clock, also when it was set back', () => {
      store.keep(receipt('one', 100, { seeder: bob }))
      now = noon - 3_600_000
      store.keep(receipt('one', 250, { seeder: bob }))
      expect(store.signedSince(noon)).toBe(100)
      expect(store.signedSince(noon - 3_600_000)).toBe(250)
    })

    it('gives settlements in the order of their blocks, with receipts where they are', () => {
      for (const name of ['one', 'three']) store.open({ session: sessionOf(name), seeder: self, consumer: bob })
      store.settle(settlement('one', 100, 30))
      store.keep(receipt('two', 200, { consumer: bob }))
      store.settle(settlement('two', 150, 10))
      store.settle(settlement('three', 5, 20))
      expect([...store.settlements()]).toEqual([
        { ...settlement('two', 150, 10), receipt: receipt('two', 200, { consumer: bob }) },
        { ...settlement('three', 5, 20), receipt: undefined },
        { ...settlement('one', 100, 30), receipt: undefined },
      ])
    })

    it('knows sessions of keys that owe of which no receipt came', () => {
      for (const name of ['one', 'two', 'three', 'four']) {
        store.open({ session: sessionOf(name), seeder: self, consumer: bob })
      }
      store.open({ session: sessionOf('mine'), seeder: bob, consumer: self })
      store.open({ session: sessionOf('of carol'), seeder: self, consumer: carol })
      const unreceipted = (): string[] =>
        store.ofDebtors().flatMap(kept => (kept.receipt || kept.settlement ? [] : kept.session))
      expect(unreceipted()).toEqual([])
      store.serve(bob, 1000, 0)
      store.keep(receipt('two', 100, { consumer: bob }))
      store.settle(settlement('three', 100))
      expect(unreceipted()).toEqual([sessionOf('four'), sessionOf('one')])
      store.settle(settlement('three', 1000))
      expect(unreceipted()).toEqual([])
    })

    it('gives the head before a number', () => {
      for (const seq of [3, 7]) store.keepHead(hub, head(seq))
      expect([3, 7, 9].map(seq => store.newestHead(hub, seq)?.seq)).toEqual([undefined, 3, 7])
      expect(store.newestHead(key('O'), 9)).toBeUndefined()
    })

    it('gives the settlements of a block, and the newest of a hub', () => {
      for (const name of ['one', 'two', 'three']) store.open({ session: sessionOf(name), seeder: self, consumer: bob })
      expect([store.settlementsAt(30), store.newestSettlement(hub)]).toEqual([[], undefined])
      store.settle(settlement('one', 100, 30))
      store.settle(settlement('two', 150, 30))
      expect(store.settlementsAt(30)).toEqual([settlement('one', 100, 30), settlement('two', 150, 30)])
      store.settle(settlement('three', 5, 20))
      expect(store.newestSettlement(hub)?.seq).toBe(30)
      store.keep({ ...receipt('four', 9, { consumer: bob }), hub_key: key('O') })
      store.settle(settlement('four', 9, 99))
      expect([hub, key('O')].map(each => store.newestSettlement(each)?.seq)).toEqual([30, 99])
      store.settle(settlement('two', 160, 40))
      expect(store.settlementsAt(30)).toEqual([settlement('one', 100, 30)])
    })

    it('can be written to while its settlements are read', () => {
      for (let seq = 1; seq <= 2500; seq++) {
        store.open({ session: sessionOf(`session ${seq}`), seeder: self, consumer: bob })
        store.settle(settlement(`session ${seq}`, seq, seq))
      }
      let seen = 0
      for (const { seq, bytes } of store.settlements()) {
        seen++
        expect([seq, bytes]).toEqual([seen, seen])
        store.serve(bob, seen, 0)
      }
      expect(seen).toBe(2500)
    })

    it('keeps both heads of a fork, each once, and two are enough', () => {
      store.keepHead(hub, head(7, 'b'))
      store.keepHead(hub, head(7, 'a'))
      store.keepHead(hub, head(7, 'b'))
      store.keepHead(hub, head(7, 'c'))
      store.keepHead(key('O'), head(9))
      expect(store.headsAt(hub, 7)).toEqual([head(7, 'a'), head(7, 'b')])
      expect(store.newestHead(hub)?.seq).toBe(7)
      expect(store.newestHead(key('O'))).toEqual(head(9))
    })

    it('keeps the heads of the 1,000 highest numbers for each hub', () => {
      store.keepHead(key('O'), head(1))
      for (let seq = 1; seq <= 1000; seq++) store.keepHead(hub, head(seq))
      store.keepHead(hub, head(1, 'b'))
      expect(store.headsAt(hub, 1)).toHaveLength(2)
      store.keepHead(hub, head(1001))
      expect(store.headsAt(hub, 1)).toEqual([])
      expect(store.headsAt(hub, 2)).toEqual([head(2)])
      expect(store.newestHead(hub)).toEqual(head(1001))
      store.keepHead(hub, head(1))
      expect(store.headsAt(hub, 1)).toEqual([])
      expect(store.headsAt(hub, 2)).toEqual([head(2)])
      expect(store.headsAt(key('O'), 1)).toEqual([head(1)])
    })

    it('holds amounts up to the largest safe integer', () => {
      const bytes = Number.MAX_SAFE_INTEGER
      store.keep(receipt('one', bytes, { seeder: bob }))
      expect(store.settle(settlement('one', bytes, bytes))?.bytes).toBe(bytes)
      store.serve(carol, bytes, 0)
      expect(store.session(sessionOf('one'))?.settlement?.bytes).toBe(bytes)
      expect([store.signedFor(bob), store.account(carol).servedBytes]).toEqual([bytes, bytes])
    })
  })
}
