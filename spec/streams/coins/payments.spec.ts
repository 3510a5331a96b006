import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { memorySocket } from '../../support/memory-socket.js'
import { isSame, patternBytes } from '../../support/pattern.js'
import { hub as hubKey, key, self, sessionOf } from '../../support/receipts.js'
import { coinPeer, playHub, signedReceipt, signedSettlement } from '../support/coins.js'
import { connect, consumer, peers, seeder } from '../support/paying-peers.js'
import { virtualTime } from '../support/virtual-time.js'

describe('two peers that pay', () => {
  it('pay for a download to the byte, while it flows, and nothing is held for long', () => {
    const { time, hub, here, there } = peers(1e8)
    const connection = connect({ time, here, there }, 'one')
    const bytes = 8_000_000
    const download = connection.fetch(bytes)
    download.run(60_000)
    expect(download.socket.ended).toBe(true)
    expect(download.socket.written.length).toBe(bytes)
    time.advance(100)
    expect(hub.moved).toBe(bytes)
    expect([hub.wallet(consumer), hub.wallet(seeder)]).toEqual([92_000_000, 8_000_000])
    expect(there.store.account(consumer)).toMatchObject({ paidBytes: bytes })
    expect([here.store.due(10), there.store.due(10)]).toEqual([[], []])
    connection.close()
    expect(there.store.account(consumer)).toMatchObject({ servedBytes: bytes, paidBytes: bytes })
    expect(connection.client.errors.map(({ code }) => code)).toEqual(['channel-closed'])
  })

  it('pay without receipts on the data channel too', () => {
    const { time, hub, here, there } = peers(1e8)
    const download = connect({ time, here, there }, 'one', { receipts: false }).fetch(5_000_000)
    download.run(60_000)
    time.advance(300)
    expect([download.socket.ended, hub.moved]).toEqual([true, 5_000_000])
  })

  it('go on over a path on which the window is the brake, however long that takes', () => {
    const { time, hub, here, there } = peers(1e9)
    const connection = connect({ time, here, there }, 'one', { latencyMs: 2_000 })
    const downloads = Array.from({ length: 8 }, () => connection.fetch(1_500_000))
    for (let turn = 0; turn < 18_000; turn++) for (const download of downloads) download.run(10)
    expect(connection.server.errors).toEqual([])
    expect(downloads.every(({ socket }) => socket.ended)).toBe(true)
    time.advance(5_000)
    expect(hub.moved).toBe(12_000_000)
  })

  it('are held when the coins are used up, and go on when some arrive, with no byte lost', () => {
    const { time, hub, here, there } = peers(2_000_000)
    const connection = connect({ time, here, there }, 'one')
    const download = connection.fetch(6_000_000)
    download.run(5_000)
    expect(download.socket.written.length).toBeLessThanOrEqual(3_000_000)
    expect([download.socket.ended, hub.wallet(consumer), here.payments.stop()]).toEqual([false, 0, 'no-coins'])
    hub.grant(consumer, 10_000_000)
    download.run(5_000)
    expect(download.socket.ended).toBe(true)
    expect(download.socket.written.length).toBe(6_000_000)
    expect(isSame(download.socket.written.subarray(0, 65_536), patternBytes(1, 0, 65_536))).toBe(true)
    expect(connection.client.errors).toEqual([])
    time.advance(300)
    expect(hub.moved).toBe(6_000_000)
  })

  it('end when no coins arrive for 20 s: unpaid there, no-coins here, and the transfer is broken, not complete', () => {
    const { time, hub, here, there } = peers(2_000_000)
    const connection = connect({ time, here, there }, 'one')
    const download = connection.fetch(6_000_000)
    download.run(30_000)
    expect(connection.server.errors.map(({ code }) => code)).toEqual(['unpaid'])
    connection.close()
    expect(connection.client.errors.map(({ code }) => code)).toEqual(['no-coins'])
    expect([download.socket.ended, download.socket.wasReset]).toEqual([false, true])
    const received = download.socket.written.length
    expect(received - hub.moved).toBeLessThanOrEqual(1_000_000)
    // What it owes is paid with the next coins, and the seeder lets it take again.
    const again = connect({ time, here, there }, 'two').fetch(100_000)
    again.run(500)
    expect(again.socket.written.length).toBe(0)
    hub.grant(consumer, 5_000_000)
    again.run(5_000)
    expect(again.socket.ended).toBe(true)
    time.advance(300)
    expect(hub.moved).toBe(there.store.account(consumer).paidBytes)
    expect(hub.moved).toBe(received + 100_000)
  })

  it('end with spending-limit as soon as the owner’s limit is reached, which locks nobody out', () => {
    const { time, hub, here, there } = peers(1e8, { connectionBytes: 1_500_000 })
    const connection = connect({ time, here, there }, 'one')
    const download = connection.fetch(6_000_000)
    download.run(500)
    expect(connection.client.errors.map(({ code }) => code)).toEqual(['spending-limit'])
    connection.close()
    time.advance(3_000)
    expect(hub.moved).toBe(1_500_000)
    let received = download.socket.written.length
    for (const name of ['two', 'three', 'four']) {
      const next = connect({ time, here, there }, name)
      const again = next.fetch(6_000_000)
      again.run(1_000)
      next.close()
      time.advance(3_000)
      received += again.socket.written.length
    }
    // Each costs what a connection may, what the ones before left unpaid included.
    expect(hub.moved).toBe(6_000_000)
    expect(received).toBeGreaterThanOrEqual(6_000_000)
  })

  it('go on the day after the owner’s limit of a day was reached', () => {
    const { time, hub, here, there } = peers(1e8, { dayBytes: 2_000_000 })
    const one = connect({ time, here, there }, 'one')
    one.fetch(10_000_000).run(1_000)
    one.close()
    expect([hub.moved, here.payments.stop()]).toEqual([2_000_000, 'spending-limit'])
    time.advance(86_400_000)
    const again = connect({ time, here, there }, 'two').fetch(500_000)
    again.run(1_000)
    expect([again.socket.ended, hub.moved > 2_500_000]).toEqual([true, true])
  })

  it('pay for what lies ready for programs that have paused, which hold nobody else up', () => {
    const { time, here, there } = peers(1e8)
    const connection = connect({ time, here, there }, 'one')
    // Four windows of a quarter megabyte are all that a seeder gives who was never paid.
    for (let count = 0; count < 4; count++) connection.fetch(5_000_000, memorySocket({ reads: false })).run(100)
    const active = connection.fetch(300_000)
    active.run(30_000)
    expect(active.socket.ended).toBe(true)
    time.advance(60_000)
    expect([connection.client.errors, connection.server.errors]).toEqual([[], []])
  })

  it('remember a debt as soon as it cannot be paid, and not only when a session ends', () => {
    const { time, hub, here, there } = peers(400_000)
    connect({ time, here, there }, 'one').fetch(3_000_000).run(1_000)
    // As a process that is killed leaves its store.
    const store = memoryReceipts(consumer)
    for (const debt of here.store.owed(hubKey)) store.owe(debt)
    expect(store.owed(hubKey)).toMatchObject([{ session: sessionOf('one'), bytes: 1_400_000 }])
    hub.grant(consumer, 1e7)
    time.advance(100)
    expect(here.store.owed(hubKey)).toEqual([])
    expect(hub.moved).toBeGreaterThanOrEqual(1_400_000)
  })

  it('owe nothing at one hub for what they signed and owed at another', () => {
    const { time, hub, here, there } = peers(2_000_000)
    const elsewhere = key('E')
    here.store.keep({ ...signedReceipt('old', 1_500_000, seeder, consumer), hub_key: elsewhere })
    here.store.owe({ hub_key: elsewhere, session: sessionOf('older'), seeder, consumer, bytes: 400_000 })
    const download = connect({ time, here, there }, 'one').fetch(1_900_000)
    download.run(5_000)
    time.advance(300)
    expect([download.socket.ended, hub.moved]).toEqual([true, 1_900_000])
    expect(here.store.owed(elsewhere)).toHaveLength(1)
  })

  it('lose nothing while the hub is away for a while: what was signed is settled after the sign-in', () => {
    const { time, hub, here, there } = peers(1e8)
    const connection = connect({ time, here, there }, 'one')
    const download = connection.fetch(3_000_000)
    here.signOut()
    there.signOut()
    download.run(60_000)
    // Nobody can pay, so nobody is cut off; the seeder holds the claim for all that it gave.
    expect([hub.moved, connection.server.errors]).toEqual([0, []])
    expect(there.store.session(sessionOf('one'))!.receipt!.bytes).toBe(download.socket.written.length)
    expect(download.socket.written.length).toBe(1_000_000)
    there.signIn()
    time.advance(100)
    expect(hub.moved).toBe(1_000_000)
    here.signIn()
    download.run(10_000)
    expect(download.socket.ended).toBe(true)
    time.advance(300)
    expect(hub.moved).toBe(3_000_000)
  })

  it('settle after a crash of the seeder what it held: the receipts are in its store', () => {
    const store = memoryReceipts(seeder)
    const world = peers(1e8, {}, { [seeder]: store })
    const { time, hub, here, there } = world
    there.signOut()
    here.signOut()
    const connection = connect(world, 'one')
    connection.fetch(600_000).run(1_000)
    there.subscription.unsubscribe()
    connection.server.subscription.unsubscribe()
    expect(hub.moved).toBe(0)
    const again = coinPeer(time, hub, seeder, { store })
    again.signIn()
    time.advance(100)
    expect(hub.moved).toBe(600_000)
    expect(store.account(consumer).paidBytes).toBe(600_000)
  })

  it('agree on what was paid while the seeder was away: it asks when it is back', () => {
    const world = peers(1e8)
    const { time, hub, here, there } = world
    const connection = connect(world, 'one')
    connection.fetch(600_000).run(5_000)
    time.advance(3_000)
    expect(there.store.account(consumer).paidBytes).toBe(600_000)
    // The seeder goes, and has at the end no more than the receipt before the last.
    there.signOut()
    const download = connection.fetch(300_000)
    download.run(5_000)
    connection.close()
    time.advance(3_000)
    const last = there.store.session(sessionOf('one'))!.receipt!.bytes
    const higher = signedReceipt('one', last + 5_000, seeder, consumer)
    here.store.keep(higher)
    here.signIn()
    time.advance(100)
    expect([hub.moved, there.store.account(consumer).paidBytes]).toEqual([last + 5_000, 600_000])
    there.store.settle(signedSettlement('one', last, 0))
    there.store.serve(consumer, last + 5_000, 0)
    there.signIn()
    time.advance(100)
    expect(there.store.account(consumer)).toMatchObject({ servedBytes: last + 5_000, paidBytes: last + 5_000 })
  })

  it('share one window of a key over two connections, and pay both', () => {
    const { time, hub, here, there } = peers(1e8)
    const world = { time, here, there }
    const downloads = ['one', 'two'].map(name => connect(world, name).fetch(3_000_000))
    for (let turn = 0; turn < 500; turn++) for (const download of downloads) download.run(10)
    expect(downloads.map(({ socket }) => socket.ended)).toEqual([true, true])
    time.advance(300)
    expect(hub.moved).toBe(6_000_000)
  })

  it('pay for what arrived when the program behind breaks off, and agree on it to the byte', () => {
    const { time, hub, here, there } = peers(1e8)
    const connection = connect({ time, here, there }, 'one')
    for (let count = 0; count < 30; count++) {
      const download = connection.fetch(2_000_000, memorySocket({ reads: count % 2 === 0 }))
      download.run(10 + count)
      download.socket.break()
      time.advance(20)
    }
    time.advance(400)
    connection.close()
    time.advance(100)
    const { servedBytes, paidBytes } = there.store.account(consumer)
    expect(paidBytes).toBe(servedBytes)
    expect(hub.moved).toBe(servedBytes)
    expect(servedBytes).toBeGreaterThan(5_000_000)
  })

  it('let everything go when they stop', () => {
    const { time, here, there } = peers(1e8)
    const connection = connect({ time, here, there }, 'one')
    connection.fetch(3_000_000)
    time.advance(50)
    for (const { subscription } of [connection.client, connection.server, here, there]) subscription.unsubscribe()
    time.advance(10)
    expect(time.pending()).toBe(0)
    expect([here.hubConnection$.observed, there.hubConnection$.observed]).toEqual([false, false])
    expect([...here.outcomes, ...there.outcomes]).toEqual([])
  })
})

describe('createPayments', () => {
  it('tells of a store that cannot be read, and signs nothing', () => {
    const time = virtualTime()
    const full = new LighthouseError('store-failed', 'the disk is broken')
    const store: ReceiptStore = {
      ...memoryReceipts(self),
      unsettledBytes: () => {
        throw full
      },
    }
    const peer = coinPeer(time, playHub(time, { [self]: 1e8 }), self, { store })
    peer.signIn()
    expect(peer.reports).toContainEqual({ type: 'receipts-failed', reason: full })
    expect([store.owed(hubKey), peer.outcomes]).toEqual([[], []])
  })

  it('believes no settlement in an acknowledgement that the hub did not sign', () => {
    const { time, hub, here, there } = peers(1e8)
    hub.honest = false
    const download = connect({ time, here, there }, 'one').fetch(3_000_000)
    // Nor are they heard of otherwise: `signaling$` passes on nothing that is not signed.
    here.store.keep(signedReceipt('old', 5, seeder, consumer))
    here.signIn()
    const before = here.reports.length
    time.advance(100)
    expect(here.reports.slice(before)).toEqual([])
    expect(here.store.session(sessionOf('old'))?.settlement).toBeUndefined()
    expect(here.store.due(10).map(({ session }) => session)).toContain(sessionOf('old'))
    expect(download.socket.written.length).toBeLessThanOrEqual(3_000_000)
  })

  it('gives up what the hub will never settle, says so, and has its coins free again', () => {
    const { time, hub, here } = peers(1_000_000)
    here.store.keep(signedReceipt('unknown', 900_000, seeder, consumer))
    hub.refuseWith = 'unknown-session'
    here.signIn()
    time.advance(100)
    expect(here.reports.filter(({ type }) => type === 'receipt-refused')).toMatchObject([{ code: 'unknown-session' }])
    expect([here.store.due(10), here.store.unsettledBytes(consumer, hubKey)]).toEqual([[], 0])
    here.signIn()
    time.advance(100)
    expect(hub.given).toHaveLength(1)
  })

  it('counts rightly what it may sign when the hub settles after all what was given up', () => {
    const { time, hub, here } = peers(1_000_000)
    here.store.keep(signedReceipt('unknown', 400_000, seeder, consumer))
    hub.refuseWith = 'unknown-session'
    here.signIn()
    time.advance(100)
    here.signOut()
    hub.refuseWith = undefined
    here.store.keep(signedReceipt('other', 600_000, seeder, consumer))
    here.signIn()
    here.signOut()
    const restarted = coinPeer(time, hub, consumer, { store: here.store })
    restarted.hear({ type: 'hub-connection', hub: hub.connection(consumer) })
    restarted.hear({ type: 'balance', bytes: 1_000_000 })
    restarted.hear({ type: 'settled', settlement: signedSettlement('unknown', 400_000, 600_000) })
    // Of these 600,000 all are signed away in the other session.
    expect(restarted.payments.stop()).toBe('no-coins')
  })

  it('keeps due what there are no coins for, and offers it again as soon as there are more', () => {
    const { time, hub, here } = peers(1_000_000)
    here.store.keep(signedReceipt('dear', 2_000_000, seeder, consumer))
    here.signIn()
    time.advance(100)
    hub.grant(consumer, 5_000_000)
    time.advance(100)
    expect(hub.moved).toBe(2_000_000)
  })

  it('does not offer it again before there are enough, and never for what it earns itself when others cannot pay', () => {
    const { time, hub, here } = peers(1_000_000)
    here.store.keep(signedReceipt('dear', 2_000_000, seeder, consumer))
    here.store.keep(signedReceipt('of a poor one', 9_000_000, consumer, 'nobody'))
    here.signIn()
    time.advance(100)
    const before = hub.given.length
    for (let count = 0; count < 99; count++) hub.grant(consumer, 10_000)
    time.advance(100)
    expect(hub.given.length).toBe(before)
    hub.grant(consumer, 10_000)
    time.advance(100)
    expect([hub.given.length, hub.moved]).toEqual([before + 1, 2_000_000])
    for (let count = 0; count < 99; count++) hub.grant(consumer, 10_000)
    time.advance(100)
    expect(hub.given.length).toBe(before + 1)
  })

  it('keeps due what there are no coins for, and offers it again at the next sign-in', () => {
    const { time, hub, here } = peers(1_000_000)
    here.store.keep(signedReceipt('dear', 2_000_000, seeder, consumer))
    here.signIn()
    time.advance(100)
    expect(here.reports.filter(({ type }) => type === 'receipt-refused')).toMatchObject([{ code: 'no-coins' }])
    hub.grant(consumer, 5_000_000)
    here.signIn()
    time.advance(100)
    expect(hub.moved).toBe(2_000_000)
  })

  it('reports a store that fails, and goes on', () => {
    const broken = { now: false }
    const memory = memoryReceipts(self)
    const full = new LighthouseError('store-failed', 'the disk is full')
    const store: ReceiptStore = {
      ...memory,
      settle: settlement => {
        if (broken.now) throw full
        return memory.settle(settlement)
      },
    }
    const { time, hub, here, there } = peers(1e8, {}, { [consumer]: store })
    broken.now = true
    const download = connect({ time, here, there }, 'one').fetch(3_000_000)
    download.run(5_000)
    expect(download.socket.ended).toBe(true)
    time.advance(300)
    expect(here.reports.filter(({ type }) => type === 'receipts-failed').length).toBeGreaterThan(0)
    expect(here.outcomes).toEqual([])
    expect(hub.moved).toBe(3_000_000)
    broken.now = false
    here.signIn()
    time.advance(100)
    expect(memory.session(sessionOf('one'))!.settlement!.bytes).toBe(3_000_000)
  })

  it('learns of its coins from an acknowledgement where nothing else tells it', () => {
    const { time, hub, here } = peers(1_000_000)
    hub.silent = true
    here.store.keep(signedReceipt('old', 400_000, seeder, consumer))
    here.hubConnection$.next(hub.connection(consumer))
    time.advance(100)
    expect(here.reports.map(report => 'bytes' in report && report.bytes)).toEqual([1_000_000, 600_000])
    expect(here.store.session(sessionOf('old'))!.settlement!.bytes).toBe(400_000)
  })

  it('takes the wallet of the highest block, in whatever order they come, and of a question that nothing overtook', () => {
    const { here } = peers(10_000_000)
    const settled = (name: string, wallet: number, seq: number): void =>
      here.hear({ type: 'settled', settlement: signedSettlement(name, 500, wallet, seq) })
    const answer$ = new Subject<number>()
    const answers: number[] = []
    here.payments.lookUp$(answer$).subscribe(bytes => answers.push(bytes))
    settled('nine', 2_000_000, 9)
    settled('eight', 3_000_000, 8)
    answer$.next(9_000_000)
    expect([answers, here.payments.wallet.balanceBytes]).toEqual([[2_000_000], 2_000_000])
    expect(here.reports).toEqual([10_000_000, 2_000_000].map(bytes => ({ type: 'balance', bytes })))
  })

  it('passes on every settlement, pushed and acknowledged', () => {
    const { time, hub, here } = peers(1_000_000)
    const settled: string[] = []
    here.payments.settled$.subscribe(({ session, bytes }) => settled.push(`${session} ${bytes}`))
    hub.silent = true
    here.store.keep(signedReceipt('old', 400_000, seeder, consumer))
    here.signIn()
    time.advance(100)
    here.hear({ type: 'settled', settlement: signedSettlement('strange', 500, 7_000_000) })
    expect(settled).toEqual([`${sessionOf('old')} 400000`, `${sessionOf('strange')} 500`])
  })

  it('passes on a settlement before the store has it, to whoever listens first or last', () => {
    const { here } = peers(1_000_000)
    const before: unknown[] = []
    const listen = () =>
      here.payments.settled$.subscribe(({ session }) => before.push(here.store.session(session)?.settlement))
    // Ends and listens anew, as an audit does that starts before the payments.
    here.subscription.unsubscribe()
    const first = listen()
    first.add(here.payments.report$.subscribe())
    listen()
    here.store.keep(signedReceipt('old', 400_000, seeder, consumer))
    here.hear({ type: 'settled', settlement: signedSettlement('old', 400_000, 600_000) })
    expect(before).toEqual([undefined, undefined])
    expect(here.store.session(sessionOf('old'))!.settlement!.bytes).toBe(400_000)
    first.unsubscribe()
  })

  it('counts nothing as free that a settlement takes off the wallet', () => {
    const { time, here, there } = peers(1_000_000)
    here.store.keep(signedReceipt('old', 1_000_000, seeder, consumer))
    connect({ time, here, there }, 'one').fetch(300_000).run(1_000)
    expect(here.store.session(sessionOf('one'))?.receipt).toBeUndefined()
    here.hear({ type: 'settled', settlement: signedSettlement('old', 1_000_000, 0, 9) })
    expect(here.store.session(sessionOf('one'))?.receipt).toBeUndefined()
    here.hear({ type: 'balance', bytes: 200_000 })
    expect(here.store.session(sessionOf('one'))!.receipt!.bytes).toBe(200_000)
  })

  it('takes the wallet alone from a settlement of a session that it was never party to', () => {
    const { here } = peers(0)
    here.hear({ type: 'settled', settlement: signedSettlement('strange', 500, 7_000_000) })
    expect(here.payments.stop()).toBeUndefined()
    expect(here.store.account(seeder)).toMatchObject({ servedBytes: 0, paidBytes: 0 })
    expect([...here.store.settlements()]).toEqual([])
  })

  it('says that nothing can be paid for while the wallet is unknown or empty', () => {
    const { here } = peers(0)
    expect(here.payments.stop()).toBe('no-coins')
    here.hear({ type: 'balance', bytes: 1_000_000 })
    expect(here.payments.stop()).toBeUndefined()
  })
})
