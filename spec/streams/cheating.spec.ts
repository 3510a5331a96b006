import { describe, expect, it } from '@jest/globals'
import { fromBase64 } from '../../src/protocol/base64.js'
import { sized } from '../support/sized.js'
import { carol, bob as cheater, self as seeder } from '../support/receipts.js'
import { connect, paidBefore, restart, type World, world } from './support/cheat.js'
import { signedReceipt } from './support/coins.js'

const tries = sized(200, 1_000)

/** Signs on each connection for more than came, stays that long and disappears; returns the bytes that it got in all. */
function signOnEach(w: World, name: string, stayMs: number): number {
  let received = 0
  for (let count = 0; count < tries; count++) {
    const connection = connect(w.time, w.peer, `${name} ${count}`)
    connection.open(3)
    w.time.advance(10)
    connection.sign(connection.received() + 1)
    w.time.advance(stayMs)
    connection.leave()
    received += connection.received()
  }
  return received
}

describe(`a consumer that cheats, in ${tries} tries`, () => {
  it.each([0, 37])('and signs nothing gets a megabyte in all (the seeder restarts every %i tries)', restarts => {
    const w = world()
    let received = 0
    for (let count = 0; count < tries; count++) {
      if (restarts > 0 && count % restarts === restarts - 1) restart(w)
      const connection = connect(w.time, w.peer, `silent ${count}`)
      for (let stream = 0; stream <= count % 4; stream++) connection.open(3 + 2 * stream)
      w.time.advance(50)
      connection.leave()
      received += connection.received()
    }
    expect(received).toBe(1_000_000)
    expect(w.store.account(cheater)).toMatchObject({ servedBytes: 1_000_000, paidBytes: 0 })
    w.peer.subscription.unsubscribe()
    expect(w.time.pending()).toBe(0)
  })

  it.each([0, 3])(
    'and signs nothing gets a megabyte, and one each day (the seeder restarts every %i days)',
    restarts => {
      const w = world()
      let received = 0
      for (let day = 0; day <= 20; day++) {
        if (restarts > 0 && day % restarts === restarts - 1) restart(w)
        for (let count = 0; count < tries / 20; count++) {
          const connection = connect(w.time, w.peer, `patient ${day} ${count}`)
          connection.open(3)
          w.time.advance(50)
          connection.leave()
          received += connection.received()
        }
        expect(received).toBe((1 + day) * 1_000_000)
        w.time.advance(86_400_000)
      }
    },
  )

  it('with new streams on one connection gets a megabyte, until that ends as unpaid', () => {
    const w = world()
    const connection = connect(w.time, w.peer, 'streams')
    for (let count = 0; count < tries; count++) {
      const id = 3 + 2 * count
      connection.open(id)
      w.time.advance(10)
      connection.say({ command: 'rst', streamId: id })
    }
    connection.open(9001)
    w.time.advance(20_100)
    expect(connection.received()).toBe(1_000_000)
    expect(connection.side.errors.map(({ code }) => code)).toEqual(['unpaid'])
  })

  it('with four connections at once gets a megabyte over all of them', () => {
    const w = world()
    let received = 0
    for (let count = 0; count < tries / 4; count++) {
      const connections = [0, 1, 2, 3].map(index => connect(w.time, w.peer, `four ${count} ${index}`))
      for (const connection of connections) connection.open(3)
      w.time.advance(50)
      for (const connection of connections) connection.leave()
      received += connections.reduce((sum, connection) => sum + connection.received(), 0)
    }
    expect(received).toBe(1_000_000)
  })

  it.each([0, 5_000_000, 30_000_000, 400_000_000])(
    'that paid %i once and pays a little on one of four connections gets what it pays and its window, over all of them',
    paidOnce => {
      const w = world()
      if (paidOnce > 0) paidBefore(w, paidOnce)
      let received = 0
      for (let count = 0; count < tries / 20; count++) {
        const connections = [0, 1, 2, 3].map(index => connect(w.time, w.peer, `little ${count} ${index}`))
        for (const connection of connections) for (const streamId of [3, 5, 7]) connection.open(streamId)
        w.time.advance(60)
        for (let turn = 0; turn < 3; turn++) {
          // Its settlement opens the window to all four in the same moment, each of which has more to send.
          connections[0]!.sign(Math.max(1, Math.floor(connections[0]!.received() / 2)) + turn)
          w.time.advance(2_100)
          const paid = paidOnce + w.hub.moved
          const got = received + connections.reduce((sum, connection) => sum + connection.received(), 0)
          const window = Math.min(16_000_000, Math.max(1_000_000, Math.floor(paid / 16)))
          expect(got - w.hub.moved).toBeLessThanOrEqual(window)
        }
        for (const connection of connections) connection.leave()
        received += connections.reduce((sum, connection) => sum + connection.received(), 0)
      }
      expect(received).toBeGreaterThan(900_000)
      expect(w.store.account(cheater)).toMatchObject({
        servedBytes: paidOnce + received,
        paidBytes: paidOnce + w.hub.moved,
      })
    },
  )

  it('and signs for other sessions, other seeders or with other keys gets a megabyte, and is cut off', () => {
    const w = world()
    let received = 0
    for (let count = 0; count < tries; count++) {
      const name = `forger ${count}`
      const connection = connect(w.time, w.peer, name)
      connection.open(3)
      w.time.advance(10)
      const kinds = [
        () => connection.sign(500_000, 'another session'),
        () => connection.sign(500_000, name, carol),
        () => connection.say({ command: 'rcp', streamId: 0, bytes: 500_000, signature: new Uint8Array(64) }),
        () => {
          const { signature } = signedReceipt(name, 500_000, seeder, carol)
          connection.say({ command: 'rcp', streamId: 0, bytes: 500_000, signature: fromBase64(signature) })
        },
        () => connection.sign(0),
      ]
      kinds[count % kinds.length]!()
      w.time.advance(100)
      expect(connection.side.errors.map(({ code }) => code)).toEqual(['bad-signature'])
      connection.leave()
      received += connection.received()
    }
    expect(received).toBe(1_000_000)
    expect(w.hub.moved).toBe(0)
  })

  it.each([0, 0.1, 0.5, 0.93])(
    'and signs for so little of what came: %d (or one byte), gets a megabyte beyond what it pays, or a sixteenth of that',
    share => {
      const w = world()
      let received = 0
      for (let count = 0; count < tries; count++) {
        const connection = connect(w.time, w.peer, `miser ${count}`)
        connection.open(3)
        for (let turn = 0; turn < 4; turn++) {
          w.time.advance(20)
          connection.sign(Math.max(1, Math.floor(connection.received() * share)))
          w.time.advance(80)
        }
        // What was signed is brought to the hub by the seeder, since the cheater does not.
        w.time.advance(2_100)
        connection.leave()
        received += connection.received()
      }
      const paid = w.hub.moved
      // It gets what it pays for, and no more than its window beyond.
      expect(paid).toBeGreaterThanOrEqual(Math.floor(1_000_000 * share))
      expect(received - paid).toBeGreaterThan(900_000)
      expect(received - paid).toBeLessThanOrEqual(Math.max(1_000_000, paid / 16))
      expect(w.store.account(cheater)).toMatchObject({ servedBytes: received, paidBytes: paid })
    },
  )

  it('and signs more than its wallet holds gets a megabyte', () => {
    const w = world(0)
    expect(signOnEach(w, 'poor', 2_200)).toBe(1_000_000)
    expect(w.hub.moved).toBe(0)
  })

  it('gets a megabyte while the hub is away, whatever it signs', () => {
    const w = world()
    w.peer.signOut()
    expect(signOnEach(w, 'away', 90)).toBe(1_000_000)
  })

  it('takes nothing from others: another key has its own megabyte', () => {
    const w = world()
    const thief = connect(w.time, w.peer, 'thief')
    thief.open(3)
    w.time.advance(100)
    const other = connect(w.time, w.peer, 'other', carol)
    other.open(3)
    w.time.advance(100)
    expect([thief.received(), other.received()]).toEqual([1_000_000, 1_000_000])
  })
})
