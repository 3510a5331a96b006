import { afterEach, describe, expect, it } from '@jest/globals'
import {
  asyncScheduler,
  filter,
  firstValueFrom,
  map,
  ReplaySubject,
  share,
  shareReplay,
  startWith,
  type Subscription,
} from 'rxjs'
import { nodeCrypto } from '../../src/adapters/crypto.node.js'
import { fetchHubClient } from '../../src/adapters/hub-http.js'
import { ledgerHash } from '../../src/adapters/ledger-hash.node.js'
import { socketIoTransport } from '../../src/adapters/socket-io.client.js'
import type { SignalConnection } from '../../src/ports.js'
import { ledgerAudit$ } from '../../src/streams/ledger-audit.js'
import type { AuditEvent } from '../../src/streams/ledger-look.js'
import { createMemoryMarks } from '../../src/streams/memory-marks.js'
import { createMemoryReceiptBook } from '../../src/streams/memory-receipts.js'
import { signaling$ } from '../../src/streams/signaling.js'
import { createMemoryTrust } from '../../src/streams/trust.js'
import { type HostileHub, hostileHub$ } from '../support/hostile-hub.node.js'
import { type Keys, newKeys, SpecLedger } from '../support/ledger.js'

const held: Subscription[] = []
afterEach(() => {
  for (const subscription of held.splice(0).reverse()) subscription.unsubscribe()
})

async function startHub(): Promise<HostileHub> {
  const hub$ = new ReplaySubject<HostileHub>(1)
  held.push(hostileHub$().subscribe(hub$))
  return firstValueFrom(hub$)
}

/** Signs in as a peer does, and audits. `known` lasts from one session to the next. */
function watch(
  hub: HostileHub,
  keys: Keys,
  known = { book: createMemoryReceiptBook(keys.pubKey), marks: createMemoryMarks() },
) {
  const identity = { ...keys, nickname: 'alice', host: hub.url }
  const scheduler = asyncScheduler
  const transport = socketIoTransport(hub.url)
  const event$ = signaling$({
    transport,
    identity,
    crypto: nodeCrypto,
    trust: createMemoryTrust(),
    scheduler,
    random: () => 0,
  }).pipe(share())
  const session$ = event$.pipe(
    filter(event => event.type === 'session'),
    map(({ session }) => session),
    startWith(undefined),
    shareReplay({ bufferSize: 1, refCount: true }),
  )
  const written$ = new ReplaySubject<void>(1)
  const marks = {
    ...known.marks,
    write: (...mark: Parameters<typeof known.marks.write>) => {
      known.marks.write(...mark)
      written$.next()
    },
  }
  const audit$ = new ReplaySubject<AuditEvent>(100)
  const connection$ = new ReplaySubject<SignalConnection>(1)
  const signal$ = event$.pipe(
    filter(event => event.type === 'signal'),
    map(({ signal }) => signal),
  )
  const settled$ = event$.pipe(
    filter(event => event.type === 'settled'),
    map(({ settlement }) => settlement),
  )
  const subscription = ledgerAudit$({
    identity,
    crypto: nodeCrypto,
    hash: ledgerHash,
    hub: fetchHubClient(hub.url),
    book: known.book,
    marks,
    session$,
    signal$,
    settled$,
    scheduler,
  }).subscribe(audit$)
  subscription.add(session$.subscribe(session => session && connection$.next(session.connection)))
  held.push(subscription)
  return {
    known,
    stop: () => subscription.unsubscribe(),
    connection: () => firstValueFrom(connection$),
    /** The first head was seen and is trusted. */
    trusted: () => firstValueFrom(written$),
    evidence: () => firstValueFrom(audit$.pipe(filter(event => event.type === 'evidence'))),
    checked: (seq: number) =>
      firstValueFrom(audit$.pipe(filter(event => event.type === 'checked' && event.seq === seq))),
  }
}

/** A hub with two peers, of which the first has looked at the ledger once and left. */
async function scene() {
  const hub = await startHub()
  const [alice, bob] = [newKeys(), newKeys()]
  hub.ledger.grant(alice.pubKey)
  hub.ledger.grant(bob.pubKey)
  const first = watch(hub, alice)
  await first.connection()
  await first.trusted()
  first.stop()
  expect(first.known.marks.read(hub.keys.pubKey)?.seq).toBe(2)
  return { hub, alice, bob, known: first.known }
}

describe('a peer that audits a hostile hub', () => {
  it('finds nothing at an honest one, and follows it', async () => {
    const { hub, alice, bob, known } = await scene()
    hub.ledger.transfer(hub.ledger.receipt(bob, alice, 'a-session-of-bobs', 1_000))
    hub.ledger.transfer(hub.ledger.receipt(alice, bob, 'a-session-of-mine', 2_000))
    const peer = watch(hub, alice, known)
    await peer.checked(4)
    expect(known.marks.read(hub.keys.pubKey)).toEqual({ seq: 4, hash: hub.ledger.entries[3]!.hash })
  })

  it('catches a dropped settlement', async () => {
    const { hub, alice, bob, known } = await scene()
    // The hub settles, says so, and puts another block in its place.
    hub.dropsSettlements = true
    const receipt = hub.ledger.receipt(bob, alice, 'a-session-of-bobs', 1_000)
    const peer = watch(hub, alice, known)
    const ack = await firstValueFrom((await peer.connection()).settle$(receipt))
    expect(ack).toHaveProperty('settled')
    peer.stop()
    hub.ledger.grant(newKeys().pubKey)
    known.book.keep(receipt)
    known.book.settle((ack as { settled: Parameters<typeof known.book.settle>[0] }).settled)
    const evidence = await watch(hub, alice, known).evidence()
    expect(evidence).toMatchObject({ kind: 'missing', hub: hub.keys.pubKey })
    expect(evidence.message).toMatch(
      /signed that block 3 settles session a-session-of-bobs .* another block in that place/,
    )
    for (const { by, text, signature } of evidence.statements) expect(nodeCrypto.verify(by, text, signature)).toBe(true)
    expect(evidence.statements.map(({ text }) => text.split('\n')[0])).toEqual([
      'lighthouse/settled/1',
      'lighthouse/head/1',
    ])
  })

  it('catches a transfer from its wallet that it never signed', async () => {
    const { hub, alice, bob, known } = await scene()
    const mine = hub.ledger.receipt(alice, bob, 'a-session-of-mine', 1)
    hub.ledger.transfer({ ...mine, bytes: 5_000_000 })
    expect(await watch(hub, alice, known).evidence()).toMatchObject({
      kind: 'forged',
      message: "block 3 of the hub's ledger moves 5.000000 coins from your wallet with a receipt that you did not sign",
      lines: [{ seq: 3, from: alice.pubKey }],
    })
  })

  it.each<[string, (hub: HostileHub, bob: Keys) => unknown, RegExp]>([
    ['by a grant', hub => hub.ledger.grant(hub.keys.pubKey), /grant to the hub itself/],
    [
      'by a receipt that nobody signed',
      (hub, bob) => hub.ledger.transfer({ ...hub.ledger.receipt(bob, hub.keys, 's'.repeat(16), 1), bytes: 9 }),
      /not signed by the key that pays/,
    ],
  ])('catches a hub that credits itself %s', async (_how, cheat, rule) => {
    const { hub, alice, bob, known } = await scene()
    cheat(hub, bob)
    const evidence = await watch(hub, alice, known).evidence()
    expect(evidence).toMatchObject({ kind: 'credit', lines: [{ to: hub.keys.pubKey }] })
    expect(evidence.message).toMatch(rule)
  })

  it('catches a fork that another peer shows', async () => {
    const { hub, alice, bob, known } = await scene()
    const other = hub.ledger.branch(2)
    other.grant(newKeys().pubKey)
    hub.ledger.grant(newKeys().pubKey)
    const peer = watch(hub, alice, known)
    await peer.checked(3)
    const signal = { type: 'offer', session: 'a-session-of-bobs', from: bob.pubKey, to: alice.pubKey }
    const payload = { sdp: 'c2Rw', head: other.head() }
    hub.peers.get(alice.pubKey)!.emit('signal', { ...signal, payload, signature: 'A'.repeat(86) + '==' })
    const evidence = await peer.evidence()
    expect(evidence).toMatchObject({ kind: 'fork', message: expect.stringContaining('two different blocks 3') })
    expect(evidence.statements.map(({ by, text, signature }) => nodeCrypto.verify(by, text, signature))).toEqual([
      true,
      true,
    ])
  })

  it('catches a ledger that was rolled back, and one that was written anew', async () => {
    const { hub, alice, known } = await scene()
    const whole = hub.ledger
    hub.ledger = whole.branch(1)
    const rolled = watch(hub, alice, known)
    const evidence = await rolled.evidence()
    expect(evidence).toMatchObject({
      kind: 'rollback',
      message: expect.stringContaining('signed block 2 as its head, and now shows block 1'),
    })
    expect(evidence.statements).toHaveLength(2)
    rolled.stop()
    hub.ledger = new SpecLedger(hub.keys)
    for (let count = 0; count < 3; count += 1) hub.ledger.grant(newKeys().pubKey)
    expect(await watch(hub, alice, known).evidence()).toMatchObject({
      kind: 'fork',
      message: expect.stringContaining('before block 2'),
    })
  })
})
