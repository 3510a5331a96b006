import { describe, expect, it } from '@jest/globals'
import type { ReceiptStore } from '../../src/ports/receipts.js'
import { fromBase64 } from '../../src/protocol/base64.js'
import { createDeframer, stepDeframer } from '../../src/protocol/mux/deframer.js'
import { encodeFrames, type Frame } from '../../src/protocol/mux/frame.js'
import { memoryReceipts } from '../support/memory-receipts.node.js'
import { memoryChannelPair } from '../support/memory-channel.js'
import { memorySocket } from '../support/memory-socket.js'
import { patternBytes } from '../support/pattern.js'
import { sized } from '../support/sized.js'
import { carol, bob as cheater, self as seeder, sessionOf } from '../support/receipts.js'
import {
  carried,
  type CoinPeer,
  coinPeer,
  type PlayHub,
  playHub,
  signedReceipt,
  signedSettlement,
} from './support/coins.js'
import { type VirtualTime, virtualTime } from './support/virtual-time.js'

const agreement = { version: 2, rst: true, receipts: true } as const
const tries = sized(200, 1_000)

/** A program behind the seeder that always has more to say: as much as the stream lets go. */
function endless() {
  return memorySocket({
    onStart: socket => {
      for (let offset = 0; !socket.paused && offset < 600_000; offset += 65_536) {
        socket.receive(patternBytes(1, offset, 65_536))
      }
    },
  })
}

/** A consumer of the spec's own, which plays the seeder's rules on the wire and no others. */
function connect(time: VirtualTime, peer: CoinPeer, name: string, consumer = cheater) {
  const [near, far] = memoryChannelPair({ scheduler: time.scheduler, latencyMs: 1 })
  const payment = peer.payments.serve({ hubKey: 'H'.repeat(43) + '=', session: sessionOf(name), pubKey: consumer })
  const dialled: ReturnType<typeof memorySocket>[] = []
  const side = carried(time, {
    role: 'seeder',
    channel: near,
    name,
    other: consumer,
    payment,
    dial: () => {
      const socket = endless()
      dialled.push(socket)
      return socket
    },
  })
  let received = 0
  let deframer = createDeframer(agreement)
  const consumed = new Map<number, number>()
  far.message$.subscribe({
    next: message => {
      const [next, frames] = stepDeframer(deframer, message)
      deframer = next
      for (const frame of frames) {
        if (frame.command !== 'psh') continue
        received += frame.data.length
        const total = (consumed.get(frame.streamId) ?? 0) + frame.data.length
        consumed.set(frame.streamId, total)
      }
      // Reads at once whatever comes, so that no window holds it.
      for (const [streamId, total] of consumed) say({ command: 'upd', streamId, consumed: total, window: 4_194_304 })
      for (const socket of dialled) if (!socket.paused) socket.receive(patternBytes(1, 0, 65_536))
    },
  })
  const say = (...frames: Frame[]): void => {
    if (side.subscription.closed) return
    for (const frame of frames) far.send(encodeFrames([frame], 2))
  }
  return {
    side,
    say,
    open: (streamId: number) => say({ command: 'syn', streamId }),
    sign: (bytes: number, forSession = name, forSeeder = seeder) => {
      const { signature } = signedReceipt(forSession, bytes, forSeeder, consumer)
      say({ command: 'rcp', streamId: 0, bytes, signature: fromBase64(signature) })
    },
    received: () => received,
    /** Disappears: nothing is said, and after a while the channel is gone. */
    leave: () => {
      far.close()
      time.advance(5)
      side.subscription.unsubscribe()
    },
  }
}

interface World {
  readonly time: VirtualTime
  readonly hub: PlayHub
  readonly store: ReceiptStore
  peer: CoinPeer
}

function world(wallet = 1e9): World {
  const time = virtualTime()
  const hub = playHub(time, { [cheater]: wallet, [carol]: wallet, [seeder]: 0 })
  const store = memoryReceipts(seeder, () => time.scheduler.now())
  const peer = coinPeer(time, hub, seeder, { store })
  peer.signIn()
  return { time, hub, store, peer }
}

/** The seeder's process ends and starts again, with the same file. */
function restart(w: World): void {
  w.peer.subscription.unsubscribe()
  w.peer = coinPeer(w.time, w.hub, seeder, { store: w.store })
  w.peer.signIn()
}

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
    paidBefore => {
      const w = world()
      if (paidBefore > 0) {
        w.store.keep(signedReceipt('before', paidBefore, seeder, cheater))
        w.store.settle(signedSettlement('before', paidBefore, 0))
        w.store.serve(cheater, paidBefore, 0)
      }
      let received = 0
      for (let count = 0; count < tries / 20; count++) {
        const connections = [0, 1, 2, 3].map(index => connect(w.time, w.peer, `little ${count} ${index}`))
        for (const connection of connections) for (const streamId of [3, 5, 7]) connection.open(streamId)
        w.time.advance(60)
        for (let turn = 0; turn < 3; turn++) {
          // Its settlement opens the window to all four in the same moment, each of which has more to send.
          connections[0]!.sign(Math.max(1, Math.floor(connections[0]!.received() / 2)) + turn)
          w.time.advance(2_100)
          const paid = paidBefore + w.hub.moved
          const got = received + connections.reduce((sum, connection) => sum + connection.received(), 0)
          const window = Math.min(16_000_000, Math.max(1_000_000, Math.floor(paid / 16)))
          expect(got - w.hub.moved).toBeLessThanOrEqual(window)
        }
        for (const connection of connections) connection.leave()
        received += connections.reduce((sum, connection) => sum + connection.received(), 0)
      }
      expect(received).toBeGreaterThan(900_000)
      expect(w.store.account(cheater)).toMatchObject({
        servedBytes: paidBefore + received,
        paidBytes: paidBefore + w.hub.moved,
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
