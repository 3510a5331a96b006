/**
 * What a consumer that cheats takes while the hub is away, counted: a megabyte if it never paid or signs nothing; else what
 * it signs for, up to as much again as it has paid, as far as its wallet went. That stays a debt.
 */
import { describe, expect, it } from '@jest/globals'
import { bob as cheater, self as seeder } from '../support/receipts.js'
import { connect, paidBefore, restart, type World, world } from './support/cheat.js'

const megabyte = 1_000_000

/** Says to have received all that it may take, over and over; returns what it got. */
function takeAll(w: World, names: readonly string[], { signs = true } = {}): number {
  const connections = names.map(name => connect(w.time, w.peer, name))
  for (const connection of connections) connection.open(3)
  let before = -1
  const received = (): number => connections.reduce((sum, connection) => sum + connection.received(), 0)
  while (received() > before) {
    before = received()
    w.time.advance(60)
    for (const connection of connections) if (signs && connection.received() > 0) connection.sign(connection.received())
    w.time.advance(200)
  }
  for (const connection of connections) connection.leave()
  return received()
}

/** Spends all its coins elsewhere. */
const spend = (w: World): void => w.hub.grant(cheater, -w.hub.wallet(cheater))

describe('a consumer that cheats while the hub is away', () => {
  it('and signs nothing gets its window, whatever it has paid', () => {
    for (const [paid, window] of [
      [0, megabyte],
      [10 * megabyte, megabyte],
      [160 * megabyte, 10 * megabyte],
    ] as const) {
      const w = world()
      if (paid > 0) paidBefore(w, paid)
      w.peer.signOut()
      expect(takeAll(w, ['one', 'two'], { signs: false })).toBe(window)
      expect(takeAll(w, ['three'], { signs: false })).toBe(0)
    }
  })

  it('and never paid gets a megabyte, whatever it signs', () => {
    const w = world()
    w.peer.signOut()
    expect(takeAll(w, ['one', 'two'])).toBe(megabyte)
  })

  it.each([
    ['as much again as it has paid', 40 * megabyte, 1_000 * megabyte, 40 * megabyte, 40 * megabyte],
    ['no more than its wallet held', 40 * megabyte, 7 * megabyte, 7 * megabyte, 7 * megabyte],
    ['its window where its wallet held less', 160 * megabyte, 7 * megabyte, 10 * megabyte, 0],
  ])('gets what it signs for: %s', (_name, paid, wallet, most, settled) => {
    const w = world(wallet)
    paidBefore(w, paid)
    w.peer.signOut()
    expect(takeAll(w, ['one'])).toBe(most)
    expect(takeAll(w, ['two', 'three'])).toBe(0)
    // What the wallet covers is settled when the hub is back.
    w.peer.signIn()
    w.time.advance(1_000)
    expect(w.hub.moved).toBe(settled)
  })

  it('gets no more on four connections at once, nor on one after the other', () => {
    for (const rounds of [[['a', 'b', 'c', 'd']], [['a'], ['b'], ['c'], ['d']]]) {
      const w = world(1_000 * megabyte)
      paidBefore(w, 40 * megabyte)
      w.peer.signOut()
      expect(rounds.reduce((sum, names) => sum + takeAll(w, names), 0)).toBe(40 * megabyte)
    }
  })

  it('and has spent its coins elsewhere when the hub is back owes what it took, and gets no more, hub or no hub', () => {
    const w = world(1_000 * megabyte)
    paidBefore(w, 40 * megabyte)
    w.peer.signOut()
    let received = takeAll(w, ['one'])
    expect(received).toBe(40 * megabyte)
    spend(w)
    for (let outage = 0; outage < 5; outage++) {
      w.peer.signIn()
      w.time.advance(1_000)
      received += takeAll(w, [`back ${outage}`])
      w.time.advance(20_000)
      w.peer.signOut()
      received += takeAll(w, [`away ${outage}`])
      restart(w)
      received += takeAll(w, [`restarted ${outage}`])
      w.peer.signOut()
    }
    expect([received, w.hub.moved]).toEqual([40 * megabyte, 0])
    expect(w.store.account(cheater)).toMatchObject({ servedBytes: 80 * megabyte, balanceBytes: 0 })
    // A day later it fades; it is still far beyond its window.
    w.time.advance(86_400_000)
    w.peer.signIn()
    expect(takeAll(w, ['tomorrow'])).toBe(0)
  })

  it('gets no more by coming again while the seeder, killed in between, has its receipts', () => {
    const w = world(1_000 * megabyte)
    paidBefore(w, 40 * megabyte)
    w.peer.signOut()
    let received = 0
    for (let count = 0; count < 4; count++) {
      received += takeAll(w, [`life ${count}`])
      // Without a hub: nothing was settled.
      restart(w)
      w.peer.signOut()
    }
    expect(received).toBe(40 * megabyte)
    w.peer.signIn()
    w.time.advance(1_000)
    expect(w.hub.moved).toBe(received)
    expect(w.hub.given.every(({ by }) => by === seeder)).toBe(true)
  })

  it('and signs for more than it got is taken at its word', () => {
    const w = world(1_000 * megabyte)
    paidBefore(w, 40 * megabyte)
    w.peer.signOut()
    const connection = connect(w.time, w.peer, 'generous')
    connection.open(3)
    connection.sign(10_000 * megabyte)
    w.time.advance(30_000)
    expect(connection.received()).toBe(40 * megabyte)
    expect(connection.side.errors).toEqual([])
    // Nothing covers that, so nothing comes of it when the hub is back: it is unpaid.
    w.peer.signIn()
    w.time.advance(19_000)
    expect(connection.side.errors).toEqual([])
    w.time.advance(2_000)
    expect(connection.side.errors.map(({ code }) => code)).toEqual(['unpaid'])
    expect([connection.received(), w.hub.moved]).toEqual([40 * megabyte, 0])
  })
})
