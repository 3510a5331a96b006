import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, Subject } from 'rxjs'
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { fromBase64 } from '../../../src/protocol/base64.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { SignedReceipt } from '../../../src/protocol/coins/receipt.js'
import { creditSession } from '../../../src/streams/coins/crediting.js'
import { Credits } from '../../../src/streams/coins/credits.js'
import type { PaymentEvent } from '../../../src/streams/coins/payment-event.js'
import type { SessionEvent } from '../../../src/streams/mux/session-reports.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { bob, carol, hub, self, sessionOf } from '../../support/receipts.js'
import { failingStore, full, identityOf, playCrypto, signedReceipt, signedSettlement } from '../support/coins.js'
import { type VirtualTime, virtualTime } from '../support/virtual-time.js'

const window = 1_000_000

function world(store: ReceiptStore = memoryReceipts(self), time: VirtualTime = virtualTime()) {
  const crypto = playCrypto()
  const settles$ = new BehaviorSubject(true)
  const failures: LighthouseError[] = []
  const event$ = new Subject<PaymentEvent>()
  const credits = new Credits({ store, event$, clock: time.scheduler })
  const options = { identity: identityOf(self), crypto, store, credits, settles$, event$, scheduler: time.scheduler }
  const late: SignedReceipt[] = []
  event$.subscribe(event => {
    if (event.type === 'receipt') late.push(event.receipt)
    if (event.type === 'receipts-failed') failures.push(event.reason)
  })

  /** One session: the spec says what happens on it, and hears what it may send. */
  const serve = (name: string, consumer = bob) => {
    const report$ = new Subject<SessionEvent>()
    const payment = creditSession(options, { hubKey: hub, session: sessionOf(name), pubKey: consumer })
    const errors: LighthouseError[] = []
    const passed: SessionEvent[] = []
    const following = report$
      .pipe(payment.follow)
      .subscribe({ error: (error: LighthouseError) => errors.push(error), next: event => passed.push(event) })
    const credit = (): number => payment.credit!.bytes()
    const grown: number[] = []
    following.add(payment.credit!.grown$.subscribe(() => grown.push(credit())))
    let sentBytes = 0
    const send = (bytes: number): void => {
      sentBytes += bytes
      report$.next({ type: 'bytes', sentBytes, receivedBytes: 0, payableBytes: 0 })
    }
    /** As a stream that always has more: all that the credit lets go, and then it is held. */
    const exhaust = (): number => {
      while (credit() > sentBytes) send(Math.min(65_536, credit() - sentBytes))
      report$.next({ type: 'awaiting-credit', on: true })
      return sentBytes
    }
    const give = (receipt: SignedReceipt): void => {
      const { bytes, signature } = receipt
      report$.next({ type: 'receipt', receipt: { bytes, signature: fromBase64(signature) } })
    }
    const sign = (bytes: number): void => give(signedReceipt(name, bytes, self, consumer))
    /** As the accounts do when the hub has settled. */
    const settle = (bytes: number): void => {
      const moved = store.settle(signedSettlement(name, bytes, 0))
      if (moved !== undefined) credits.settled(consumer, moved.session, moved.bytes)
    }
    return {
      report$,
      payment,
      passed,
      errors,
      grown,
      credit,
      send,
      exhaust,
      give,
      sign,
      settle,
      hold: (on: boolean) => report$.next({ type: 'awaiting-credit', on }),
      end: () => following.unsubscribe(),
      codes: () => errors.map(({ code }) => code),
    }
  }
  return { time, crypto, store, settles$, failures, late, credits, event$, options, serve }
}

describe('crediting', () => {
  it('lets a megabyte go, then what is settled', () => {
    const { serve } = world()
    const session = serve('one')
    expect(session.exhaust()).toBe(window)
    session.settle(250_000)
    expect(session.exhaust()).toBe(1_250_000)
    session.settle(1_250_000)
    expect(session.exhaust()).toBe(2_250_000)
  })

  it('gives nothing before it follows the session, and to nobody else', () => {
    const { options, serve } = world()
    serve('one', carol)
    const payment = creditSession(options, { hubKey: hub, session: sessionOf('two'), pubKey: bob })
    expect(payment.credit!.bytes()).toBe(0)
  })

  it('tells the store before anything goes, and puts it right at the end', () => {
    const store = memoryReceipts(self)
    const { serve } = world(store)
    const session = serve('one')
    for (let count = 0; count < 40; count++) {
      expect(store.account(bob).servedBytes).toBeGreaterThanOrEqual(session.credit())
      session.send(Math.min(20_000, session.credit() - count * 20_000))
    }
    session.end()
    expect(store.account(bob).servedBytes).toBe(800_000)
    expect(store.session(sessionOf('one'))).toMatchObject({ seeder: self, consumer: bob })
  })

  it('says when there is more: for a settlement, for what the store was told, to each session of the key', () => {
    const { serve } = world()
    const [one, two, other] = [serve('one'), serve('two'), serve('three', carol)]
    const before = [one.grown.length, two.grown.length, other.grown.length]
    one.send(1_000)
    expect([one.grown.length, two.grown.length]).toEqual(before.slice(0, 2))
    one.exhaust()
    one.settle(250_000)
    expect([one.grown.at(-1), two.grown.at(-1)]).toEqual([1_250_000, 250_000])
    expect(other.grown).toHaveLength(before[2]!)
  })

  it('has one window for all sessions of a key, those that are over included', () => {
    const { serve } = world()
    const [one, two] = [serve('one'), serve('two')]
    one.send(200_000)
    two.send(200_000)
    one.end()
    const three = serve('three')
    expect(three.exhaust()).toBe(600_000)
    expect([two.credit(), two.exhaust()]).toEqual([200_000, 200_000])
    // What is settled of the one that is over is paid too, and opens the window for those that live; a sixty-fourth fades.
    one.settle(150_000)
    expect(three.exhaust()).toBe(752_343)
  })

  it('keeps the debt over a restart, a crash included, and adds 256 KiB to it at most', () => {
    const store = memoryReceipts(self)
    const first = world(store)
    first.serve('one').send(100_000)
    // Killed: nothing is put right.
    const second = world(store)
    const session = second.serve('two')
    expect(session.exhaust()).toBeLessThanOrEqual(window - 100_000)
    expect(session.exhaust()).toBeGreaterThanOrEqual(window - 100_000 - 262_144)
    session.end()
    const third = world(store)
    expect(third.serve('three').exhaust()).toBe(0)
  })

  it('knows who has ever paid a coin, while a session lasts and after', () => {
    const { credits, serve } = world()
    expect(credits.hasPaid(bob)).toBe(false)
    const session = serve('one')
    session.exhaust()
    session.settle(999_999)
    expect(credits.hasPaid(bob)).toBe(false)
    session.settle(1_000_000)
    expect([credits.hasPaid(bob), credits.hasPaid(carol)]).toEqual([true, false])
    session.end()
    expect(credits.hasPaid(bob)).toBe(true)
  })

  it('takes what was paid over a restart along', () => {
    const store = memoryReceipts(self)
    const first = world(store).serve('one')
    first.exhaust()
    first.settle(window)
    first.end()
    expect(store.account(bob)).toMatchObject({ servedBytes: window, paidBytes: window })
    expect(world(store).serve('two').exhaust()).toBe(window)
  })

  it('counts a settlement once, however often it comes', () => {
    const { serve } = world()
    const session = serve('one')
    session.exhaust()
    for (let count = 0; count < 5; count++) session.settle(300_000)
    expect(session.exhaust()).toBe(1_300_000)
  })

  it('takes a settlement for a key that is not here, which the store knows', () => {
    const { serve, credits, store } = world()
    const session = serve('one')
    session.exhaust()
    session.end()
    session.settle(400_000)
    // A sixty-fourth of that fades of what is left.
    expect(store.account(bob)).toMatchObject({ servedBytes: window - 6_250, paidBytes: 400_000 })
    expect(serve('two').exhaust()).toBe(406_250)
    credits.settled(carol, sessionOf('three'), 5)
  })

  describe('unpaid', () => {
    it('is the end after 20 s of waiting', () => {
      const { serve, time } = world()
      const session = serve('one')
      session.exhaust()
      time.advance(19_999)
      expect(session.codes()).toEqual([])
      time.advance(1)
      expect(session.codes()).toEqual(['unpaid'])
      expect(time.pending()).toBe(0)
    })

    it('is nobody who waits for nothing, or goes on in between', () => {
      const { serve, time } = world()
      const session = serve('one')
      time.advance(60_000)
      session.exhaust()
      time.advance(15_000)
      session.hold(false)
      time.advance(15_000)
      session.hold(true)
      time.advance(15_000)
      expect(session.codes()).toEqual([])
    })

    it('is nobody who pays, though the window is used up again at once', () => {
      const { serve, time } = world()
      const session = serve('one')
      let total = session.exhaust()
      for (let count = 0; count < 10; count++) {
        time.advance(15_000)
        session.settle(total - 500_000)
        total = session.exhaust()
      }
      expect(session.codes()).toEqual([])
      time.advance(20_000)
      expect(session.codes()).toEqual(['unpaid'])
    })

    it('is nobody while this peer is not signed in; the time starts anew with the sign-in', () => {
      const { serve, time, settles$ } = world()
      const session = serve('one')
      session.exhaust()
      time.advance(19_000)
      settles$.next(false)
      time.advance(3_600_000)
      settles$.next(true)
      time.advance(19_999)
      expect(session.codes()).toEqual([])
      time.advance(1)
      expect(session.codes()).toEqual(['unpaid'])
    })

    it('ends one session, and no other key’s', () => {
      const { serve, time } = world()
      const [one, other] = [serve('one'), serve('two', carol)]
      one.exhaust()
      time.advance(20_000)
      expect([one.codes(), other.codes()]).toEqual([['unpaid'], []])
    })
  })

  describe('a key that was given up as unpaid', () => {
    const givenUp = () => {
      const w = world()
      const session = w.serve('one')
      session.exhaust()
      w.time.advance(20_000)
      session.end()
      return { ...w, session }
    }

    it('is told what it owes for a minute, then it may try again', () => {
      const { credits, time } = givenUp()
      expect(credits.refusal(bob)).toContain('1.000000 coins are owed here')
      expect(credits.refusal(carol)).toBeUndefined()
      time.advance(59_999)
      expect(credits.refusal(bob)).toBeDefined()
      time.advance(1)
      expect(credits.refusal(bob)).toBeUndefined()
    })

    it('is welcome as soon as it pays', () => {
      const { credits, session, serve } = givenUp()
      session.settle(400_000)
      expect(credits.refusal(bob)).toBeUndefined()
      expect(serve('two').exhaust()).toBe(406_250)
    })

    it('is welcome when it is forgiven, on disk too, and gets its window anew', () => {
      const { credits, store, serve } = givenUp()
      expect(credits.forgive(bob)).toBe(window)
      expect(store.account(bob)).toMatchObject({ servedBytes: 0, paidBytes: 0 })
      expect(credits.refusal(bob)).toBeUndefined()
      expect(serve('two').exhaust()).toBe(window)
      expect([credits.forgive(carol), store.account(carol).servedBytes]).toEqual([0, 0])
    })

    it('goes on at once when it is forgiven while it is held, and counts from there', () => {
      const { credits, store, serve } = world()
      const session = serve('one')
      session.exhaust()
      session.settle(300_000)
      session.exhaust()
      expect(credits.forgive(bob)).toBe(window)
      expect(session.grown.at(-1)).toBeGreaterThan(1_300_000)
      expect(session.exhaust()).toBe(2_300_000)
      session.end()
      expect(store.account(bob)).toMatchObject({ servedBytes: 1_300_000, paidBytes: 300_000 })
    })
  })

  describe('receipts', () => {
    it('are kept, and brought to the hub when the consumer does not', () => {
      const { serve, store, late, time } = world()
      const session = serve('one')
      session.send(500_000)
      session.sign(300_000)
      time.advance(50)
      expect(store.session(sessionOf('one'))?.receipt).toMatchObject({ bytes: 300_000, consumer: bob, seeder: self })
      time.advance(1_000)
      session.sign(400_000)
      time.advance(999)
      expect(late).toEqual([])
      time.advance(1)
      expect(late.map(({ bytes }) => bytes)).toEqual([400_000])
    })

    it('are brought when the consumer has gone, the last one too, and at once', () => {
      const { serve, store, late, time } = world()
      const session = serve('one')
      session.send(500_000)
      session.sign(300_000)
      time.advance(100)
      session.sign(500_000)
      session.report$.error(new LighthouseError('channel-closed', 'gone'))
      expect(session.codes()).toEqual(['channel-closed'])
      expect(store.session(sessionOf('one'))?.receipt).toMatchObject({ bytes: 500_000 })
      expect(late.map(({ bytes }) => bytes)).toEqual([500_000])
      expect(time.pending()).toBe(0)
    })

    it('that were settled are not brought again', () => {
      const { serve, late } = world()
      const session = serve('one')
      session.send(500_000)
      session.settle(500_000)
      session.end()
      expect(late).toEqual([])
    })

    it.each<[string, SignedReceipt]>([
      ['another session', signedReceipt('two', 300_000, self, bob)],
      ['another seeder', signedReceipt('one', 300_000, carol, bob)],
      ['another consumer', signedReceipt('one', 300_000, self, carol)],
      ['more than was signed', { ...signedReceipt('one', 300_000, self, bob), bytes: 300_001 }],
      ['nothing', signedReceipt('one', 0, self, bob)],
    ])('that are signed for %s end the connection', (_name, receipt) => {
      const { serve, store, late, time } = world()
      const session = serve('one')
      session.give(receipt)
      time.advance(50)
      expect(session.codes()).toEqual(['bad-signature'])
      expect([store.session(sessionOf('one'))?.receipt, late]).toEqual([undefined, []])
      expect(time.pending()).toBe(0)
    })

    it('that came last and are signed by somebody else keep no earlier one from being brought', () => {
      const { serve, late, time } = world()
      const session = serve('one')
      session.send(500_000)
      session.sign(300_000)
      time.advance(100)
      session.give(signedReceipt('one', 400_000, self, carol))
      session.end()
      expect(late.map(({ bytes }) => bytes)).toEqual([300_000])
    })

    it('that came last and are signed by somebody else are worth nothing and disturb nobody', () => {
      const { serve, store, late, failures } = world()
      const session = serve('one')
      session.give(signedReceipt('one', 300_000, self, carol))
      session.end()
      expect([session.codes(), store.session(sessionOf('one'))?.receipt, late, failures]).toEqual([
        [],
        undefined,
        [],
        [],
      ])
    })

    it('in a flood cost one check in 50 ms', () => {
      const { serve, crypto, time, store } = world()
      const session = serve('one')
      const receipts = Array.from({ length: 100 }, (_, index) => signedReceipt('one', 1 + index, self, bob))
      for (let tick = 0; tick < 1000; tick++) {
        for (let count = 0; count < 20; count++) session.give(receipts[(tick * 20 + count) % 100]!)
        time.advance(1)
      }
      expect(crypto.checks).toBeGreaterThan(10)
      expect(crypto.checks).toBeLessThanOrEqual(20)
      expect(store.session(sessionOf('one'))!.receipt!.bytes).toBe(100)
      expect(session.codes()).toEqual([])
    })

    it('that are lower than one before change nothing', () => {
      const { serve, time, store } = world()
      const session = serve('one')
      session.sign(500)
      time.advance(50)
      session.sign(400)
      time.advance(50)
      expect(store.session(sessionOf('one'))!.receipt!.bytes).toBe(500)
      expect(session.codes()).toEqual([])
    })
  })

  describe('a store that fails', () => {
    it('ends a session that begins', () => {
      for (const method of ['open', 'serve', 'account'] as const) {
        const { serve } = world(failingStore(self, { now: true }, method))
        const { report$, codes } = serve('one')
        expect([codes(), report$.observed]).toEqual([['store-failed'], false])
      }
    })

    it('takes nothing from a key that pays', () => {
      const broken = { now: false }
      const { serve } = world(failingStore(self, broken, 'account'))
      const session = serve('one')
      session.exhaust()
      broken.now = true
      expect(() => session.settle(250_000)).toThrow(full)
      expect(session.exhaust()).toBe(1_250_000)
    })

    it('ends a session that sends, and is told of at its end; what was told before stays the debt', () => {
      const broken = { now: false }
      const { serve, failures, time, store } = world(failingStore(self, broken, 'serve'))
      const session = serve('one')
      broken.now = true
      session.send(200_000)
      expect(session.codes()).toEqual(['store-failed'])
      expect(failures.map(({ code }) => code)).toEqual(['store-failed'])
      expect(time.pending()).toBe(0)
      broken.now = false
      const served = store.account(bob).servedBytes
      expect(served).toBeGreaterThanOrEqual(200_000)
      // The session that is over is not counted as open any more.
      expect(serve('two').exhaust()).toBe(window - served)
    })

    it('ends a session that gives a receipt', () => {
      const broken = { now: false }
      const { serve, time, late } = world(failingStore(self, broken, 'keep'))
      const session = serve('one')
      broken.now = true
      session.sign(100)
      time.advance(50)
      expect([session.codes(), late]).toEqual([['store-failed'], []])
    })

    it('is told of when a session ends', () => {
      const broken = { now: false }
      const { serve, failures } = world(failingStore(self, broken, 'keep', 'serve'))
      const session = serve('one')
      session.send(1000)
      session.sign(1000)
      broken.now = true
      session.end()
      expect(failures.map(({ code }) => code)).toEqual(['store-failed', 'store-failed'])
    })
  })

  it('lets everything go when it is unsubscribed from', () => {
    const { serve, time, settles$, late } = world()
    const session = serve('one')
    session.exhaust()
    session.sign(500)
    time.advance(60)
    session.sign(600)
    session.end()
    expect([session.report$.observed, settles$.observed, time.pending()]).toEqual([false, false, 0])
    expect(late.map(({ bytes }) => bytes)).toEqual([600])
  })

  it('passes on what the session reports, and why it ended', () => {
    const { serve } = world()
    const session = serve('one')
    session.send(1_000)
    session.report$.error(full)
    expect(session.passed).toEqual([{ type: 'bytes', sentBytes: 1_000, receivedBytes: 0, payableBytes: 0 }])
    expect(session.errors).toEqual([full])
  })
})
