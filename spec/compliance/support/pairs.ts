import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { firstValueFrom, type Observable, ReplaySubject, Subscription } from 'rxjs'
import { type RtcDataChannel, rtcChannel$ } from '../../../src/adapters/webrtc/data-channel.js'
import { tcpChannel$ } from '../../../src/adapters/tcp/tcp-channel.js'
import { loadRtc } from '../../../src/adapters/webrtc/load.node.js'
import type { ByteChannel, RtcPort } from '../../../src/ports.js'
import { memoryChannelPair } from '../../../src/adapters/memory/channel-pair.js'
import { rtcSides } from './rtc-sides.js'

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

/** Two channels that are there while somebody is subscribed to their sources. */
async function subscribed(
  ...sources: readonly [Observable<ByteChannel>, Observable<ByteChannel>]
): Promise<ChannelPair> {
  const sides = sources.map(source$ => {
    const channel$ = new ReplaySubject<ByteChannel>(1)
    return { subscription: source$.subscribe(channel$), opened: firstValueFrom(channel$) }
  })
  const [a, b] = await Promise.all(sides.map(({ opened }) => opened))
  const [closeA, closeB] = sides.map(
    ({ subscription }) =>
      () =>
        subscription.unsubscribe(),
  )
  return { channels: [a!, b!], close: [closeA!, closeB!] }
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
    return subscribed(tcpChannel$(here), tcpChannel$(there))
  },
}

/** A connection as W3C has it, and no more of it than is needed. */
interface Connection {
  readonly localDescription: object
  onicecandidate: ((event: { readonly candidate: object | null }) => void) | null
  ondatachannel: ((event: { readonly channel: RtcDataChannel }) => void) | null
  createDataChannel(label: string): RtcDataChannel
  createOffer(): Promise<object>
  createAnswer(): Promise<object>
  setLocalDescription(description: object): Promise<void>
  setRemoteDescription(description: object): Promise<void>
  addIceCandidate(candidate: object): Promise<void>
  close(): void
}

/** Two data channels of an implementation for Node, on its own connections. */
async function w3cPair(RTCPeerConnection: new () => Connection): Promise<ChannelPair> {
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()]
  const named: object[] = []
  // After the answer, as some implementations need it.
  a.onicecandidate = ({ candidate }) => candidate && named.push(candidate)
  b.onicecandidate = ({ candidate }) => candidate && void a.addIceCandidate(candidate)
  const there$ = new ReplaySubject<ByteChannel>(1)
  const closed = new Subscription()
  b.ondatachannel = ({ channel }) => closed.add(rtcChannel$(channel).subscribe(there$))
  const here$ = rtcChannel$(a.createDataChannel('data'))
  const opened = subscribed(here$, there$)
  await a.setLocalDescription(await a.createOffer())
  await b.setRemoteDescription(a.localDescription)
  await b.setLocalDescription(await b.createAnswer())
  await a.setRemoteDescription(b.localDescription)
  for (const candidate of named.splice(0)) await b.addIceCandidate(candidate)
  a.onicecandidate = ({ candidate }) => candidate && void b.addIceCandidate(candidate)
  const { channels, close } = await opened
  return {
    channels,
    close: [
      () => {
        close[0]()
        a.close()
      },
      () => {
        closed.unsubscribe()
        close[1]()
        b.close()
      },
    ],
  }
}

async function rtcPair(offerer: RtcPort, answerer: RtcPort): Promise<ChannelPair> {
  const [a, b] = rtcSides(offerer, answerer)
  const failed = Promise.race([a.over, b.over]).then(outcome =>
    Promise.reject(new Error('no connection', { cause: outcome })),
  )
  const channels = await Promise.race([Promise.all([a.opened, b.opened]), failed])
  return { channels, close: [() => a.subscription.unsubscribe(), () => b.subscription.unsubscribe()] }
}

const { default: native } = await import('wrtc')
const { RTCPeerConnection } = await import('node-datachannel/polyfill')
const wrtc = await loadRtc('wrtc')
const nodeDatachannel = await loadRtc('node-datachannel')

/** Both implementations. */
export const rtcs: readonly RtcPort[] = [wrtc, nodeDatachannel]

/** Every kind of channel that a session may run over. */
export const pairKinds: readonly PairKind[] = [
  memory,
  tcp,
  {
    name: 'a W3C data channel, wrtc',
    make: () => w3cPair(native.RTCPeerConnection as new () => Connection),
  },
  {
    name: 'a W3C data channel, node-datachannel',
    make: () => w3cPair(RTCPeerConnection as unknown as new () => Connection),
  },
  { name: 'WebRTC, wrtc', make: () => rtcPair(wrtc, wrtc) },
  { name: 'WebRTC, node-datachannel', make: () => rtcPair(nodeDatachannel, nodeDatachannel) },
  { name: 'WebRTC, wrtc to node-datachannel', make: () => rtcPair(wrtc, nodeDatachannel) },
]
