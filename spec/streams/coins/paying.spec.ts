import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, Subject } from 'rxjs'
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { toBase64 } from '../../../src/protocol/base64.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { SignedReceipt } from '../../../src/protocol/coins/receipt.js'
import { receiptText } from '../../../src/protocol/signaling/signed-texts.js'
import type { SpendingLimits } from '../../../src/protocol/coins/spending.js'
import { unknownWallet, type Wallet } from '../../../src/protocol/coins/wallet.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import type { PaymentEvent, Settled } from '../../../src/streams/coins/payment-event.js'
import { createPaying } from '../../../src/streams/coins/paying.js'
import type { SessionEvent } from '../../../src/streams/mux/session-reports.js'
import { bob, carol, hub, self, sessionOf } from '../../support/receipts.js'
import { failingStore, full, identityOf, playCrypto, signedReceipt, signedSettlement } from '../support/coins.js'
import { type VirtualTime, virtualTime } from '../support/virtual-time.js'

const traffic: SessionEvent = {
  type: 'traffic',
  receivedBytes: 0,
  sentBytes: 0,
  receiveRate: 0,
  sendRate: 0,
  bufferedBytes: 0,
  silentSeconds: 0,
}

const lost = new LighthouseError('channel-closed', 'the other side closed the connection')

function world({
  wallet,
  limits = {},
  time = virtualTime(),
  store = memoryReceipts(self, () => time.scheduler.now()),
}: { wallet?: number; limits?: SpendingLimits; time?: VirtualTime; store?: ReceiptStore } = {}) {
  const crypto = playCrypto()
  const failures: LighthouseError[] = []
  const signed: SignedReceipt[] = []
  const wallet$ = new BehaviorSubject<Wallet>({ ...unknownWallet, hubKey: hub })
  const funds$ = new Subject<void>()
  const received$ = new Subject<Settled>()
  const event$ = new Subject<PaymentEvent>()
  const note = (event: PaymentEvent): void => {
    if (event.type === 'receipts-failed') failures.push(event.reason)
    if (event.type !== 'receipt') return
    // Kept before anybody hears of it.
    expect(store.session(event.receipt.session)?.receipt).toEqual(event.receipt)
    signed.push(event.receipt)
  }
  const identity = identityOf(self)
  const { scheduler } = time
  const paying = createPaying({ identity, crypto, store, limits, wallet$, funds$, received$, event$, scheduler })
  event$.subscribe(note)
  paying.debt$.subscribe(note)
  /** What the hub says that the wallet holds. */
  const fund = (balanceBytes: number): void => {
    wallet$.next({ ...wallet$.value, balanceBytes })
    funds$.next()
  }
  if (wallet !== undefined) fund(wallet)

  const pay = (name: string, seeder = bob) => {
    const report$ = new Subject<SessionEvent>()
    const payment = paying.session({ hubKey: hub, session: sessionOf(name), pubKey: seeder })
    const errors: LighthouseError[] = []
    const framed: number[] = []
    const following = payment.receipt$!.subscribe(({ bytes, signature }) => {
      expect(toBase64(signature)).toBe(store.session(sessionOf(name))!.receipt!.signature)
      framed.push(bytes)
    })
    following.add(report$.pipe(payment.follow).subscribe({ error: (error: LighthouseError) => errors.push(error) }))
    return {
      report$,
      errors,
      framed,
      /** So much has been taken, and so much has arrived, in all. */
      count: (payableBytes: number, receivedBytes = payableBytes) =>
        report$.next({ type: 'bytes', sentBytes: 0, receivedBytes, payableBytes }),
      streams: (open: number) => report$.next({ type: 'streams', open }),
      /** What a session says once a second. */
      second: () => report$.next(traffic),
      /** The connection breaks. Returns the reason that is given for it. */
      lose: (): unknown => {
        report$.error(lost)
        return errors.at(-1)
      },
      end: () => following.unsubscribe(),
      signed: () => signed.filter(({ session }) => session === sessionOf(name)).map(({ bytes }) => bytes),
    }
  }
  /** As the payments do when the hub has settled the newest receipt of a session, from a wallet that held so much. */
  const settle = (name: string, left: number): void => {
    const settlement = signedSettlement(name, store.session(sessionOf(name))!.receipt!.bytes, left)
    received$.next({ type: 'settled', settlement })
    fund(left)
    store.settle(settlement)
    funds$.next()
  }
  return { time, store, crypto, paying, failures, signed, event$, pay, settle, fund, recount: () => funds$.next() }
}

describe('paying', () => {
  it('signs at each step of half a megabyte, at once', () => {
    const { pay, time } = world({ wallet: 1e8 })
    const session = pay('one')
    session.count(499_999)
    expect(session.signed()).toEqual([])
    session.count(500_000)
    session.count(520_000)
    session.count(1_020_000)
    expect(session.signed()).toEqual([500_000, 1_020_000])
    expect(session.framed).toEqual([500_000, 1_020_000])
    expect(time.pending()).toBe(0)
  })

  it('signs later where settlements are quick, sooner where they are slow or programs take nothing', () => {
    const { pay, settle } = world({ wallet: 1e8 })
    const session = pay('one')
    session.count(500_000)
    session.count(510_000)
    settle('one', 9e7)
    // W is a megabyte: three quarters of it, less the 10,000 bytes that came meanwhile.
    session.count(1_239_999)
    expect(session.signed()).toEqual([500_000])
    session.count(1_240_000)
    session.count(1_540_000)
    settle('one', 8e7)
    session.count(1_689_999)
    expect(session.signed()).toEqual([500_000, 1_240_000])
    session.count(1_690_000)
    expect(session.signed()).toEqual([500_000, 1_240_000, 1_690_000])
    session.count(1_940_000, 2_140_000)
    expect(session.signed()).toEqual([500_000, 1_240_000, 1_690_000, 1_940_000])
  })

  it('signs for this hub, session, seeder and itself, in a way that the seeder can check', () => {
    const { pay, signed, crypto } = world({ wallet: 1e8 })
    pay('one').count(600_000)
    const [receipt] = signed
    expect(receipt).toMatchObject({ hub_key: hub, session: sessionOf('one'), seeder: bob, consumer: self })
    expect(crypto.verify(self, receiptText(receipt!), receipt!.signature)).toBe(true)
  })

  it('signs after 250 ms what is less than a step', () => {
    const { pay, time } = world({ wallet: 1e8 })
    const session = pay('one')
    session.count(10)
    time.advance(249)
    session.count(20)
    expect(session.signed()).toEqual([])
    time.advance(1)
    expect(session.signed()).toEqual([20])
    time.advance(10_000)
    expect(session.signed()).toEqual([20])
  })

  it('signs when a stream ends, with all that came on it', () => {
    const { pay, time } = world({ wallet: 1e8 })
    const session = pay('one')
    session.streams(1)
    session.streams(2)
    session.count(2_000)
    expect(session.signed()).toEqual([])
    session.count(3_000)
    session.streams(1)
    expect(session.signed()).toEqual([3_000])
    expect(time.pending()).toBe(0)
  })

  it('signs before closing, also for what arrived and was not taken', () => {
    for (const way of ['unsubscribed from', 'lost'] as const) {
      const { pay, time, store } = world({ wallet: 1e8 })
      const session = pay('one')
      session.count(2_000, 3_600)
      if (way === 'lost') session.report$.error(lost)
      else session.end()
      expect(session.signed()).toEqual([3_600])
      expect([time.pending(), session.report$.observed, store.owed(hub)]).toEqual([0, false, []])
    }
  })

  it('takes larger steps, the more it has paid this seeder', () => {
    const store = memoryReceipts(self)
    store.keep(signedReceipt('before', 32_000_000, bob, self))
    store.settle(signedSettlement('before', 32_000_000, 0))
    const { pay } = world({ wallet: 1e8, store })
    const session = pay('one')
    session.count(999_999)
    expect(session.signed()).toEqual([])
    session.count(1_000_000)
    expect(session.signed()).toEqual([1_000_000])
    const other = pay('two', carol)
    other.count(500_000)
    expect(other.signed()).toEqual([500_000])
  })

  it('tells the store whom it pays, before it pays', () => {
    const { pay, store } = world({ wallet: 1e8 })
    pay('one')
    expect(store.session(sessionOf('one'))).toMatchObject({ seeder: bob, consumer: self })
  })

  describe('the wallet', () => {
    it('bounds what is signed, over all sessions together, until it is settled and after', () => {
      const { pay, settle, store } = world({ wallet: 2_000_000 })
      const [one, two] = [pay('one'), pay('two', carol)]
      one.count(1_200_000)
      two.count(1_200_000)
      expect([one.signed(), two.signed()]).toEqual([[1_200_000], [800_000]])
      settle('one', 800_000)
      settle('two', 0)
      two.count(1_800_000)
      expect([one.signed(), two.signed(), store.unsettledBytes(self, hub)]).toEqual([[1_200_000], [800_000], 0])
    })

    it('bounds it with what earlier runs signed and did not settle', () => {
      const store = memoryReceipts(self)
      store.keep(signedReceipt('before', 1_400_000, carol, self))
      const { pay } = world({ wallet: 2_000_000, store })
      const session = pay('one')
      session.count(1_200_000)
      expect(session.signed()).toEqual([600_000])
    })

    it('is free again of what a session signed that the hub will never settle', () => {
      const { pay, store, recount } = world({ wallet: 2_000_000 })
      const [one, two] = [pay('one'), pay('two', carol)]
      one.count(1_600_000)
      two.count(1_600_000)
      store.giveUp(sessionOf('one'))
      recount()
      expect(two.signed()).toEqual([400_000, 1_600_000])
    })

    it('that nobody knows yet pays for nothing; what is due is signed when it is known', () => {
      const { pay, fund } = world()
      const session = pay('one')
      session.count(600_000)
      expect(session.signed()).toEqual([])
      fund(2e6)
      expect(session.signed()).toEqual([600_000])
    })

    it('that is empty holds what is due until coins arrive, then goes on, for what is due then', () => {
      const { pay, fund, time } = world({ wallet: 200_000 })
      const session = pay('one')
      session.count(600_000)
      expect(session.signed()).toEqual([200_000])
      fund(300_000)
      expect(session.signed()).toEqual([200_000, 300_000])
      session.count(1_200_000)
      time.advance(250)
      fund(4_000_000)
      expect(session.signed()).toEqual([200_000, 300_000, 1_200_000])
      expect(session.lose()).toBe(lost)
    })

    it('that is empty is the reason why a session ended that it held', () => {
      const { pay, fund } = world({ wallet: 200_000 })
      const session = pay('one')
      session.count(600_000)
      fund(300_000)
      expect(session.lose()).toMatchObject({ code: 'no-coins', cause: lost })
    })

    it('that was empty pays afterwards for sessions that have ended, oldest first, in another run too', () => {
      const time = virtualTime()
      const store = memoryReceipts(self, () => time.scheduler.now())
      const first = world({ wallet: 200_000, store, time })
      const [one, two] = [first.pay('one'), first.pay('two', carol)]
      one.count(600_000)
      two.count(600_000)
      one.end()
      two.end()
      expect(first.signed.map(({ bytes }) => bytes)).toEqual([200_000])
      expect(store.owed(hub).map(({ session, bytes }) => [session, bytes])).toEqual([
        [sessionOf('one'), 600_000],
        [sessionOf('two'), 600_000],
      ])
      first.fund(500_000)
      expect(first.signed.map(({ bytes }) => bytes)).toEqual([200_000, 500_000])
      const second = world({ store, time, wallet: 2e6 })
      expect(store.owed(hub)).toEqual([])
      expect([
        store.session(sessionOf('one'))!.receipt!.bytes,
        store.session(sessionOf('two'))!.receipt!.bytes,
      ]).toEqual([600_000, 600_000])
      expect(store.unsettledBytes(self, hub)).toBe(1_200_000)
      expect(second.failures).toEqual([])
    })

    it('says why nothing could be signed now', () => {
      const { paying, fund } = world()
      expect(paying.stop()).toBe('no-coins')
      fund(1)
      expect(paying.stop()).toBeUndefined()
    })
  })

  describe('limits', () => {
    it.each<[string, SpendingLimits]>([
      ['a connection', { connectionBytes: 600_000 }],
      ['a day', { dayBytes: 600_000 }],
      ['a peer', { peerBytes: 600_000 }],
    ])('on %s are kept to the byte', (_name, limits) => {
      const { pay, time } = world({ wallet: 1e8, limits })
      const session = pay('one')
      for (let total = 20_000; total < 1_800_000; total += 20_000) {
        session.count(total)
        time.advance(50)
      }
      session.end()
      expect(session.signed().at(-1)).toBe(600_000)
      expect(session.errors.map(({ code, cause }) => [code, cause])).toEqual([['spending-limit', undefined]])
    })

    it('on a day and a peer hold over sessions, and over runs', () => {
      for (const limits of [{ dayBytes: 1_400_000 }, { peerBytes: 1_400_000 }]) {
        const time = virtualTime()
        const store = memoryReceipts(self, () => time.scheduler.now())
        const first = world({ wallet: 1e8, limits, time, store })
        const one = first.pay('one')
        one.count(800_000)
        one.end()
        const second = world({ wallet: 1e8, limits, time, store })
        const two = second.pay('two')
        two.count(800_000)
        expect(two.signed()).toEqual([600_000])
        expect(second.paying.stop()).toBe('dayBytes' in limits ? 'spending-limit' : undefined)
        const other = second.pay('three', carol)
        other.count(800_000)
        expect(other.signed()).toEqual('dayBytes' in limits ? [] : [800_000])
        // What a limit left unpaid stays so, however many coins there are.
        two.end()
        second.fund(2e8)
        expect(store.session(sessionOf('two'))!.receipt!.bytes).toBe(600_000)
      }
    })

    it('on a day end with it', () => {
      const { pay, time } = world({ wallet: 1e8, limits: { dayBytes: 600_000 } })
      const one = pay('one')
      one.count(1_800_000)
      expect(one.signed()).toEqual([600_000])
      time.advance(86_400_000)
      const two = pay('two', carol)
      two.count(500_000)
      expect(two.signed()).toEqual([500_000])
    })

    it('end the connection at once', () => {
      for (const limits of [{ connectionBytes: 600_000 }, { dayBytes: 600_000 }, { peerBytes: 600_000 }]) {
        const { pay } = world({ wallet: 1e8, limits })
        const session = pay('one')
        session.count(600_000)
        expect(session.errors).toEqual([])
        session.count(1_200_000)
        expect(session.errors.map(({ code, cause }) => [code, cause])).toEqual([['spending-limit', undefined]])
      }
    })

    it('on a connection leave to the next one what they left unpaid, out of what that may cost', () => {
      const { pay, store } = world({ wallet: 1e8, limits: { connectionBytes: 600_000 } })
      pay('one').count(1_600_000)
      const other = pay('other', carol)
      other.count(600_000)
      const two = pay('two')
      expect([two.errors, other.signed()]).toEqual([[], [600_000]])
      expect(two.lose()).toMatchObject({ code: 'spending-limit', cause: lost })
      expect(store.session(sessionOf('one'))!.receipt!.bytes).toBe(1_200_000)
      const three = pay('three')
      three.count(1_000_000)
      expect(store.session(sessionOf('one'))!.receipt!.bytes).toBe(1_600_000)
      expect(three.signed()).toEqual([200_000])
      expect(store.owed(hub)).toMatchObject([{ session: sessionOf('three'), bytes: 1_000_000 }])
    })
  })

  it('signs for what arrived and is not taken when nothing else has been for a second', () => {
    const { pay } = world({ wallet: 1e8 })
    const session = pay('one')
    session.second()
    session.count(600_000, 1_800_000)
    session.second()
    session.count(620_000, 1_900_000)
    session.second()
    expect(session.signed()).toEqual([600_000])
    session.second()
    expect(session.signed()).toEqual([600_000, 1_900_000])
    session.count(1_900_000)
    session.count(2_000_000)
    session.second()
    session.second()
    expect(session.signed()).toEqual([600_000, 1_900_000])
    session.count(2_400_000)
    expect(session.signed()).toEqual([600_000, 1_900_000, 2_400_000])
  })

  describe('a store that fails', () => {
    it('ends a session that begins', () => {
      for (const method of ['open', 'signedFor'] as const) {
        const broken = { now: false }
        const { pay } = world({ wallet: 1e8, store: failingStore(self, broken, method) })
        broken.now = true
        const session = pay('one')
        expect([session.errors, session.report$.observed]).toEqual([[full], false])
      }
    })

    it('ends a session that signs: nothing leaves that is not kept', () => {
      const broken = { now: false }
      const { pay, signed, failures, time } = world({ wallet: 1e8, store: failingStore(self, broken, 'keep') })
      const session = pay('one')
      broken.now = true
      session.count(600_000)
      expect([session.errors, session.framed, signed]).toEqual([[full], [], []])
      expect(failures).toEqual([full])
      expect(time.pending()).toBe(0)
    })

    it('is told of at the end of a session, and when coins arrive', () => {
      const broken = { now: false }
      const { pay, fund, failures } = world({ wallet: 0, store: failingStore(self, broken, 'owe', 'owed') })
      const session = pay('one')
      session.count(600_000)
      broken.now = true
      session.end()
      fund(5)
      expect(failures).toEqual([full, full])
    })

    it('is told of when coins arrive, where it cannot say what of them is signed away', () => {
      expect(world({ wallet: 5, store: failingStore(self, { now: true }, 'unsettledBytes') }).failures).toEqual([full])
    })
  })

  it('signs nothing twice, whatever its receipts cause at once', () => {
    const { pay, settle, signed, event$ } = world({ wallet: 2e6 })
    event$.subscribe(event => {
      if (event.type === 'receipt' && event.receipt.session === sessionOf('one'))
        settle('one', 2e6 - event.receipt.bytes)
    })
    const session = pay('one')
    session.count(500_000)
    session.count(1_000_000)
    session.end()
    expect(signed.map(({ bytes }) => bytes)).toEqual([500_000, 1_000_000])
  })
})
