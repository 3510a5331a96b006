import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { loadRtc } from '../../../src/adapters/webrtc/load.node.js'
import type { ByteChannel, RtcPort } from '../../../src/ports.js'
import { memoryChannelPair } from '../../support/memory-channel.js'
import { rtcSides } from './rtc-sides.js'
import { tcpChannel } from './tcp-channel.js'

/** Two joined channels, and how each side ends. */
export interface ChannelPair {
  readonly channels: readonly [ByteChannel, ByteChannel]
  /** As when that side is unsubscribed from. Harmless when it is over. */
  readonly close: readonly [() => void, () => void]
}

export interface PairKind {
  readonly name: string
  make(): Promise<ChannelPair>
}

const memory: PairKind = {
  name: 'a pair in memory',
  make: async () => {
    const channels = memoryChannelPair()
    return { channels, close: [() => channels[0].close(), () => channels[1].close()] }
  },
}

const tcp: PairKind = {
  name: 'TCP',
  make: async () => {
    const server = createServer({ noDelay: true, pauseOnConnect: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const here = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
    const [[there]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(here, 'connect')])
    server.close()
    return {
      channels: [tcpChannel(here), tcpChannel(there)],
      close: [() => here.destroy(), () => there.destroy()],
    }
  },
}

async function rtcPair(offerer: RtcPort, answerer: RtcPort): Promise<ChannelPair> {
  const [a, b] = rtcSides(offerer, answerer)
  const failed = Promise.race([a.over, b.over]).then(outcome =>
    Promise.reject(new Error('no connection', { cause: outcome })),
  )
  const channels = await Promise.race([Promise.all([a.opened, b.opened]), failed])
  return { channels, close: [() => a.subscription.unsubscribe(), () => b.subscription.unsubscribe()] }
}

const wrtc = await loadRtc('wrtc')
const nodeDatachannel = await loadRtc('node-datachannel')

/** Both implementations. */
export const rtcs: readonly RtcPort[] = [wrtc, nodeDatachannel]

/** Every kind of channel that a session may run over. */
export const pairKinds: readonly PairKind[] = [
  memory,
  tcp,
  { name: 'WebRTC, wrtc', make: () => rtcPair(wrtc, wrtc) },
  { name: 'WebRTC, node-datachannel', make: () => rtcPair(nodeDatachannel, nodeDatachannel) },
  { name: 'WebRTC, wrtc to node-datachannel', make: () => rtcPair(wrtc, nodeDatachannel) },
]
