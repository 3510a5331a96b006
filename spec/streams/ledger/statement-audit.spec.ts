import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { Settlement } from '../../../src/protocol/coins/receipt.js'
import type { LedgerHead, Signal } from '../../../src/protocol/signaling/signal.js'
import { settledText } from '../../../src/protocol/signaling/signed-texts.js'
import {
  type AuditEvent,
  statementAudit$,
  type StatementAuditOptions,
} from '../../../src/streams/ledger/statement-audit.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { newKeys, smallLedger, type SpecLedger } from '../../support/ledger.js'

/** The first of three people, at a hub whose ledger has seven blocks. */
function scene(change: Partial<StatementAuditOptions> = {}) {
  const { ledger, people } = smallLedger()
  const hubKey = ledger.hub.pubKey
  const signal$ = new Subject<Signal>()
  const settled$ = new Subject<Settlement>()
  const hubConnection$ = new Subject<{ hubKey: string; head: LedgerHead | undefined } | undefined>()
  const store = memoryReceipts(people[0].pubKey)
  const options: StatementAuditOptions = {
    ...{ identity: people[0], crypto: nodeCrypto, store, hubConnection$, signal$, settled$ },
    ...change,
  }
  const start = () => {
    const events: AuditEvent[] = []
    const subscription = statementAudit$(options).subscribe({
      next: event => events.push(event),
      error: error => events.push(error as AuditEvent),
    })
    return { events, subscription }
  }
  return {
    ...{ ledger, people, hubKey, hubConnection$, store, start, ...start() },
    signIn: (head: LedgerHead | undefined = ledger.head()): void => hubConnection$.next({ hubKey, head }),
    signOut: (): void => hubConnection$.next(undefined),
    /** As a running peer hears of it: compared first, then kept. */
    settle(settlement: Settlement): void {
      settled$.next(settlement)
      store.settle(settlement)
    },
    offer(head: unknown): void {
      const payload = { sdp: 'c2Rw', head: head as LedgerHead }
      const [{ pubKey: to }, { pubKey: from }] = people
      signal$.next({ type: 'offer', session: 's'.repeat(16), from, to, payload, signature: '' })
    },
  }
}

type Scene = ReturnType<typeof scene>

/** A settlement that the hub signs as a spec likes. */
function lie(ledger: SpecLedger, change: Partial<Settlement>): Settlement {
  const settlement = {
    session: 'lied-session-16chars',
    bytes: 5,
    coins: '1.000000',
    seq: 7,
    hash: 'a'.repeat(128),
    ...change,
  }
  return { ...settlement, signature: nodeCrypto.sign(ledger.hub.privKey, settledText(settlement)) }
}

const kinds = (events: readonly AuditEvent[]): readonly string[] =>
  events.map(event => (event.type === 'evidence' ? event.kind : event.type))

/** A block on another branch that begins with so many of these blocks. */
const branched = (ledger: SpecLedger, count: number, [a, b]: Scene['people'], session: string, bytes = 1): Settlement =>
  ledger.settlement(ledger.branch(count).transfer(ledger.receipt(a, b, session.padEnd(16, '-'), bytes)))

describe('statementAudit$', () => {
  it('finds nothing in what an honest hub signs, and keeps its heads', () => {
    const { events, ledger, people, signIn, signOut, settle, offer, store, hubKey } = scene()
    const [a, b] = people
    signIn(ledger.head(5))
    for (const bytes of [1, 2, 3]) {
      const receipt = ledger.receipt(a, b, 'another-of-a-and-b', bytes)
      store.keep(receipt)
      settle(ledger.settlement(ledger.transfer(receipt, bytes - 1)))
    }
    // The answer to a question about an older one, and the same once more.
    settle(ledger.settlement(ledger.entries[7]!))
    settle(ledger.settlement(ledger.entries[9]!))
    offer(ledger.head(8))
    offer(ledger.head(2))
    signOut()
    signIn()
    expect(events).toEqual([])
    expect([2, 5, 8, 10].map(seq => store.headsAt(hubKey, seq).length)).toEqual([1, 1, 1, 1])
  })

  it('does nothing without a session, and ends with its source', () => {
    const { events, offer, ledger, store, hubKey, hubConnection$, subscription, signIn } = scene()
    offer(ledger.head())
    hubConnection$.next(undefined)
    expect([events, store.newestHead(hubKey)]).toEqual([[], undefined])
    signIn()
    hubConnection$.next(undefined)
    hubConnection$.complete()
    expect(subscription.closed).toBe(true)
  })

  it.each<[string, string, (scene: Scene) => void]>([
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
      'a settlement beside a head',
      'fork',
      ({ ledger, people, signIn, settle }) => {
        signIn()
        settle(branched(ledger, 6, people, 'one'))
      },
    ],
    [
      'a head beside a settlement that was replaced in the store since',
      'fork',
      ({ ledger, people, signIn, settle, store, offer }) => {
        signIn()
        const other = ledger.branch(7)
        for (const bytes of [1, 2]) {
          const receipt = ledger.receipt(people[0], people[1], 'one-of-a-and-b--', bytes)
          store.keep(receipt)
          settle(ledger.settlement(other.transfer(receipt, bytes - 1)))
        }
        ledger.grant(newKeys().pubKey)
        offer(ledger.head())
      },
    ],
    [
      'a head beside a settlement of an earlier run',
      'fork',
      ({ ledger, people, signIn, store }) => {
        const settlement = branched(ledger, 7, people, 'one')
        store.open({ session: settlement.session, seeder: people[0].pubKey, consumer: people[1].pubKey })
        store.settle(settlement)
        ledger.grant(newKeys().pubKey)
        signIn()
      },
    ],
    [
      'two settlements of one block',
      'fork',
      ({ ledger, people, signIn, settle }) => {
        signIn()
        settle(branched(ledger, 7, people, 'one'))
        settle(branched(ledger, 7, people, 'two'))
      },
    ],
    [
      'two sessions settled by one block',
      'fork',
      ({ ledger, people, signIn, settle }) => {
        signIn()
        const settlement = branched(ledger, 7, people, 'one')
        settle(settlement)
        settle(lie(ledger, { seq: settlement.seq, hash: settlement.hash }))
      },
    ],
    ...(
      [
        ['one receipt settled by two blocks', 5, 9],
        ['less of a session settled by a later block', 4, 9],
        ['more of a session settled by an earlier block', 6, 7],
      ] as const
    ).map(([what, bytes, seq]): [string, string, (scene: Scene) => void] => [
      what,
      'fork',
      ({ ledger, people, signIn, settle, store }) => {
        signIn(ledger.head(6))
        const session = 'lied-session-16chars'
        store.open({ session, seeder: people[0].pubKey, consumer: people[1].pubKey })
        settle(lie(ledger, { seq: 8, hash: 'b'.repeat(128) }))
        settle(lie(ledger, { bytes, seq }))
      },
    ]),
    [
      'a head that is behind one before',
      'rollback',
      ({ ledger, signIn, signOut }) => {
        signIn()
        signOut()
        signIn(ledger.head(5))
      },
    ],
    [
      'no head where there was one',
      'rollback',
      ({ signIn, hubConnection$, hubKey }) => {
        signIn()
        hubConnection$.next({ hubKey, head: undefined })
      },
    ],
    [
      'a head that is behind what another peer knows',
      'rollback',
      ({ ledger, signIn, signOut, offer }) => {
        signIn(ledger.head(3))
        offer(ledger.head(6))
        signOut()
        signIn(ledger.head(5))
      },
    ],
    [
      'a head that is behind a settlement',
      'rollback',
      ({ ledger, people: [a, b], signIn, signOut, settle, store }) => {
        signIn(ledger.head(3))
        const { session } = ledger.entries[3]!.receipt!
        store.open({ session, seeder: b.pubKey, consumer: a.pubKey })
        store.keep(ledger.entries[3]!.receipt!)
        settle(ledger.settlement(ledger.entries[3]!))
        signOut()
        signIn(ledger.head(3))
      },
    ],
    [
      'a settlement beyond the highest receipt of its own',
      'forged',
      ({ ledger, people: [a, b], signIn, settle, store }) => {
        signIn()
        const receipt = ledger.receipt(a, b, 'one-of-a-and-b--', 4)
        store.keep(receipt)
        settle(ledger.settlement(ledger.transfer({ ...receipt, bytes: 5 })))
      },
    ],
    [
      'a settlement of a session in which it signed nothing',
      'forged',
      ({ ledger, people: [a, b], signIn, settle, store }) => {
        signIn()
        const { receipt, ...block } = ledger.transfer(ledger.receipt(a, b, 'one-of-a-and-b--', 4))
        store.open({ session: receipt!.session, seeder: b.pubKey, consumer: a.pubKey })
        settle(ledger.settlement({ ...block, receipt }))
      },
    ],
  ])('reports %s once, with what the hub signed', (_what, kind, cheat) => {
    const all = scene()
    cheat(all)
    const reported = [...all.events]
    expect(kinds(reported)).toEqual([kind])
    for (const event of reported) {
      if (event.type !== 'evidence') continue
      expect(event.hub).toBe(all.hubKey)
      expect(event.statements.length).toBeGreaterThan(0)
      for (const { by, text, signature } of event.statements) expect(nodeCrypto.verify(by, text, signature)).toBe(true)
    }
  })

  it('lets a seeder be paid for more than the receipts that it holds', () => {
    const { events, ledger, people, signIn, settle, store } = scene()
    const [a, b] = people
    signIn()
    const receipt = ledger.receipt(b, a, 'paid-by-b-to-a--', 4)
    store.open({ session: receipt.session, seeder: a.pubKey, consumer: b.pubKey })
    settle(ledger.settlement(ledger.transfer(receipt)))
    expect(events).toEqual([])
  })

  it('reports a rollback once in a run, and the next one again', () => {
    const { events, ledger, signIn, signOut } = scene()
    const heads = [7, 4, 5, 6, 7, 3].map(seq => ledger.head(seq))
    ledger.grant(newKeys().pubKey)
    for (const head of [...heads.slice(0, 5), ledger.head(8), heads[0]!, heads[5]!]) {
      signIn(head)
      signOut()
    }
    const messages = events.map(event => ('message' in event ? event.message : ''))
    expect(messages).toEqual([
      expect.stringMatching(/signed block 7 as its head, and now shows block 4 .* restored from a backup/),
      expect.stringMatching(/signed block 8 as its head, and now shows block 7/),
    ])
  })

  it('holds nothing against a hub that another one signed', () => {
    const { events, ledger, people, signIn, store, settle } = scene()
    const foreign = branched(smallLedger().ledger, 7, people, 'one')
    store.open({ session: foreign.session, seeder: people[0].pubKey, consumer: people[1].pubKey })
    store.settle(foreign)
    ledger.grant(newKeys().pubKey)
    signIn()
    signIn(ledger.head())
    settle(ledger.settlement(ledger.transfer(ledger.receipt(people[0], people[1], 'two-of-a-and-b--', 1))))
    expect(events).toEqual([])
  })

  it.each<[string, (head: LedgerHead) => LedgerHead]>([
    ['with a huge number', head => ({ ...head, seq: 9e15 })],
    ['with another hash', head => ({ ...head, hash: 'd'.repeat(128) })],
    ['behind what it signed', head => ({ ...head, seq: 2 })],
  ])('says that it cannot check a hub that shows a head %s that it did not sign', (_what, twist) => {
    const { events, ledger, signIn, signOut, store, hubKey } = scene()
    signIn()
    signOut()
    const bad = twist(ledger.head())
    signIn(bad)
    const message = `the head ${bad.seq} that the hub shows is not signed by its key`
    expect(events).toMatchObject([{ type: 'unchecked', hub: hubKey, reason: { code: 'bad-signature', message } }])
    expect(store.newestHead(hubKey)?.seq).toBe(7)
  })

  it('takes nothing from heads of others that the hub did not sign', () => {
    const { signIn, offer, events, ledger, store, hubKey } = scene()
    signIn()
    for (const head of [{ ...ledger.head(), hash: 'f'.repeat(128) }, { ...ledger.head(), seq: 99 }, null, 'head'])
      offer(head)
    expect([events, store.newestHead(hubKey)?.seq, store.headsAt(hubKey, 7).length]).toEqual([[], 7, 1])
  })

  it('reports a hundred of each kind, and once that there are more', () => {
    const { events, ledger, people, signIn, signOut, settle } = scene()
    signIn()
    for (let count = 0; count < 110; count += 1) {
      const other = branched(ledger, 6, people, `session-${count}`)
      settle({ ...other })
      settle(lie(ledger, { seq: 8 + count, session: `first-of-${count}`.padEnd(16, '-') }))
      settle(lie(ledger, { seq: 8 + count, session: `other-of-${count}`.padEnd(16, '-') }))
    }
    signOut()
    signIn(ledger.head(3))
    const counted = (which: string): number => kinds(events).filter(kind => kind === which).length
    expect(['fork', 'left-out', 'rollback'].map(counted)).toEqual([100, 1, 1])
    expect(events).toContainEqual({ type: 'left-out', hub: ledger.hub.pubKey, kind: 'fork' })
  })

  it('goes on when its store fails', () => {
    const store = memoryReceipts('')
    let fails = true
    const keepHead: typeof store.keepHead = (...head) => {
      if (fails) throw new LighthouseError('store-failed', 'full')
      store.keepHead(...head)
    }
    const { events, signIn, offer, ledger } = scene({ store: { ...store, keepHead } })
    signIn()
    expect(events).toMatchObject([{ type: 'receipts-failed', reason: { code: 'store-failed' } }])
    fails = false
    offer(ledger.head())
    const other = ledger.branch(6)
    other.grant(newKeys().pubKey)
    offer(other.head())
    expect(kinds(events)).toEqual(['receipts-failed', 'fork'])
  })

  it('remembers across runs what the store keeps', () => {
    const { ledger, signIn, subscription, start } = scene()
    signIn()
    subscription.unsubscribe()
    const { events } = start()
    const other = ledger.branch(6)
    other.grant(newKeys().pubKey)
    signIn(other.head())
    expect(kinds(events)).toEqual(['fork'])
  })
})
