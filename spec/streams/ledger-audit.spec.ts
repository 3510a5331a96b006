import { describe, expect, it } from '@jest/globals'
import { defer, EMPTY, NEVER, of, Subject, throwError, timer } from 'rxjs'
import { map } from 'rxjs'
import { nodeCrypto } from '../../src/adapters/crypto.node.js'
import { ledgerHash } from '../../src/adapters/ledger-hash.node.js'
import type { HubClient } from '../../src/ports.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import type { LedgerEntry } from '../../src/protocol/ledger-line.js'
import type { Settlement, SignedReceipt } from '../../src/protocol/receipt.js'
import type { LedgerHead, Signal } from '../../src/protocol/signal.js'
import { settledText } from '../../src/protocol/signed-texts.js'
import { ledgerAudit$, type LedgerAuditOptions } from '../../src/streams/ledger-audit.js'
import type { AuditEvent } from '../../src/streams/ledger-look.js'
import { createMemoryMarks } from '../../src/streams/memory-marks.js'
import { createMemoryReceiptBook } from '../../src/streams/memory-receipts.js'
import { type Keys, newKeys, smallLedger, type SpecLedger } from '../support/ledger.js'
import { virtualTime } from './support/virtual-time.js'

/** An audit in virtual time, at a hub that shows `ledger`, seven blocks of which the first three are trusted. */
function scene(hub: Partial<HubClient> = {}, change: Partial<LedgerAuditOptions> = {}) {
  const { ledger, people } = smallLedger()
  const time = virtualTime()
  const signal$ = new Subject<Signal>()
  const settled$ = new Subject<Settlement>()
  const hubKey = ledger.hub.pubKey
  const session$ = new Subject<{ hubKey: string; head: LedgerHead | undefined } | undefined>()
  const marks = createMemoryMarks()
  marks.write(hubKey, { seq: 3, hash: ledger.entries[2]!.hash })
  const asked: number[] = []
  const client: Pick<HubClient, 'head$' | 'ledger$'> = {
    head$: () => defer(() => of({ hubKey, head: ledger.head() })),
    ledger$: after =>
      defer(() => {
        asked.push(after)
        return of(ledger.lines().slice(after))
      }),
    ...hub,
  }
  const events: AuditEvent[] = []
  const book = createMemoryReceiptBook(people[0].pubKey)
  const options: LedgerAuditOptions = {
    ...{ identity: people[0], crypto: nodeCrypto, hash: ledgerHash, hub: client, marks, session$, signal$, settled$ },
    book,
    scheduler: time.scheduler,
    ...change,
  }
  const subscription = ledgerAudit$(options).subscribe({
    next: event => events.push(event),
    error: error => events.push(error as AuditEvent),
  })
  const signIn = (head: LedgerHead | undefined = ledger.head()): void => session$.next({ hubKey, head })
  const offer = (head: unknown): void => {
    const [, bob] = people
    const payload = { sdp: 'c2Rw', head: head as LedgerHead }
    signal$.next({
      type: 'offer',
      session: 's'.repeat(16),
      from: bob.pubKey,
      to: people[0].pubKey,
      payload,
      signature: '',
    })
  }
  return {
    ledger,
    people,
    time,
    session$,
    settled$,
    marks,
    asked,
    events,
    subscription,
    signIn,
    offer,
    hubKey,
    options,
    book,
  }
}

const kinds = (events: readonly AuditEvent[]): readonly string[] =>
  events.map(event => (event.type === 'evidence' ? event.kind : event.type))

describe('ledgerAudit$', () => {
  it('does nothing without a session, and ends with its source', () => {
    const { events, asked, session$, time, subscription } = scene()
    time.advance(60_000)
    session$.next(undefined)
    session$.complete()
    expect([events, asked, subscription.closed]).toEqual([[], [], true])
  })

  it('follows the ledger from its mark to the head, and keeps how far it came', () => {
    const { events, asked, signIn, marks, hubKey, ledger } = scene()
    signIn()
    expect(asked).toEqual([3])
    expect(events).toEqual([{ type: 'checked', hub: hubKey, seq: 7 }])
    expect(marks.read(hubKey)).toEqual({ seq: 7, hash: ledger.entries[6]!.hash })
  })

  it('tells of payments to this peer that its book does not have, and of no others', () => {
    const { events, book, ledger, people, signIn, time, hubKey } = scene()
    const [a, b] = people
    const known = ledger.transfer(ledger.receipt(b, a, 'known-to-the-book', 3))
    book.keep(known.receipt!)
    book.settle(ledger.settlement(known))
    const { receipt: first } = ledger.transfer(ledger.receipt(b, a, 'paid-while-it-was-away', 2))
    const { receipt: more } = ledger.transfer(ledger.receipt(b, a, 'known-to-the-book', 7), 3)
    ledger.transfer({ ...ledger.receipt(b, a, 'signed-by-nobody', 9), signature: `${'A'.repeat(86)}==` })
    signIn()
    expect(events.filter(({ type }) => type === 'paid')).toEqual([
      { type: 'paid', receipt: first },
      { type: 'paid', receipt: more },
    ])
    // Each once.
    ledger.grant(newKeys().pubKey)
    time.advance(600_000)
    expect(events.at(-1)).toEqual({ type: 'checked', hub: hubKey, seq: 12 })
    expect(events.filter(({ type }) => type === 'paid')).toHaveLength(2)
  })

  it('trusts the first head that it sees, and fetches nothing for it', () => {
    const marks = createMemoryMarks()
    const { events, asked, signIn, hubKey, ledger } = scene({}, { marks })
    signIn(ledger.head(5))
    expect([marks.read(hubKey)?.seq, asked]).toEqual([7, [5]])
    expect(kinds(events)).toEqual(['checked'])
  })

  it('looks again after a settlement and for a newer head, ten seconds later at the soonest', () => {
    const { asked, signIn, ledger, people, settled$, offer, time } = scene()
    signIn()
    const [a, b] = people
    settled$.next(ledger.settlement(ledger.transfer(ledger.receipt(a, b, 'another-of-a-and-b', 1))))
    settled$.next(ledger.settlement(ledger.transfer(ledger.receipt(a, b, 'another-of-a-and-b', 2), 1)))
    expect(asked).toEqual([3])
    time.advance(9_999)
    expect(asked).toEqual([3])
    time.advance(1)
    expect(asked).toEqual([3, 7])
    time.advance(60_000)
    expect(asked).toEqual([3, 7])
    ledger.grant(newKeys().pubKey)
    offer(ledger.head(9))
    expect(asked).toEqual([3, 7])
    offer(ledger.head())
    expect(asked).toEqual([3, 7, 9])
  })

  it.each<[string, Partial<HubClient>, string]>([
    ['fails', { head$: () => throwError(() => new LighthouseError('hub-unreachable', 'down')) }, 'hub-unreachable'],
    [
      'breaks off',
      { ledger$: () => throwError(() => new LighthouseError('hub-protocol', 'nonsense')) },
      'hub-protocol',
    ],
    ['never answers', { head$: () => NEVER }, 'hub-unreachable'],
    ['never ends', { ledger$: () => timer(0, 1_000).pipe(map(() => [])) }, 'hub-unreachable'],
    ['shows another key', { head$: () => of({ hubKey: newKeys().pubKey, head: undefined }) }, 'key-changed'],
  ])('puts it off when the hub %s, and tries again when asked', (_what, hub, code) => {
    const { events, signIn, time, offer, ledger } = scene(hub, {})
    signIn(ledger.head(3))
    time.advance(60_000)
    expect(events).toMatchObject([{ type: 'postponed', reason: { code } }])
    time.advance(10_000)
    offer(ledger.head())
    time.advance(60_000)
    expect(events).toHaveLength(2)
  })

  it('looks every ten minutes also where it hears of nothing', () => {
    const { events, signIn, ledger, people, time } = scene()
    signIn()
    const receipt = ledger.receipt(people[0], people[1], 'z'.repeat(16), 1)
    ledger.transfer({ ...receipt, bytes: 5_000_000 })
    time.advance(599_999)
    expect(kinds(events)).toEqual(['checked'])
    time.advance(1)
    expect(kinds(events)).toEqual(['checked', 'forged', 'checked'])
  })

  it.each<[string, Partial<HubClient>, RegExp]>([
    [
      'never gives out its ledger',
      { ledger$: () => throwError(() => new LighthouseError('hub-protocol', 'no')) },
      /no/,
    ],
    ['shows another key over HTTP', { head$: () => of({ hubKey: newKeys().pubKey, head: undefined }) }, /another key/],
    ['gives out an empty one', { ledger$: () => EMPTY }, /its ledger ends with block 3/],
  ])('says that it cannot check a hub that %s, after three looks, once', (_what, hub, message) => {
    const { events, signIn, session$, ledger, time, options } = scene(hub)
    signIn(ledger.head(3))
    time.advance(600_000)
    expect(kinds(events)).not.toContain('unchecked')
    // Signing in again makes no new hub of it.
    session$.next(undefined)
    signIn(ledger.head(3))
    expect(events.at(-1)).toMatchObject({ type: 'unchecked', hub: ledger.hub.pubKey })
    expect((events.at(-1) as { reason: Error }).reason.message).toMatch(message)
    time.advance(6_000_000)
    expect(kinds(events).filter(kind => kind === 'unchecked')).toHaveLength(1)
    Object.assign(options.hub, {
      head$: () => defer(() => of({ hubKey: ledger.hub.pubKey, head: ledger.head() })),
      ledger$: (after: number) => of(ledger.lines().slice(after)),
    })
    time.advance(600_000)
    expect(kinds(events).at(-1)).toBe('checked')
    Object.assign(options.hub, {
      head$: () => throwError(() => new LighthouseError('hub-unreachable', 'away')),
    })
    time.advance(1_800_000)
    expect(kinds(events).filter(kind => kind === 'unchecked')).toHaveLength(2)
  })

  it('goes on when its store fails', () => {
    const book = createMemoryReceiptBook('')
    let fails = true
    const keepHead: typeof book.keepHead = (...head) => {
      if (fails) throw new LighthouseError('store-failed', 'full')
      book.keepHead(...head)
    }
    const { events, signIn, offer, ledger, time } = scene({}, { book: { ...book, keepHead } })
    signIn()
    expect(events).toMatchObject([{ reason: { code: 'store-failed' } }, { reason: { code: 'store-failed' } }])
    fails = false
    time.advance(10_000)
    offer(ledger.head())
    expect(kinds(events).at(-1)).toBe('checked')
  })

  it('lets go of everything', () => {
    const { signIn, time, subscription } = scene({ ledger$: () => NEVER })
    signIn()
    expect(time.pending()).toBeGreaterThan(0)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })

  it('ends a look with the session', () => {
    const { signIn, time, session$, events } = scene({ head$: () => NEVER })
    signIn()
    session$.next(undefined)
    expect(time.pending()).toBe(0)
    time.advance(120_000)
    expect(events).toEqual([])
  })

  it('fetches ten thousand blocks at a time', () => {
    let given = 0
    const { signIn, ledger, time, hubKey, marks, events } = scene({
      ledger$: after =>
        defer(() => {
          const lines = ledger.lines().slice(after)
          given = lines.length
          return of(lines)
        }),
    })
    const people = Array.from({ length: 10_050 }, (_, index) =>
      Buffer.alloc(32, `key ${index} of many`).toString('base64'),
    )
    for (const key of people) ledger.grant(key)
    signIn()
    expect([given, marks.read(hubKey)?.seq]).toEqual([10_054, 10_003])
    time.advance(10_000)
    expect([given, marks.read(hubKey)?.seq]).toEqual([54, 10_057])
    expect(kinds(events)).toEqual(['checked', 'checked'])
  })

  it.each<[string, string, (with_: ReturnType<typeof scene>) => void]>([
    [
      'two heads',
      'fork',
      ({ ledger, signIn, offer }) => {
        const other = ledger.branch(6)
        other.grant(newKeys().pubKey)
        signIn()
        offer(other.head())
      },
    ],
    [
      'a head beside a settlement',
      'fork',
      ({ ledger, people: [a, b], signIn, settled$, offer }) => {
        signIn()
        settled$.next(ledger.settlement(ledger.branch(7).transfer(ledger.receipt(a, b, 's'.repeat(16), 1))))
        ledger.grant(newKeys().pubKey)
        offer(ledger.head())
      },
    ],
    [
      'two settlements',
      'fork',
      ({ ledger, people: [a, b], signIn, settled$ }) => {
        signIn()
        settled$.next(ledger.settlement(ledger.branch(7).transfer(ledger.receipt(a, b, 's'.repeat(16), 1))))
        settled$.next(ledger.settlement(ledger.branch(7).transfer(ledger.receipt(a, b, 's'.repeat(16), 2))))
      },
    ],
    [
      'a settlement for a block that it has seen',
      'missing',
      ({ ledger, people: [a, b], signIn, settled$ }) => {
        signIn()
        settled$.next(ledger.settlement(ledger.branch(5).transfer(ledger.receipt(a, b, 's'.repeat(16), 1))))
      },
    ],
    [
      'a head for another block than it has seen',
      'fork',
      ({ ledger, signIn, offer }) => {
        signIn()
        const other = ledger.branch(4)
        other.grant(newKeys().pubKey)
        offer(other.head())
      },
    ],
    [
      'a head that is behind',
      'rollback',
      ({ ledger, signIn, session$, options }) => {
        signIn()
        session$.next(undefined)
        Object.assign(options.hub, { head$: () => EMPTY })
        signIn(ledger.head(5))
      },
    ],
    [
      'no head where there was one',
      'rollback',
      ({ signIn, session$, hubKey, options }) => {
        signIn()
        Object.assign(options.hub, { head$: () => EMPTY })
        session$.next({ hubKey, head: undefined })
      },
    ],
    [
      'a head behind a settlement',
      'rollback',
      ({ ledger, people: [a, b], signIn, settled$, time }) => {
        signIn()
        settled$.next(ledger.settlement(ledger.branch(7).transfer(ledger.receipt(a, b, 's'.repeat(16), 1))))
        time.advance(10_000)
      },
    ],
    [
      'a ledger that ends before its head',
      'rollback',
      ({ ledger, signIn, options }) => {
        Object.assign(options.hub, { ledger$: (after: number) => of(ledger.lines().slice(after, 5)) })
        signIn()
      },
    ],
    [
      'a block that does not follow',
      'fork',
      ({ ledger, signIn }) => {
        ledger.entries[3] = { ...ledger.entries[3]!, prev_hash: 'e'.repeat(128) }
        signIn()
      },
    ],
    [
      'a block with another hash than its own',
      'fork',
      ({ ledger, signIn }) => {
        ledger.entries[4] = { ...ledger.entries[4]!, bytes: 6 }
        signIn()
      },
    ],
    [
      'what is no block',
      'fork',
      ({ ledger, signIn, options }) => {
        Object.assign(options.hub, { ledger$: (after: number) => of([...ledger.lines().slice(after, 5), '{}']) })
        signIn()
      },
    ],
    [
      'more from its wallet than a receipt is ahead of the one before',
      'forged',
      ({ ledger, people: [a, b], signIn }) => {
        ledger.transfer(ledger.receipt(a, b, 'session-of-a-and-b', 1_600_000), 1_400_000)
        signIn()
      },
    ],
    [
      'more than a receipt is ahead of the one before',
      'credit',
      ({ ledger, people: [, b, c], signIn }) => {
        ledger.transfer(ledger.receipt(c, b, 'session-of-c-and-b', 40_000_000), 1_000_000)
        signIn()
      },
    ],
    [
      'a second grant',
      'credit',
      ({ ledger, signIn }) => {
        const key = newKeys().pubKey
        ledger.grant(key)
        ledger.grant(key)
        signIn()
      },
    ],
    [
      'a receipt for another hub',
      'credit',
      ({ people: [a, b], ledger, signIn }) => {
        const { ledger: other } = smallLedger()
        ledger.transfer(other.receipt(a, b, 's'.repeat(16), 9))
        signIn()
      },
    ],
  ])('says it when it is shown %s, once', (_what, kind, cheat) => {
    const all = scene()
    cheat(all)
    const said = all.events.filter(event => event.type === 'evidence')
    expect(said.map(event => event.kind)).toContain(kind)
    for (let times = 0; times < 3; times += 1) {
      all.time.advance(10_000)
      all.offer(all.ledger.head())
    }
    const messages = all.events.flatMap(event => (event.type === 'evidence' ? [event.message] : []))
    expect(messages).toEqual([...new Set(messages)])
    for (const { statements } of said) {
      for (const { by, text, signature } of statements) expect(nodeCrypto.verify(by, text, signature)).toBe(true)
    }
  })

  it.each<[string, Partial<LedgerEntry>]>([
    ['another payee', { to: 'x'.repeat(5_000) }],
    ['a payee beyond ASCII', { to: '\u0141'.repeat(44) }],
    ['another payer', { from: 'somebody' }],
    ['another predecessor', { prev_hash: 'f'.repeat(127) }],
    ['another hash', { hash: '' }],
    ['a receipt of no session', { receipt: { session: 'x' } as SignedReceipt }],
    ['a receipt of no hub', { receipt: { hub_key: '' } as SignedReceipt }],
    ['a receipt of no parties', { receipt: { seeder: 'x' } as SignedReceipt }],
    ['a receipt without a signature', { receipt: { signature: '' } as SignedReceipt }],
  ])('hashes and remembers nothing of a block with %s than a block can have', (_what, change) => {
    let hashed = 0
    const { events, signIn, ledger } = scene({}, { hash: entry => ((hashed += 1), ledgerHash(entry)) })
    const block = ledger.entries[5]!
    ledger.entries[5] = { ...block, ...change, receipt: { ...block.receipt!, ...change.receipt } }
    signIn()
    expect(events[0]).toMatchObject({
      kind: 'fork',
      message: 'the hub has forked its ledger before block 6: what it gives out there is not a block',
      lines: [{ seq: 6 }],
    })
    expect([hashed, events.at(-1)]).toMatchObject([2, { type: 'checked', seq: 5 }])
  })

  it('says that coins were taken also where the block is none', () => {
    const { events, signIn, ledger, people } = scene()
    const receipt = ledger.receipt(people[0], people[1], 's'.repeat(16), 9)
    ledger.transfer({ ...receipt, signature: '' })
    signIn()
    expect(kinds(events)).toEqual(['fork', 'forged', 'checked'])
  })

  it.each<[string, (head: LedgerHead) => LedgerHead]>([
    ['with a huge number', head => ({ ...head, seq: 9e15 })],
    ['with another hash', head => ({ ...head, hash: 'd'.repeat(128) })],
    ['behind what it signed', head => ({ ...head, seq: 2 })],
  ])('takes no mark and finds nothing in a head %s that the hub shows and did not sign', (_what, twist) => {
    const marks = createMemoryMarks()
    const { events, signIn, hubKey, ledger, asked, options, session$, time } = scene({}, { marks })
    const bad = twist(ledger.head())
    const message = `the head ${bad.seq} that the hub shows is not signed by its key`
    Object.assign(options.hub, { head$: () => of({ hubKey, head: bad }) })
    signIn(bad)
    const fault = { type: 'postponed', reason: { code: 'bad-signature', message } }
    expect(events).toMatchObject([fault, { ...fault }])
    expect([marks.read(hubKey), asked]).toEqual([undefined, []])
    // With a mark it is neither followed nor held against the hub.
    Object.assign(options.hub, { head$: () => of({ hubKey, head: ledger.head(5) }) })
    session$.next(undefined)
    signIn(ledger.head(4))
    expect(marks.read(hubKey)?.seq).toBe(5)
    Object.assign(options.hub, { head$: () => of({ hubKey, head: bad }) })
    time.advance(10_000)
    session$.next(undefined)
    signIn(bad)
    expect(kinds(events)).toEqual(['postponed', 'postponed', 'checked', 'postponed', 'postponed'])
    expect(marks.read(hubKey)?.seq).toBe(5)
  })

  /** A settlement that the hub signed as a spec likes. */
  const lie = (ledger: SpecLedger, change: Partial<Settlement>): Settlement => {
    const said = {
      session: 'lied-session-16chars',
      bytes: 5,
      coins: '1.000000',
      seq: 7,
      hash: 'a'.repeat(128),
      ...change,
    }
    return { ...said, signature: nodeCrypto.sign(ledger.hub.privKey, settledText(said)) }
  }
  const evidenceOf = (events: readonly AuditEvent[]) => events.filter(event => event.type === 'evidence')

  it('catches a settlement for a block that it has followed, with the right hash and other content', () => {
    const { events, signIn, ledger, settled$ } = scene()
    signIn()
    const { seq, hash } = ledger.entries[6]!
    settled$.next(ledger.settlement(ledger.entries[6]!))
    expect(evidenceOf(events)).toEqual([])
    settled$.next(lie(ledger, { seq, hash }))
    expect(evidenceOf(events)).toMatchObject([{ kind: 'missing', lines: [{ seq, hash }], statements: [{}, {}] }])
  })

  it('catches a lie about a block that is followed by the truth', () => {
    const { events, signIn, ledger, people, settled$, time } = scene()
    signIn()
    const entry = ledger.transfer(ledger.receipt(people[0], people[1], 'true-session-16chars', 7))
    settled$.next(lie(ledger, { seq: entry.seq, hash: entry.hash }))
    settled$.next(ledger.settlement(entry))
    expect(evidenceOf(events)).toMatchObject([
      { kind: 'fork', message: expect.stringContaining('two different settlements for one block 8') },
    ])
    time.advance(10_000)
    expect(evidenceOf(events).slice(1)).toMatchObject([
      { kind: 'missing', message: expect.stringContaining('lied-session-16chars'), lines: [{ seq: 8 }] },
    ])
  })

  it('fetches the one block that a settlement names and that it does not remember, and compares', () => {
    const { events, signIn, ledger, settled$, time, asked } = scene()
    signIn()
    expect(asked).toEqual([3])
    settled$.next(lie(ledger, { seq: 2, hash: ledger.entries[1]!.hash }))
    settled$.next(lie(ledger, { seq: 3 }))
    expect(evidenceOf(events)).toMatchObject([{ kind: 'missing', message: expect.stringContaining('block 3') }])
    time.advance(10_000)
    expect(asked).toEqual([3, 1, 2])
    expect(evidenceOf(events).slice(1)).toMatchObject([
      { kind: 'missing', lines: [{ seq: 2 }] },
      { kind: 'missing', lines: [{ seq: 3 }] },
    ])
    time.advance(60_000)
    expect(asked).toHaveLength(3)
  })

  it.each<[string, (lines: readonly string[]) => readonly string[]]>([
    ['nothing', () => []],
    ['another block', lines => lines.slice(1)],
    ['no block', () => ['{}']],
  ])('says that a settlement is missing when the hub gives out %s in its place', (_what, twist) => {
    const { events, signIn, ledger, settled$, time, options } = scene()
    signIn()
    settled$.next(lie(ledger, { seq: 2 }))
    Object.assign(options.hub, { ledger$: (after: number) => of(twist(ledger.lines().slice(after))) })
    time.advance(10_000)
    expect(evidenceOf(events)).toMatchObject([
      {
        kind: 'missing',
        message: expect.stringMatching(/block 2 settles .* does not give out a block with that number/),
      },
    ])
  })

  it('compares what the book has and nobody told it of, also after a restart, once', () => {
    const { events, signIn, ledger, people, session$, time, asked, options, subscription, book } = scene()
    const settle = (name: string, settlement: Partial<Settlement>): void => {
      const session = name.padEnd(22, '-')
      book.open({ session, seeder: people[0].pubKey, consumer: people[1].pubKey })
      book.settle(lie(ledger, { session, ...settlement }))
    }
    signIn()
    settle('acknowledged', { seq: 6 })
    session$.next(undefined)
    time.advance(10_000)
    signIn()
    expect(evidenceOf(events)).toMatchObject([{ kind: 'missing', message: expect.stringContaining('acknowledged') }])
    subscription.unsubscribe()
    settle('crashed', { seq: 5 })
    book.settle({ ...lie(ledger, { session: 'foreign'.padEnd(22, '-') }), signature: 'A'.repeat(86) + '==' })
    for (const said of [1, 0]) {
      const again: AuditEvent[] = []
      const restarted = ledgerAudit$(options).subscribe(event => again.push(event))
      signIn()
      expect(evidenceOf(again)).toHaveLength(said)
      restarted.unsubscribe()
    }
    expect(asked).toEqual([3, 4])
    expect([...book.uncompared()]).toEqual([])
  })

  describe('knows what its own sessions were charged', () => {
    /** The first session's last receipt, charged a second time as a whole. */
    const chargeAgain = (ledger: SpecLedger): void => void ledger.transfer(ledger.entries[5]!.receipt!)

    it('by the settlements in its book, which prove it', () => {
      const { events, signIn, ledger, marks, hubKey, book } = scene()
      const { receipt, hash } = ledger.entries[5]!
      marks.write(hubKey, { seq: 7, hash: ledger.entries[6]!.hash })
      book.keep(receipt!)
      book.settle(ledger.settlement(ledger.entries[5]!))
      chargeAgain(ledger)
      signIn()
      const [first, ...rest] = evidenceOf(events)
      expect(first).toMatchObject({
        kind: 'forged',
        message: expect.stringMatching(
          /from your wallet a second time: block 6 had charged their session up to 1\.500000/,
        ),
        statements: [{ by: hubKey, text: expect.stringContaining(hash) }, { text: expect.stringMatching(/head.1\n8/) }],
        lines: [{ seq: 8 }],
      })
      expect(rest).toEqual([])
    })

    it('by the blocks that it followed before it was started again', () => {
      const { signIn, ledger, options, subscription, book } = scene()
      book.keep(ledger.entries[5]!.receipt!)
      signIn()
      subscription.unsubscribe()
      ledger.transfer(ledger.receipt(options.identity as Keys, newKeys(), 's'.repeat(16), 5))
      chargeAgain(ledger)
      const again: AuditEvent[] = []
      ledgerAudit$(options).subscribe(event => again.push(event))
      signIn()
      expect(evidenceOf(again)).toMatchObject([{ kind: 'forged', lines: [{ seq: 9 }], statements: [{}] }])
    })

    it('by what it saw before it signed in again', () => {
      const { events, signIn, ledger, session$, time } = scene()
      signIn()
      session$.next(undefined)
      chargeAgain(ledger)
      time.advance(10_000)
      signIn()
      expect(evidenceOf(events)).toMatchObject([{ kind: 'credit', lines: [{ seq: 8 }] }])
    })

    it('and finds nothing in what goes on where the block before ended', () => {
      const { events, signIn, ledger, people, marks, hubKey, book } = scene()
      marks.write(hubKey, { seq: 7, hash: ledger.entries[6]!.hash })
      book.keep(ledger.entries[5]!.receipt!)
      book.settle(ledger.settlement(ledger.entries[5]!))
      ledger.transfer(ledger.receipt(people[0], people[1], 'session-of-a-and-b', 1_600_000), 1_500_000)
      signIn()
      expect(kinds(events)).toEqual(['checked'])
    })
  })

  describe('after the hub broke its chain', () => {
    /** The hub shows another ledger from now on; what one start of the peer finds there. */
    function restarting({ options, signIn, hubKey, time }: ReturnType<typeof scene>) {
      let shown: SpecLedger
      Object.assign(options.hub, {
        head$: () => defer(() => of({ hubKey, head: shown.head() })),
        ledger$: (after: number) => defer(() => of(shown.lines().slice(after))),
      })
      return (ledger: SpecLedger): readonly string[] => {
        shown = ledger
        const events: AuditEvent[] = []
        const subscription = ledgerAudit$(options).subscribe(event => events.push(event))
        signIn(shown.head())
        time.advance(30_000)
        subscription.unsubscribe()
        return kinds(events)
      }
    }

    it.each<[string, number, string]>([
      ['its ledger is restored from a backup', 5, 'rollback'],
      ['it has grown beyond where the peer was', 20, 'fork'],
      ['it has as many blocks again', 7, 'fork'],
    ])('when %s, says so once, and follows the present one', (_what, blocks, kind) => {
      const all = scene()
      const { ledger, people, marks, hubKey, signIn, subscription, book } = all
      signIn()
      subscription.unsubscribe()
      book.keep(ledger.entries[5]!.receipt!)
      book.settle(ledger.settlement(ledger.entries[5]!))
      const other = ledger.branch(5)
      while (other.entries.length < blocks) other.grant(newKeys().pubKey)
      const start = restarting(all)
      expect(start(other)).toContain(kind)
      expect(marks.read(hubKey)).toMatchObject({ seq: blocks, disputed: Math.max(blocks, 7) })
      expect([start(other), start(other)]).toEqual([[], []])
      // The session goes on from what it had in the backup, which is no second charge.
      other.transfer(ledger.receipt(people[0], people[1], 'session-of-a-and-b', 1_500_000), 1_000_000)
      other.grant(newKeys().pubKey)
      expect(start(other).filter(said => said !== 'fork')).toEqual(['checked'])
      const receipt = ledger.receipt(people[0], people[1], 'z'.repeat(16), 1)
      other.transfer({ ...receipt, bytes: 7_000_000 })
      expect(start(other)).toEqual(['forged', 'checked'])
      // And a second time it is noticed again.
      const back = other.branch(other.entries.length - 1)
      expect(start(back)).toEqual(['rollback'])
      expect(start(back)).toEqual([])
    })

    it('does not ask for what other peers had heard of what is gone', () => {
      const all = scene()
      const { ledger, signIn, asked, offer, time, events, session$ } = all
      signIn()
      session$.next(undefined)
      const gone = ledger.head(7)
      ledger.entries.splice(5)
      time.advance(10_000)
      signIn()
      expect(kinds(events)).toEqual(['checked', 'rollback'])
      offer(gone)
      time.advance(60_000)
      expect([asked, kinds(events)]).toEqual([[3], ['checked', 'rollback']])
    })
  })

  it('says a hundred of each kind, and once that there are more', () => {
    const { events, signIn, ledger, people, session$, time } = scene()
    const twice = newKeys().pubKey
    for (let count = 0; count < 1_001; count += 1) ledger.grant(twice)
    ledger.transfer({ ...ledger.receipt(people[0], people[1], 'z'.repeat(16), 1), bytes: 7_000_000 })
    signIn()
    session$.next(undefined)
    ledger.grant(twice)
    time.advance(10_000)
    signIn()
    const counted = (which: string): number => kinds(events).filter(kind => kind === which).length
    expect(['credit', 'left-out', 'forged', 'checked'].map(counted)).toEqual([100, 1, 1, 2])
    expect(events).toContainEqual({ type: 'left-out', hub: ledger.hub.pubKey, kind: 'credit' })
  })

  describe('says what proves it', () => {
    const textsOf = (events: readonly AuditEvent[]): readonly (readonly string[])[] =>
      evidenceOf(events).map(({ statements }) => statements.map(({ text }) => text.split('\n').slice(0, 2).join(' ')))
    const headOf = ({ text }: { readonly text: string }): string => text.split('\n')[1]!

    it.each<[string, (ledger: SpecLedger) => unknown]>([
      ['a ledger that was written anew', ledger => (ledger.entries[7] = { ...ledger.entries[7]!, bytes: 6 })],
      ['a line', ({ entries }) => (entries[7] = { ...entries[7]!, receipt: null, kind: 'transfer' })],
    ])('%s: the heads before and after it, both signed', (_what, cheat) => {
      const { events, signIn, ledger, session$, time } = scene()
      signIn()
      session$.next(undefined)
      for (let count = 0; count < 2; count += 1) ledger.grant(newKeys().pubKey)
      const head = ledger.head()
      cheat(ledger)
      time.advance(10_000)
      signIn(head)
      const { statements, lines } = evidenceOf(events)[0]!
      expect([statements.map(headOf), lines.map(({ seq }) => seq)]).toEqual([['7', '9'], [8]])
      for (const { by, text, signature } of statements) expect(nodeCrypto.verify(by, text, signature)).toBe(true)
    })

    it('a line that is not the head with its number: that head, the others, and the line', () => {
      const { events, signIn, ledger, offer } = scene()
      signIn()
      const other = ledger.branch(5)
      other.grant(newKeys().pubKey)
      offer(other.head())
      const { statements, lines } = evidenceOf(events)[0]!
      expect([statements.map(headOf), lines]).toEqual([['6', '7'], [ledger.entries[5]]])
    })

    it('a head that is behind: both heads, and that it may be an old answer', () => {
      const { events, signIn, ledger, session$, options } = scene()
      signIn()
      session$.next(undefined)
      Object.assign(options.hub, { head$: () => EMPTY })
      signIn(ledger.head(5))
      expect(textsOf(events)).toEqual([['lighthouse/head/1 7', 'lighthouse/head/1 5']])
      expect(evidenceOf(events)[0]!.message).toMatch(/an old answer, out of a cache .* so ask the hub again/)
    })
  })

  it('holds nothing against the hub before it has asked twice', () => {
    const { events, signIn, ledger, people, settled$, time, options, hubKey } = scene()
    signIn()
    const old = ledger.head()
    const answers = [old]
    Object.assign(options.hub, { head$: () => defer(() => of({ hubKey, head: answers.shift() ?? ledger.head() })) })
    settled$.next(ledger.settlement(ledger.transfer(ledger.receipt(people[0], people[1], 's'.repeat(16), 1))))
    time.advance(10_000)
    expect(kinds(events)).toEqual(['checked', 'checked'])
    answers.push(old, old)
    settled$.next(ledger.settlement(ledger.transfer(ledger.receipt(people[0], people[1], 's'.repeat(16), 2), 1)))
    time.advance(10_000)
    expect(kinds(events)).toEqual(['checked', 'checked', 'rollback', 'rollback'])
  })

  it('loses no evidence to a head that is not signed', () => {
    const { events, signIn, ledger, people, book, offer } = scene()
    offer(ledger.head())
    const session = 'lied-session-16chars'
    book.open({ session, seeder: people[0].pubKey, consumer: people[1].pubKey })
    book.keepHead(ledger.hub.pubKey, ledger.head(7))
    book.settle(lie(ledger, { session }))
    signIn({ ...ledger.head(), signature: 'A'.repeat(86) + '==' })
    expect(kinds(events).slice(0, 2)).toEqual(['fork', 'postponed'])
  })

  it('loses no evidence when what is new cannot be kept', () => {
    const marks = createMemoryMarks()
    let fails = false
    const write: typeof marks.write = (...mark) => {
      if (fails) throw new LighthouseError('store-failed', 'full')
      marks.write(...mark)
    }
    const { events, signIn, ledger, session$, time } = scene({}, { marks: { ...marks, write } })
    signIn()
    session$.next(undefined)
    fails = true
    ledger.entries.splice(5)
    time.advance(10_000)
    signIn()
    expect(kinds(events)).toEqual(expect.arrayContaining(['rollback', 'postponed']))
  })

  it('looks back at 32 blocks at a time', () => {
    const { signIn, ledger, people, time, asked, options, events, book } = scene()
    const marks = createMemoryMarks()
    for (let count = 0; count < 40; count += 1) {
      const session = `session ${count}`.padEnd(22, '-').replace(' ', '-')
      book.open({ session, seeder: people[1].pubKey, consumer: people[0].pubKey })
      book.settle(ledger.settlement(ledger.transfer(ledger.receipt(people[0], people[1], session, 1))))
    }
    Object.assign(options, { marks })
    signIn()
    expect(asked).toHaveLength(32)
    time.advance(10_000)
    expect(asked).toHaveLength(40)
    time.advance(20_000)
    expect([asked.length, evidenceOf(events)]).toEqual([40, []])
  })

  it('takes nothing from heads that the hub did not sign', () => {
    const { signIn, offer, events, asked, ledger } = scene()
    signIn()
    offer({ ...ledger.head(), hash: 'f'.repeat(128) })
    offer({ ...ledger.head(), seq: 99 })
    offer(null)
    offer('head')
    expect(kinds(events)).toEqual(['checked'])
    expect(asked).toEqual([3])
  })
})
