import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, EMPTY, NEVER, Observable, of, Subject, type Subscriber } from 'rxjs'
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { ReceiptAck, ReceiptRefusal, SignedReceipt } from '../../../src/protocol/coins/receipt.js'
import { ledgerLineText } from '../../../src/protocol/ledger/ledger-line.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { settling$, type SettlingEvent } from '../../../src/streams/coins/settling.js'
import type { HubConnection } from '../../../src/streams/signaling/signaling.js'
import { bob, carol, hub, self, sessionOf } from '../../support/receipts.js'
import { playCrypto, signedReceipt, signedSettlement } from '../support/coins.js'
import { virtualTime } from '../support/virtual-time.js'

const away = new LighthouseError('hub-unreachable', 'the connection to the hub was lost')

/** What the hub was given and has not answered, newest last. */
interface Question {
  readonly receipt: SignedReceipt
  readonly open: boolean
  answer(ack: ReceiptAck): void
  fail(error: unknown): void
}

function world(
  store: ReceiptStore = memoryReceipts(self),
  begin: 'signed in' | 'away' = 'signed in',
  lines: readonly string[] = [],
) {
  const time = virtualTime()
  const questions: Question[] = []
  const session = (hubKey = hub): HubConnection => ({
    hubKey,
    iceServers: [],
    head: undefined,
    socket: {
      send$: () => NEVER,
      settle$: receipt =>
        new Observable((subscriber: Subscriber<ReceiptAck>) => {
          questions.push({
            receipt,
            get open() {
              return !subscriber.closed
            },
            answer: ack => {
              subscriber.next(ack)
              subscriber.complete()
            },
            fail: error => subscriber.error(error),
          })
        }),
    },
  })
  const hubConnection$ = new BehaviorSubject<HubConnection | undefined>(begin === 'signed in' ? session() : undefined)
  const receipt$ = new Subject<SignedReceipt>()
  const again$ = new Subject<void>()
  const short$ = new Subject<void>()
  const events: SettlingEvent[] = []
  const outcomes: unknown[] = []
  /** When the hub was found silent. */
  const silences: number[] = []
  const subscription = settling$({
    receipt$,
    short$,
    again$,
    pubKey: self,
    hub: { ledger$: () => of(lines) },
    hubConnection$,
    store,
    crypto: playCrypto(),
    scheduler: time.scheduler,
  }).subscribe({
    next: event => {
      // As the payments do.
      if (event.type === 'settled') store.settle(event.settlement)
      if (event.type === 'receipt-refused' && event.code === 'no-coins') short$.next()
      if (event.type === 'hub-silent') silences.push(time.scheduler.now())
      else events.push(event)
    },
    error: error => outcomes.push(error),
    complete: () => outcomes.push('complete'),
  })
  const give = (name: string, bytes: number, seeder = bob): SignedReceipt => {
    const receipt = signedReceipt(name, bytes, seeder, self)
    store.keep(receipt)
    receipt$.next(receipt)
    return receipt
  }
  const settled = (name: string, bytes: number): ReceiptAck => ({ settled: signedSettlement(name, bytes, 0) })
  const refused = (code: ReceiptRefusal): ReceiptAck => ({ error: { code, message: `because ${code}` } })
  const asked = (): string[] => questions.map(({ receipt }) => `${receipt.session.replace(/-+$/, '')} ${receipt.bytes}`)
  return {
    time,
    store,
    questions,
    hubConnection$,
    receipt$,
    short$,
    again$,
    events,
    outcomes,
    silences,
    subscription,
    session,
    give,
    settled,
    refused,
    asked,
  }
}

describe('settling$', () => {
  it('brings a receipt to the hub and passes on its word', () => {
    const { give, questions, settled, events, asked } = world()
    give('one', 100)
    expect(asked()).toEqual(['one 100'])
    questions[0]!.answer(settled('one', 100))
    expect(events).toEqual([{ type: 'settled', settlement: signedSettlement('one', 100, 0) }])
  })

  it('has one under way for each session, and then brings the newest', () => {
    const { give, questions, settled, asked } = world()
    for (const bytes of [100, 200, 300]) give('one', bytes)
    give('two', 50)
    expect(asked()).toEqual(['one 100', 'two 50'])
    questions[0]!.answer(settled('one', 100))
    expect(asked()).toEqual(['one 100', 'two 50', 'one 300'])
    questions[2]!.answer(settled('one', 300))
    expect(asked()).toHaveLength(3)
  })

  it('brings nothing that is settled already', () => {
    const { give, questions, settled, asked } = world()
    give('one', 100)
    give('one', 200)
    questions[0]!.answer(settled('one', 200))
    expect(asked()).toEqual(['one 100'])
    give('one', 300)
    expect(asked()).toEqual(['one 100', 'one 300'])
  })

  it('keeps nothing while the hub is away, and brings at the sign-in what the store has, then what comes', () => {
    const { give, asked, hubConnection$, session } = world(undefined, 'away')
    give('one', 100)
    give('one', 200)
    give('two', 50)
    expect(asked()).toEqual([])
    hubConnection$.next(session())
    expect(asked()).toEqual(['two 50', 'one 200'])
    give('one', 300)
    expect(asked()).toEqual(['two 50', 'one 200', 'one 300'])
  })

  it('brings again at each sign-in what was not settled: the hub went away, or its word was lost', () => {
    const { give, asked, questions, hubConnection$, session, settled } = world()
    give('one', 100)
    questions[0]!.fail(away)
    hubConnection$.next(undefined)
    hubConnection$.next(session())
    expect(asked()).toEqual(['one 100', 'one 100'])
    questions[1]!.answer(settled('one', 100))
    hubConnection$.next(session())
    expect(asked()).toHaveLength(2)
  })

  it('brings receipts of earlier runs, sixteen at a time, of either role', () => {
    const store = memoryReceipts(self)
    for (let count = 0; count < 40; count++) {
      const [seeder, consumer] = count % 2 === 0 ? [self, carol] : [bob, self]
      store.keep(signedReceipt(`old ${count}`, 10, seeder, consumer))
    }
    const { asked, questions, settled, events, subscription } = world(store)
    expect(asked()).toHaveLength(16)
    for (let count = 0; count < 40; count++) questions[count]!.answer(settled(`old ${39 - count}`, 10))
    expect(asked()).toHaveLength(40)
    expect(new Set(asked()).size).toBe(40)
    expect(events).toHaveLength(40)
    subscription.unsubscribe()
  })

  it('leaves another hub’s receipts alone', () => {
    const { give, asked, hubConnection$, session } = world(undefined, 'away')
    hubConnection$.next(session(carol))
    give('one', 100)
    expect(asked()).toEqual([])
  })

  it('tells of an acknowledgement with another block than it had heard of, and not of the same again', () => {
    const { give, questions, events, store } = world()
    give('one', 100)
    const pushed = signedSettlement('one', 100, 0)
    store.settle(pushed)
    questions[0]!.answer({ settled: pushed })
    expect(events).toEqual([])
    give('one', 200)
    store.settle(signedSettlement('one', 200, 0))
    const other = signedSettlement('one', 200, 0, 3)
    questions[1]!.answer({ settled: other })
    expect(events).toEqual([{ type: 'settled', settlement: other }])
    expect(store.session(sessionOf('one'))?.settlement).toEqual(signedSettlement('one', 200, 0))
  })

  it.each<[string, (receipt: SignedReceipt) => ReceiptAck]>([
    ['that the hub did not sign', () => ({ settled: { ...signedSettlement('one', 100, 0), coins: '9.000000' } })],
    ['for another session', () => ({ settled: signedSettlement('two', 100, 0) })],
    ['for less', () => ({ settled: signedSettlement('one', 99, 0) })],
  ])('takes no settlement %s; the receipt stays due', (_name, forge) => {
    const { give, questions, events, asked, store, hubConnection$, session } = world()
    const receipt = give('one', 100)
    questions[0]!.answer(forge(receipt))
    expect(events).toEqual([])
    expect(store.due(10)).toEqual([receipt])
    give('one', 200)
    expect(asked()).toEqual(['one 100', 'one 200'])
    hubConnection$.next(session())
    expect(asked()).toEqual(['one 100', 'one 200', 'one 200'])
  })

  it.each<ReceiptRefusal>(['malformed', 'bad-signature', 'not-a-party', 'unknown-session', 'no-coins'])(
    'says that the hub refuses (%s), and brings newer ones all the same',
    code => {
      const { give, questions, events, refused, asked, time } = world()
      const receipt = give('one', 100)
      questions[0]!.answer(refused(code))
      expect(events).toEqual([{ type: 'receipt-refused', receipt, moreBytes: 100, code, message: `because ${code}` }])
      time.advance(10_000)
      expect(asked()).toEqual(['one 100'])
      give('one', 200)
      expect(asked()).toEqual(['one 100', 'one 200'])
    },
  )

  it.each<ReceiptRefusal>(['rate-limited', 'unavailable'])(
    'tries again after half a second what passes by itself (%s), with the newest by then',
    code => {
      const { give, questions, events, refused, asked, time, settled } = world()
      give('one', 100)
      questions[0]!.answer(refused(code))
      give('one', 200)
      time.advance(499)
      expect(asked()).toEqual(['one 100'])
      time.advance(1)
      expect(asked()).toEqual(['one 100', 'one 200'])
      questions[1]!.answer(settled('one', 200))
      time.advance(60_000)
      expect([asked().length, events.length]).toEqual([2, 1])
    },
  )

  it('tries again what it got no answer to, as long as it is signed in at the same hub', () => {
    const { give, questions, settled, asked, time, events, hubConnection$, session } = world()
    give('one', 100)
    questions[0]!.fail(away)
    time.advance(500)
    expect(asked()).toEqual(['one 100', 'one 100'])
    questions[1]!.answer(settled('one', 100))
    expect(events.map(({ type }) => type)).toEqual(['settled'])
    give('two', 100)
    questions[2]!.fail(away)
    hubConnection$.next(session())
    expect(asked()).toEqual(['one 100', 'one 100', 'two 100', 'two 100'])
    questions[3]!.answer(settled('two', 100))
    time.advance(60_000)
    expect([asked().length, time.pending()]).toEqual([4, 0])
  })

  it('finds a hub silent that does not answer for a second, or says that it cannot settle', () => {
    const { give, questions, refused, settled, silences, time, subscription } = world()
    give('one', 100)
    time.advance(999)
    questions[0]!.answer(settled('one', 100))
    give('two', 100)
    questions[1]!.answer(refused('rate-limited'))
    time.advance(500)
    expect(silences).toEqual([])
    questions[2]!.answer(refused('unavailable'))
    expect(silences).toEqual([1_499])
    // The next question is a second later.
    time.advance(1_999)
    expect(silences).toEqual([1_499])
    time.advance(1)
    expect(silences).toEqual([1_499, 3_499])
    // Whatever comes of it, it is said once for each question.
    time.advance(60_000)
    expect(silences).toHaveLength(2)
    give('three', 100)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })

  it('does not ask twice what the hub settled in the meantime', () => {
    const { give, questions, asked, time, store } = world()
    give('one', 100)
    questions[0]!.fail(away)
    store.settle(signedSettlement('one', 100, 0))
    time.advance(60_000)
    expect(asked()).toEqual(['one 100'])
  })

  it('tries a hub that cannot settle for a day ever less often, and holds no more for it', () => {
    const { give, questions, refused, settled, events, time, subscription, outcomes } = world()
    give('one', 100)
    const waits: number[] = []
    let waited = 0
    questions[0]!.answer(refused('unavailable'))
    for (let seconds = 0; seconds < 86_400; seconds += 0.5) {
      time.advance(500)
      waited += 500
      if (questions.length === waits.length + 1) continue
      waits.push(waited)
      waited = 0
      questions.at(-1)!.answer(refused('unavailable'))
      expect(time.pending()).toBeLessThanOrEqual(2)
    }
    expect(waits.slice(0, 7)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
    time.advance(8_000)
    questions.at(-1)!.answer(settled('one', 100))
    expect(events.map(({ type }) => type)).toEqual(['settled'])
    expect(() => subscription.unsubscribe()).not.toThrow()
    expect([outcomes, time.pending()]).toEqual([[], 0])
  })

  it('gives up trying again when the hub goes away, and begins anew with the sign-in', () => {
    const { give, questions, refused, asked, time, hubConnection$, session } = world()
    give('one', 100)
    questions[0]!.answer(refused('unavailable'))
    hubConnection$.next(undefined)
    time.advance(60_000)
    expect(asked()).toHaveLength(1)
    hubConnection$.next(session())
    expect(asked()).toHaveLength(2)
  })

  it('forgets a session of which nothing has come for a minute, and knows it again', () => {
    const { give, questions, settled, asked, time } = world()
    give('one', 100)
    questions[0]!.answer(settled('one', 100))
    time.advance(60_000)
    expect(time.pending()).toBe(0)
    give('one', 200)
    give('one', 300)
    expect(asked()).toEqual(['one 100', 'one 200'])
  })

  it('says that the store fails, and goes on', () => {
    const full = new LighthouseError('store-failed', 'the disk is broken')
    const broken = { now: true }
    const memory = memoryReceipts(self)
    const store: ReceiptStore = {
      ...memory,
      due: limit => {
        if (broken.now) throw full
        return memory.due(limit)
      },
      session: session => {
        if (broken.now) throw full
        return memory.session(session)
      },
    }
    const { give, events, asked, outcomes, hubConnection$, session } = world(store)
    give('one', 100)
    expect(events).toEqual([
      { type: 'receipts-failed', reason: full },
      { type: 'receipts-failed', reason: full },
    ])
    broken.now = false
    give('one', 200)
    hubConnection$.next(session())
    expect(asked()).toEqual(['one 200', 'one 200'])
    expect(outcomes).toEqual([])
  })

  it('lets everything go when it is unsubscribed from', () => {
    const { give, questions, refused, subscription, time, hubConnection$, receipt$ } = world()
    give('one', 100)
    give('two', 100)
    questions[1]!.answer(refused('unavailable'))
    subscription.unsubscribe()
    expect(questions.map(({ open }) => open)).toEqual([false, false])
    expect([time.pending(), hubConnection$.observed, receipt$.observed]).toEqual([0, false, false])
  })
})

describe('what is unsettled', () => {
  it('is brought once more when this peer can pay for it, and not while the hub is away', () => {
    const { give, store, questions, refused, settled, asked, again$, hubConnection$, events } = world()
    give('one', 100)
    questions[0]!.answer(refused('no-coins'))
    store.keep(signedReceipt('of carol', 100, self, carol))
    again$.next()
    expect(asked()).toEqual(['one 100', 'one 100'])
    questions[1]!.answer(settled('one', 100))
    expect(events.map(({ type }) => type)).toEqual(['receipt-refused', 'settled'])
    again$.next()
    hubConnection$.next(undefined)
    give('two', 50)
    again$.next()
    expect(asked()).toHaveLength(2)
  })

  it('is brought newest first, to the last of it, however much there is that cannot be paid', () => {
    const store = memoryReceipts(self)
    for (let count = 0; count < 2_500; count++) store.keep(signedReceipt(`old ${count}`, 10, self, carol))
    const { time, questions, refused, asked, subscription } = world(store)
    for (let count = 0; count < questions.length; count++) {
      questions[count]!.answer(refused('no-coins'))
      time.advance(1)
    }
    expect([asked()[0], asked().at(-1)]).toEqual(['old 2499 10', 'old 0 10'])
    expect(new Set(asked()).size).toBe(2_500)
    expect(asked()).toHaveLength(2_500)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })

  it('is offered again ever less often when a wallet did not hold it', () => {
    const { time, give, questions, refused, settled, asked, hubConnection$, session } = world()
    give('one', 100)
    questions[0]!.answer(refused('no-coins'))
    const waits: number[] = []
    for (let minutes = 5, before = 0; minutes <= 400; minutes += 5) {
      time.advance(300_000)
      if (questions.length === waits.length + 1) continue
      waits.push(minutes - before)
      before = minutes
      questions.at(-1)!.answer(refused('no-coins'))
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 80, 80, 80])
    hubConnection$.next(session())
    questions.at(-1)!.answer(settled('one', 100))
    const before = asked().length
    time.advance(86_400_000)
    expect([asked().length, time.pending()]).toEqual([before, 0])
  })
})

describe('what keys that owe have settled', () => {
  const served = (receipts: readonly SignedReceipt[], servedBytes: number): ReceiptStore => {
    const store = memoryReceipts(self)
    for (const receipt of receipts) store.keep(receipt)
    store.serve(carol, servedBytes, 0)
    return store
  }

  it('is asked for at the sign-in, and taken though it is higher than the receipt here', () => {
    const store = served([signedReceipt('one', 100, self, carol)], 250)
    store.settle(signedSettlement('one', 100, 0))
    const { asked, questions, events } = world(store)
    expect(asked()).toEqual(['one 100'])
    questions[0]!.answer({ settled: signedSettlement('one', 250, 0) })
    expect(events).toEqual([{ type: 'settled', settlement: signedSettlement('one', 250, 0) }])
    expect(store.account(carol)).toMatchObject({ servedBytes: 250, paidBytes: 250 })
  })

  it('is asked for after what is unsettled, once each, and not of who owes nothing', () => {
    const store = served(
      ['one', 'two'].map(name => signedReceipt(name, 100, self, carol)),
      250,
    )
    store.keep(signedReceipt('of bob', 100, self, bob))
    for (const name of ['one', 'of bob']) store.settle(signedSettlement(name, 100, 0))
    const { asked, questions, settled } = world(store)
    expect(asked()).toEqual(['two 100'])
    questions[0]!.answer(settled('two', 100))
    expect(asked()).toEqual(['two 100', 'two 100', 'one 100'])
  })

  it('stays as it is when the hub knows no more, or does not know the session any more', () => {
    const store = served(
      ['one', 'two'].map(name => signedReceipt(name, 100, self, carol)),
      250,
    )
    for (const name of ['one', 'two']) store.settle(signedSettlement(name, 100, 0))
    const { questions, settled, refused, events, time } = world(store)
    questions[0]!.answer(settled('two', 100))
    questions[1]!.answer(refused('unknown-session'))
    time.advance(86_400_000)
    expect([events, questions.length, time.pending()]).toEqual([[], 2, 0])
  })
})

describe('what was paid in a session of which no receipt came', () => {
  it('is asked for with the receipt that the ledger has, at the sign-in', () => {
    const store = memoryReceipts(self)
    store.open({ session: sessionOf('one'), seeder: self, consumer: carol })
    store.serve(carol, 100, 0)
    const receipt = signedReceipt('one', 100, self, carol)
    const hash = 'a'.repeat(128)
    const block = { seq: 1, prev_hash: '0'.repeat(128), time: 1, from: carol, to: self, bytes: 100, receipt, hash }
    const { asked, questions, settled, hubConnection$, session, events } = world(store, 'away', [
      ledgerLineText({ ...block, kind: 'transfer' }),
    ])
    hubConnection$.next({ ...session(), head: { seq: 1, hash, signature: '' } })
    expect(asked()).toEqual(['one 100'])
    questions[0]!.answer(settled('one', 100))
    expect(events).toEqual([{ type: 'settled', settlement: signedSettlement('one', 100, 0) }])
    expect(store.account(carol)).toMatchObject({ servedBytes: 100, paidBytes: 100 })
  })
})

describe('a receipt that a hub answers within the call', () => {
  it('does not block the ones after it', () => {
    const store = memoryReceipts(self)
    const asked: number[] = []
    const receipt$ = new Subject<SignedReceipt>()
    settling$({
      receipt$,
      short$: NEVER,
      again$: NEVER,
      pubKey: self,
      hub: { ledger$: () => EMPTY },
      hubConnection$: new BehaviorSubject<HubConnection | undefined>({
        hubKey: hub,
        iceServers: [],
        head: undefined,
        socket: {
          send$: () => NEVER,
          settle$: ({ bytes }) => {
            asked.push(bytes)
            return of({ settled: signedSettlement('one', bytes, 0) })
          },
        },
      }),
      store,
      crypto: playCrypto(),
      scheduler: virtualTime().scheduler,
    }).subscribe(event => event.type === 'settled' && store.settle(event.settlement))
    for (const bytes of [1, 2, 3]) {
      store.keep(signedReceipt('one', bytes, bob, self))
      receipt$.next(signedReceipt('one', bytes, bob, self))
    }
    expect(asked).toEqual([1, 2, 3])
    expect(store.session(sessionOf('one'))!.settlement!.bytes).toBe(3)
  })
})
