/**
 * Another peer that closes its channel, its connection or both in the middle of a transfer, whenever it likes: that costs the
 * connection, and nothing of this process, on the default engine.
 */
import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { nodeNetwork } from '../../src/adapters/machine/network.node.js'
import { loadEngines } from '../../src/adapters/webrtc/load.node.js'
import type { WebRtcImplementation } from '../../src/adapters/webrtc/native-connection.js'
import { nodeDatachannelRtc } from '../../src/adapters/webrtc/node-datachannel-engine.js'
import type { ByteChannel } from '../../src/ports.js'
import { printedSeed } from '../support/seed.js'
import { random } from '../support/random.js'
import { backTo, resources } from './support/resources.js'
import { rtcSides } from './support/rtc-sides.js'

const rounds = 100

/** What is sent before it is over, at the most. */
const mostBytes = 3_000_000

interface Closable {
  close(): void
}
interface RawConnection extends Closable {
  createDataChannel(label: string, options?: object): Closable
  addEventListener(type: 'datachannel', listener: (event: { readonly channel: Closable }) => void): void
}

/** node-datachannel with the newest connection and channel within reach. */
async function hostilePort() {
  const polyfill = (await import('node-datachannel/polyfill')) as unknown as { default: WebRtcImplementation }
  const newest: { connection?: RawConnection; channel?: Closable } = {}
  function Recording(configuration?: object): object {
    const connection = new polyfill.default.RTCPeerConnection(configuration) as unknown as RawConnection
    newest.connection = connection
    connection.addEventListener('datachannel', ({ channel }) => (newest.channel = channel))
    const create = connection.createDataChannel.bind(connection)
    connection.createDataChannel = (label, options) => (newest.channel = create(label, options))
    return connection
  }
  const RTCPeerConnection = Recording as unknown as WebRtcImplementation['RTCPeerConnection']
  return { port: nodeDatachannelRtc({ ...polyfill.default, RTCPeerConnection }, nodeNetwork.addresses), newest }
}

/** Sends as fast as it may until the channel is over. */
function sendOn(channel: ByteChannel): void {
  const message = new Uint8Array(65_536)
  let ahead = 0
  const pump = (): void => {
    try {
      for (; ahead < channel.highWaterBytes; ahead += message.length) channel.send(message)
    } catch {
      // Closed: that is what this is about.
    }
  }
  channel.drained$.subscribe(bytes => {
    ahead -= bytes
    pump()
  })
  pump()
}

/** Resolves when that many bytes have come. */
function receiveOn(channel: ByteChannel, bytes: number): Promise<void> {
  let received = 0
  return new Promise(resolve => {
    channel.message$.subscribe({
      next: ({ length }) => {
        received += length
        if (received >= bytes) resolve()
      },
      error: () => resolve(),
      complete: resolve,
    })
  })
}

const threads = (): number => readdirSync('/proc/self/task').length

it(`outlives ${rounds} peers that close in the middle of a transfer, and nothing is left`, async () => {
  const { rtc } = await loadEngines()
  const hostile = await hostilePort()
  const next = random(printedSeed('closing in the middle'))

  const round = async (how: number, offers: boolean): Promise<void> => {
    const [offerer, answerer] = offers ? rtcSides(hostile.port, rtc) : rtcSides(rtc, hostile.port)
    const [theirs, ours] = offers ? [offerer, answerer] : [answerer, offerer]
    const [far, near] = await Promise.all([theirs.opened, ours.opened])
    const { connection, channel } = hostile.newest
    const arrived = receiveOn(far, next() * mostBytes)
    void receiveOn(near, Infinity)
    sendOn(near)
    sendOn(far)
    await arrived
    if (how !== 1) channel!.close()
    if (how !== 0) connection!.close()
    await ours.over
    for (const side of [ours, theirs]) side.subscription.unsubscribe()
  }

  const before = resources()
  // What the library starts once a process is there after the first.
  await round(2, true)
  await backTo(before)
  const threadsBefore = threads()
  for (let count = 0; count < rounds; count++) await round(count % 3, next() < 0.5)
  await backTo(before)
  while (threads() > threadsBefore) await delay(20)
  expect(Object.entries(resources()).filter(([kind, left]) => left > (before[kind] ?? 0))).toEqual([])
}, 240_000)
