/** One end of everything that is measured: a peer of the network, and beside it the bare channels it is compared with. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { filter, firstValueFrom, type Observable, type Subscription, take } from 'rxjs'
import { receiptStore$ } from '../src/adapters/store/receipts/receipt-store.node.js'
import type { WebRtcImplementation } from '../src/adapters/webrtc/native-connection.js'
import { channelInit } from '../src/adapters/webrtc/node-datachannel-engine.js'
import { loadRtc, type RtcName } from '../src/adapters/webrtc/load.node.js'
import { createPeer$, portBlock, type Share } from '../src/index.js'
import type { RtcSignal } from '../src/ports.js'
import type { Identity } from '../src/protocol/peer/metadata.js'
import { usingValue$ } from '../src/streams/using-value.js'
import { relayedRtc, throughRelay } from './candidates.js'
import { peakMemory, watchMemory } from './memory.js'
import { type Pipe, type RawPipe, rawPipe, simplePeerPipe } from './raw.js'
import { answerCalls } from './rpc.js'
import { type BenchPeer, uncountedPeer$ } from './uncounted.js'

export type PipeKind = 'raw' | 'simple-peer'

export interface PeerChildOptions {
  readonly rtcName: RtcName
  readonly relayed: boolean
  readonly identity: Identity
  readonly share?: Share
  /** The file in which it keeps its receipts, as on a person's disk. Without one bytes cost nothing. */
  readonly store: string | undefined
}

const pipes: { raw?: RawPipe; 'simple-peer'?: Pipe } = {}
/** By nickname: a process may be two peers, of which one is idle. */
const running = new Map<string, Subscription>()
const peers = new Map<string, BenchPeer>()

async function implementationOf(name: RtcName): Promise<WebRtcImplementation> {
  const module = (name === 'wrtc' ? await import('wrtc') : await import('node-datachannel/polyfill')) as unknown as {
    default?: WebRtcImplementation
  } & WebRtcImplementation
  return module.default ?? module
}

async function startPeer({ rtcName, relayed, identity, share, store }: PeerChildOptions): Promise<void> {
  const { nickname, pubKey } = identity
  running.get(nickname)?.unsubscribe()
  const rtc = await loadRtc(rtcName)
  const options = {
    identity,
    ports: portBlock(0),
    rtc: relayed ? relayedRtc(rtc, call) : rtc,
    ...(share && { share }),
  }
  const peer$: Observable<BenchPeer> =
    store === undefined
      ? uncountedPeer$(options)
      : usingValue$(receiptStore$(store, pubKey), receipts => createPeer$({ ...options, receipts }))
  const peer = await new Promise<BenchPeer>((resolve, reject) => {
    running.set(nickname, peer$.subscribe({ next: resolve, error: reject }))
  })
  peers.set(nickname, peer)
  await firstValueFrom(peer.state$.pipe(filter(state => state.type === 'authenticated')))
}

function stopPeer(nickname: string): void {
  running.get(nickname)?.unsubscribe()
  running.delete(nickname)
  peers.delete(nickname)
}

async function openPipe(options: {
  kind: PipeKind
  initiator: boolean
  rtcName: RtcName
  relayed: boolean
}): Promise<void> {
  const { kind, initiator, rtcName, relayed } = options
  const implementation = await implementationOf(rtcName)
  let last = Promise.resolve()
  const onSignal = (signal: RtcSignal): void => {
    // One behind the other, in the order in which they were made.
    last = last.then(async () => {
      const announced = relayed ? await throughRelay(signal, call) : signal
      if (announced !== undefined) await call('signal', { kind, signal: announced })
    })
  }
  const init = rtcName === 'node-datachannel' ? channelInit : {}
  const pipeOptions = { initiator, implementation, init, onSignal }
  if (kind === 'raw') pipes.raw = rawPipe(pipeOptions)
  else pipes[kind] = simplePeerPipe(pipeOptions)
}

/** The raw channel to the program at that port, or, without one, from a port of its own for one connection. */
async function bridge(port: number | undefined): Promise<number> {
  const carry = (socket: Socket): void => pipes.raw!.carry(socket.setNoDelay(true))
  if (port !== undefined) {
    carry(connect({ host: '127.0.0.1', port }))
    return port
  }
  const server = createServer(socket => {
    server.close()
    carry(socket)
  })
  await new Promise<void>(resolve => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return (server.address() as AddressInfo).port
}

const call = answerCalls({
  startPeer,
  stopPeer,
  connect: async ({ from, to }: { from: string; to: string }): Promise<number> =>
    (await firstValueFrom(peers.get(from)!.connect$(to).pipe(take(1)))).port,
  openPipe,
  closePipe: (kind: PipeKind) => {
    pipes[kind]!.close()
    delete pipes[kind]
  },
  bridge: ({ port }: { port?: number }) => bridge(port),
  opened: (kind: PipeKind) => pipes[kind]!.opened,
  signal: ({ kind, signal }: { kind: PipeKind; signal: RtcSignal }) => pipes[kind]?.signal(signal),
  push: ({ kind, messageBytes }: { kind: PipeKind; messageBytes: number }) => pipes[kind]!.push(messageBytes),
  stop: (kind: PipeKind): number => pipes[kind]!.stop(),
  received: (kind: PipeKind) => ({ bytes: pipes[kind]!.receivedBytes(), at: performance.now() }),
  memory: peakMemory,
})

watchMemory()
