/** A consumer that plays the seeder's rules on the wire and no others, and the seeder that it takes from. */
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { fromBase64 } from '../../../src/protocol/base64.js'
import { formatCoins } from '../../../src/protocol/coins/amount.js'
import { createDeframer, stepDeframer } from '../../../src/protocol/mux/deframer.js'
import { encodeFrames, type Frame } from '../../../src/protocol/mux/frame.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import { memoryChannelPair } from '../../support/memory-channel.js'
import { type MemorySocket, memorySocket } from '../../support/memory-socket.js'
import { patternBytes } from '../../support/pattern.js'
import { carol, bob as cheater, self as seeder, sessionOf } from '../../support/receipts.js'
import { carried, type CoinPeer, coinPeer, type PlayHub, playHub, signedReceipt, signedSettlement } from './coins.js'
import { type VirtualTime, virtualTime } from './virtual-time.js'

const agreement = { version: 2, rst: true, receipts: true } as const

/** A program behind the seeder that always has more to say: as much as the stream lets go. */
function endless(): MemorySocket {
  return memorySocket({
    onStart: socket => {
      for (let offset = 0; !socket.paused && offset < 600_000; offset += 65_536) {
        socket.receive(patternBytes(1, offset, 65_536))
      }
    },
  })
}

/** A consumer of the specs' own, which plays the seeder's rules on the wire and no others. */
export interface CheatingConsumer {
  readonly side: ReturnType<typeof carried>
  say(...frames: Frame[]): void
  open(streamId: number): void
  sign(bytes: number, forSession?: string, forSeeder?: string): void
  received(): number
  /** Disappears: nothing is said, and after a while the channel is gone. */
  leave(): void
}

export function connect(time: VirtualTime, peer: CoinPeer, name: string, consumer = cheater): CheatingConsumer {
  const [near, far] = memoryChannelPair({ scheduler: time.scheduler, latencyMs: 1 })
  const payment = peer.payments.serve({ hubKey: 'H'.repeat(43) + '=', session: sessionOf(name), pubKey: consumer })
  const dialled: MemorySocket[] = []
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
    open: streamId => say({ command: 'syn', streamId }),
    sign: (bytes, forSession = name, forSeeder = seeder) => {
      const { signature } = signedReceipt(forSession, bytes, forSeeder, consumer)
      say({ command: 'rcp', streamId: 0, bytes, signature: fromBase64(signature) })
    },
    received: () => received,
    leave: () => {
      far.close()
      time.advance(5)
      side.subscription.unsubscribe()
    },
  }
}

export interface World {
  readonly time: VirtualTime
  readonly hub: PlayHub
  readonly store: ReceiptStore
  peer: CoinPeer
}

export function world(wallet = 1e9): World {
  const time = virtualTime()
  const hub = playHub(time, { [cheater]: wallet, [carol]: wallet, [seeder]: 0 })
  const store = memoryReceipts(seeder, () => time.scheduler.now())
  const peer = coinPeer(time, hub, seeder, { store })
  peer.signIn()
  return { time, hub, store, peer }
}

/** The seeder's process ends and starts again, with the same file. */
export function restart(w: World): void {
  w.peer.subscription.unsubscribe()
  w.peer = coinPeer(w.time, w.hub, seeder, { store: w.store })
  w.peer.signIn()
}

/** The cheater has paid so much once, for what it got. */
export function paidBefore(w: World, bytes: number): void {
  w.store.open({ session: sessionOf('before'), seeder, consumer: cheater })
  const settlement = signedSettlement('before', bytes, 0)
  w.store.settle({ ...settlement, consumer_coins: formatCoins(w.hub.wallet(cheater)) })
  w.store.serve(cheater, bytes, w.time.scheduler.now())
}
