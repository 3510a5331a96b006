/** Two peers that pay each other through a hub of the specs', on virtual time. */
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import type { SpendingLimits } from '../../../src/protocol/coins/spending.js'
import { memoryChannelPair } from '../../support/memory-channel.js'
import { type MemorySocket, memorySocket } from '../../support/memory-socket.js'
import { patternBytes } from '../../support/pattern.js'
import { bob, carol, hub as hubKey, self, sessionOf } from '../../support/receipts.js'
import { carried, type CoinPeer, coinPeer, type PlayHub, playHub } from './coins.js'
import { type VirtualTime, virtualTime } from './virtual-time.js'

export const seeder = bob
export const consumer = self

/** A consumer and a seeder, signed in. */
export interface PayingPeers {
  readonly time: VirtualTime
  readonly hub: PlayHub
  readonly here: CoinPeer
  readonly there: CoinPeer
}

/** What a consumer fetches on a stream. */
export interface Fetch {
  readonly socket: MemorySocket
  readonly remote: MemorySocket
  /** Lets time pass in small steps, and the seeder's program write whenever it may. */
  run(milliseconds: number): void
}

/** A connection over which the consumer fetches. */
export interface PaidConnection {
  readonly client: ReturnType<typeof carried>
  readonly server: ReturnType<typeof carried>
  /** Fetches so many bytes on a stream of its own, as fast as the seeder's socket may write. */
  fetch(bytes: number, socket?: MemorySocket): Fetch
  close(): void
}

export function peers(
  wallet: number,
  limits: SpendingLimits = {},
  stores: { [key: string]: ReceiptStore } = {},
): PayingPeers {
  const time = virtualTime()
  const hub = playHub(time, { [consumer]: wallet, [seeder]: 0, [carol]: wallet })
  const make = (pubKey: string, own: SpendingLimits = {}): CoinPeer =>
    coinPeer(time, hub, pubKey, { limits: own, ...(stores[pubKey] && { store: stores[pubKey] }) })
  const world = { time, hub, here: make(consumer, limits), there: make(seeder) }
  world.here.signIn()
  world.there.signIn()
  return world
}

export function connect(
  { time, here, there }: Omit<PayingPeers, 'hub'>,
  name: string,
  { receipts = true, latencyMs = 1 } = {},
): PaidConnection {
  const [near, far] = memoryChannelPair({ scheduler: time.scheduler, latencyMs })
  const session = sessionOf(name)
  const dialled: MemorySocket[] = []
  const client = carried(time, {
    role: 'consumer',
    channel: near,
    name,
    other: there.pubKey,
    payment: here.payments.consume({ hubKey, session, pubKey: there.pubKey }),
    receipts,
  })
  const server = carried(time, {
    role: 'seeder',
    channel: far,
    name,
    other: here.pubKey,
    payment: there.payments.serve({ hubKey, session, pubKey: here.pubKey }),
    receipts,
    dial: () => {
      const socket = memorySocket()
      dialled.push(socket)
      return socket
    },
  })
  return {
    client,
    server,
    fetch(bytes, socket = memorySocket()) {
      client.socket$.next(socket)
      time.advance(2 * latencyMs + 5)
      const remote = dialled.at(-1)!
      let written = 0
      const pump = (): void => {
        while (!remote.paused && written < bytes && remote.subscribed) {
          const length = Math.min(65_536, bytes - written)
          remote.receive(patternBytes(1, written, length))
          written += length
        }
        if (written < bytes) return
        remote.receiveEnd()
        socket.receiveEnd()
      }
      pump()
      return {
        socket,
        remote,
        run(milliseconds) {
          for (let passed = 0; passed < milliseconds && !socket.ended; passed += 10) {
            time.advance(10)
            pump()
          }
        },
      }
    },
    close() {
      near.close()
      far.close()
      time.advance(10)
    },
  }
}
