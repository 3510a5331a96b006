import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Subject, type Subscription } from 'rxjs'
import { loadRtc } from '../../../src/adapters/webrtc/load.node.js'
import type { ByteChannel, RtcEvent, RtcPort, RtcSignal } from '../../../src/ports.js'
import { memoryChannelPair } from '../../support/memory-channel.js'
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

/** One side of a WebRTC connection as the spec drives it. */
export interface RtcSide {
  readonly events: RtcEvent[]
  readonly outcomes: unknown[]
  readonly remote$: Subject<RtcSignal>
  readonly opened: Promise<ByteChannel>
  readonly over: Promise<unknown>
  readonly subscription: Subscription
}

/** Subscribes to one side. What it wants to tell the other goes to `onSignal`; what the other tells goes to its `remote$`. */
export function rtcSide(rtc: RtcPort, initiator: boolean, onSignal: (signal: RtcSignal) => void): RtcSide {
  const events: RtcEvent[] = []
  const outcomes: unknown[] = []
  const remote$ = new Subject<RtcSignal>()
  let resolveOpened: (channel: ByteChannel) => void
  let resolveOver: (outcome: unknown) => void
  const opened = new Promise<ByteChannel>(resolve => (resolveOpened = resolve))
  const over = new Promise<unknown>(resolve => (resolveOver = resolve))
  const end = (outcome: unknown): void => {
    outcomes.push(outcome)
    resolveOver(outcome)
  }
  const subscription = rtc.connect$({ initiator, iceServers: [], remote$ }).subscribe({
    next: event => {
      events.push(event)
      if (event.type === 'signal') onSignal(event.signal)
      if (event.type === 'open') resolveOpened(event.channel)
    },
    error: end,
    complete: () => end('complete'),
  })
  return { events, outcomes, remote$, opened, over, subscription }
}

/** Two sides whose signals reach each other, passed through `between`. */
export function rtcSides(
  offerer: RtcPort,
  answerer: RtcPort = offerer,
  between: (signal: RtcSignal) => RtcSignal = signal => signal,
): readonly [RtcSide, RtcSide] {
  const b = rtcSide(answerer, false, signal => a.remote$.next(between(signal)))
  const a: RtcSide = rtcSide(offerer, true, signal => b.remote$.next(between(signal)))
  return [a, b]
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
