/** Two honest peers that have paid each other before, while the hub is away for one of them or both. */
import { describe, expect, it } from '@jest/globals'
import { formatCoins } from '../../../src/protocol/coins/amount.js'
import { sessionOf } from '../../support/receipts.js'
import { coinPeer, type PlayHub, signedSettlement } from '../support/coins.js'
import { connect, consumer, type PaidConnection, type PayingPeers, peers, seeder } from '../support/paying-peers.js'

const megabyte = 1_000_000

/** The consumer has paid the seeder so much once. */
function paidBefore({ there, hub, time }: PayingPeers, bytes: number): void {
  there.store.open({ session: sessionOf('before'), seeder, consumer })
  const settlement = signedSettlement('before', bytes, 0)
  there.store.settle({ ...settlement, consumer_coins: formatCoins(hub.wallet(consumer)) })
  there.store.serve(consumer, bytes, time.scheduler.now())
}

/** Plays a film of a megabyte a second; returns in how many of these seconds less than that came. */
function play({ time }: PayingPeers, connection: PaidConnection, seconds: number): number {
  let stalls = 0
  for (let second = 0; second < seconds; second++) {
    const beganMs = time.scheduler.now()
    const download = connection.fetch(megabyte)
    download.run(990)
    if (!download.socket.ended) stalls++
    time.advance(Math.max(0, beganMs + 1_000 - time.scheduler.now()))
  }
  return stalls
}

describe('while the hub is away', () => {
  it('a film goes on for minutes between peers that know each other, and is paid to the byte afterwards', () => {
    const world = peers(1_000 * megabyte)
    paidBefore(world, 100 * megabyte)
    const { time, hub, here, there } = world
    const connection = connect(world, 'one')
    expect(play(world, connection, 3)).toBe(0)
    for (const peer of [here, there]) peer.signOut()
    expect(play(world, connection, 60)).toBe(0)
    expect(hub.moved).toBeLessThan(4 * megabyte)
    there.signIn()
    expect(play(world, connection, 5)).toBe(0)
    here.signIn()
    expect(play(world, connection, 5)).toBe(0)
    time.advance(3_000)
    expect(hub.moved).toBe(73 * megabyte)
    expect(hub.wallet(consumer) + hub.wallet(seeder)).toBe(1_000 * megabyte)
    expect([here.store.due(10), there.store.due(10)]).toEqual([[], []])
    connection.close()
    expect(connection.server.errors.map(({ code }) => code)).toEqual(['channel-closed'])
    const { servedBytes, paidBytes } = there.store.account(consumer)
    expect([servedBytes, paidBytes]).toEqual([173 * megabyte, 173 * megabyte])
  })

  it('nobody signs for more than he has, and nobody is cut off for that', () => {
    const world = peers(12 * megabyte)
    paidBefore(world, 100 * megabyte)
    const { time, hub, here, there } = world
    const connection = connect(world, 'one')
    for (const peer of [here, there]) peer.signOut()
    connection.fetch(40 * megabyte).run(60_000)
    expect(here.store.session(sessionOf('one'))!.receipt!.bytes).toBe(12 * megabyte)
    expect(there.store.session(sessionOf('one'))!.receipt!.bytes).toBe(12 * megabyte)
    expect(connection.server.errors).toEqual([])
    for (const peer of [here, there]) peer.signIn()
    time.advance(1_000)
    expect([hub.moved, hub.wallet(consumer)]).toEqual([12 * megabyte, 0])
  })

  it('of the seeder alone, the consumer pays, and the seeder learns of it later', () => {
    const world = peers(1_000 * megabyte)
    paidBefore(world, 100 * megabyte)
    const { time, hub, there } = world
    const connection = connect(world, 'one')
    there.signOut()
    expect(play(world, connection, 30)).toBe(0)
    expect(hub.moved).toBe(30 * megabyte)
    expect(there.store.account(consumer).paidBytes).toBe(100 * megabyte)
    there.signIn()
    time.advance(100)
    expect(there.store.account(consumer).paidBytes).toBe(130 * megabyte)
  })

  it('of the consumer alone, the seeder brings the receipts, as soon as data waits', () => {
    const world = peers(1_000 * megabyte)
    const { time, hub, here } = world
    // Long enough after the sign-in that receipts count for nothing before they are settled.
    time.advance(10_000)
    const connection = connect(world, 'one')
    here.signOut()
    const download = connection.fetch(10 * megabyte)
    download.run(10_000)
    expect(download.socket.ended).toBe(true)
    time.advance(3_000)
    expect(hub.moved).toBe(10 * megabyte)
    expect(hub.given.every(({ by }) => by === seeder)).toBe(true)
  })

  it('and when it is back, but settles only some seconds later, the film goes on', () => {
    const world = peers(1_000 * megabyte)
    paidBefore(world, 100 * megabyte)
    const { time, hub, here, there } = world
    const connection = connect(world, 'one')
    for (const peer of [here, there]) peer.signOut()
    expect(play(world, connection, 20)).toBe(0)
    hub.refuseWith = 'rate-limited'
    for (const peer of [here, there]) peer.signIn()
    expect(play(world, connection, 9)).toBe(0)
    // For good it does not: then only the window counts again.
    expect(play(world, connection, 3)).toBeGreaterThan(0)
    hub.refuseWith = undefined
    time.advance(9_000)
    expect(play(world, connection, 3)).toBe(0)
    expect(connection.server.errors).toEqual([])
    time.advance(3_000)
    expect(hub.moved).toBeGreaterThan(32 * megabyte)
  })

  it.each([
    ['hangs, or a network took it away', (hub: PlayHub, on: boolean) => (hub.hung = on)],
    ['says that it cannot settle', (hub: PlayHub, on: boolean) => (hub.refuseWith = on ? 'unavailable' : undefined)],
  ])('means as well: it %s', (_how, fail) => {
    const world = peers(1_000 * megabyte)
    paidBefore(world, 100 * megabyte)
    const { time, hub, here, there } = world
    time.advance(10_000)
    const connection = connect(world, 'one')
    expect(play(world, connection, 3)).toBe(0)
    fail(hub, true)
    expect(play(world, connection, 60)).toBe(0)
    fail(hub, false)
    // At the latest the end of the connection shows what the hub does, and its pings; the questions on their way are lost.
    for (const peer of [here, there]) peer.signOut()
    for (const peer of [here, there]) peer.signIn()
    expect(play(world, connection, 15)).toBe(0)
    time.advance(3_000)
    expect(hub.moved).toBe(78 * megabyte)
    expect(connection.server.errors).toEqual([])
  })

  it('nobody is unpaid while the hub hangs, and who does not sign is when it answers again', () => {
    const world = peers(1_000 * megabyte)
    const { time, hub, here, there } = world
    time.advance(10_000)
    const connection = connect(world, 'one')
    hub.hung = true
    connection.fetch(5 * megabyte).run(60_000)
    expect(connection.server.errors).toEqual([])
    hub.hung = false
    here.subscription.unsubscribe()
    hub.refuseWith = 'no-coins'
    there.signOut()
    there.signIn()
    time.advance(19_000)
    expect(connection.server.errors).toEqual([])
    time.advance(2_000)
    expect(connection.server.errors.map(({ code }) => code)).toEqual(['unpaid'])
  })

  it('a seeder that was killed meanwhile has its receipts settled at its next start', () => {
    const world = peers(1_000 * megabyte)
    paidBefore(world, 100 * megabyte)
    const { time, hub, here, there } = world
    const connection = connect(world, 'one')
    for (const peer of [here, there]) peer.signOut()
    expect(play(world, connection, 30)).toBe(0)
    time.advance(500)
    there.subscription.unsubscribe()
    connection.server.subscription.unsubscribe()
    const again = coinPeer(time, hub, seeder, { store: there.store })
    again.signIn()
    time.advance(100)
    expect(hub.moved).toBe(30 * megabyte)
    expect(hub.given.every(({ by }) => by === seeder)).toBe(true)
    here.signIn()
    time.advance(100)
    expect(hub.moved).toBe(30 * megabyte)
    expect(here.store.due(10)).toEqual([])
  })
})
