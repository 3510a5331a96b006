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
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { socketIoTransport } from '../../../src/adapters/hub/socket-io.client.js'
import type { SignalConnection } from '../../../src/ports.js'
import { formatCoins } from '../../../src/protocol/coins/amount.js'
import { settledText } from '../../../src/protocol/signaling/signed-texts.js'
import { type AuditEvent, statementAudit$ } from '../../../src/streams/ledger/statement-audit.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { signaling$ } from '../../../src/streams/signaling/signaling.js'
import { createMemoryTrust } from '../../../src/streams/signaling/trust.js'
import { type HostileHub, hostileHub$ } from '../../support/hostile-hub.node.js'
import { type Keys, newKeys } from '../../support/ledger.js'

const held: Subscription[] = []
afterEach(() => {
  for (const subscription of held.splice(0).reverse()) subscription.unsubscribe()
})

async function startHub(): Promise<HostileHub> {
  const hub$ = new ReplaySubject<HostileHub>(1)
  held.push(hostileHub$().subscribe(hub$))
  return firstValueFrom(hub$)
}

/** Signs in as a peer does, and compares. `store` lasts from one session to the next. */
function watch(hub: HostileHub, keys: Keys, store = memoryReceipts(keys.pubKey)) {
  const identity = { ...keys, nickname: 'alice', host: hub.url }
  const event$ = signaling$({
    ...{ transport: socketIoTransport(hub.url), identity, crypto: nodeCrypto, trust: createMemoryTrust() },
    ...{ scheduler: asyncScheduler, random: () => 0 },
  }).pipe(share())
  const hubConnection$ = event$.pipe(
    filter(event => event.type === 'hub-connection'),
    map(({ hub: connection }) => connection),
    startWith(undefined),
    shareReplay({ bufferSize: 1, refCount: true }),
  )
  const audit$ = new ReplaySubject<AuditEvent>(100)
  const connection$ = new ReplaySubject<SignalConnection>(1)
  const settled$ = event$.pipe(
    filter(event => event.type === 'settled'),
    map(({ settlement }) => settlement),
    share(),
  )
  const signal$ = event$.pipe(
    filter(event => event.type === 'signal'),
    map(({ signal }) => signal),
  )
  const subscription = statementAudit$({
    identity,
    crypto: nodeCrypto,
    store,
    hubConnection$,
    signal$,
    settled$,
  }).subscribe(audit$)
  subscription.add(hubConnection$.subscribe(session => session && connection$.next(session.socket)))
  subscription.add(settled$.subscribe(settlement => store.settle(settlement)))
  held.push(subscription)
  return {
    store,
    stop: () => subscription.unsubscribe(),
    signedIn: () => firstValueFrom(connection$),
    settled: () => firstValueFrom(settled$),
    evidence: () => firstValueFrom(audit$.pipe(filter(event => event.type === 'evidence'))),
  }
}

/** A hub with two peers, of which the first has been signed in once and left. */
async function scene() {
  const hub = await startHub()
  const [alice, bob] = [newKeys(), newKeys()]
  hub.ledger.grant(alice.pubKey)
  hub.ledger.grant(bob.pubKey)
  const first = watch(hub, alice)
  await first.signedIn()
  first.stop()
  expect(first.store.newestHead(hub.keys.pubKey)?.seq).toBe(2)
  return { hub, alice, bob, store: first.store }
}

describe('a peer that compares what a hostile hub signs', () => {
  it('catches a settlement for more than it signed for', async () => {
    const { hub, alice, bob, store } = await scene()
    const peer = watch(hub, alice, store)
    await peer.signedIn()
    const receipt = hub.ledger.receipt(alice, bob, 'a-session-of-mine', 1_000_000)
    store.keep(receipt)
    const said = { session: receipt.session, bytes: 5_000_000, coins: formatCoins(1), seq: 3, hash: 'a'.repeat(128) }
    const signature = nodeCrypto.sign(hub.keys.privKey, settledText(said))
    hub.peers.get(alice.pubKey)!.emit('settled', { ...said, signature })
    const evidence = await peer.evidence()
    expect(evidence).toMatchObject({
      kind: 'forged',
      hub: hub.keys.pubKey,
      message: expect.stringMatching(/block 3 settles .* up to 5\.000000 coins, and the highest .* is for 1\.000000/),
    })
    expect(evidence.statements.map(({ by, text, signature: each }) => nodeCrypto.verify(by, text, each))).toEqual([
      true,
      true,
    ])
  })

  it('catches a settlement that was dropped, once the hub shows the block in its place', async () => {
    const { hub, alice, bob, store } = await scene()
    hub.dropsSettlements = true
    const receipt = hub.ledger.receipt(bob, alice, 'a-session-of-bobs', 1_000)
    store.keep(receipt)
    const peer = watch(hub, alice, store)
    const settled = peer.settled()
    await firstValueFrom((await peer.signedIn()).settle$(receipt))
    await settled
    peer.stop()
    const evidence = await watch(hub, alice, store).evidence()
    expect(evidence).toMatchObject({ kind: 'fork', hub: hub.keys.pubKey })
    expect(evidence.message).toMatch(/its head 3 is not the block that it signed for a settlement, which is missing/)
    expect(evidence.statements.map(({ text }) => text.split('\n')[0])).toEqual([
      'lighthouse/head/1',
      'lighthouse/settled/1',
    ])
  })

  it('catches a fork that another peer shows', async () => {
    const { hub, alice, bob, store } = await scene()
    const other = hub.ledger.branch(2)
    other.grant(newKeys().pubKey)
    hub.ledger.grant(newKeys().pubKey)
    const peer = watch(hub, alice, store)
    await peer.signedIn()
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

  it('catches a ledger that was rolled back', async () => {
    const { hub, alice, store } = await scene()
    hub.ledger = hub.ledger.branch(1)
    const evidence = await watch(hub, alice, store).evidence()
    expect(evidence).toMatchObject({
      kind: 'rollback',
      message: expect.stringContaining('signed block 2 as its head, and now shows block 1'),
    })
    expect(evidence.statements).toHaveLength(2)
  })
})
