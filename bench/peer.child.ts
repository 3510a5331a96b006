/** One end of everything that is measured: a peer of the network, and beside it the bare channels it is compared with. */
import { filter, firstValueFrom, type Subscription, take } from 'rxjs'
import type { WebRtcImplementation } from '../src/adapters/rtc-connection.js'
import { loadRtc } from '../src/adapters/simple-peer.node.js'
import { createPeer$, type Peer, portBlock, type Share } from '../src/app.js'
import type { RtcSignal } from '../src/ports.js'
import type { Identity } from '../src/protocol/metadata.js'
import { relayedRtc, throughRelay } from './candidates.js'
import { peakMemory, watchMemory } from './memory.js'
import { type Pipe, rawPipe, simplePeerPipe } from './raw.js'
import { answerCalls } from './rpc.js'

export type RtcName = 'wrtc' | 'node-datachannel'
export type PipeKind = 'raw' | 'simple-peer'

export interface PeerChildOptions {
  readonly rtcName: RtcName
  readonly relayed: boolean
  readonly identity: Identity
  readonly share?: Share
}

const pipes = new Map<PipeKind, Pipe>()
let running: Subscription | undefined
let peer: Peer | undefined

async function implementationOf(name: RtcName): Promise<WebRtcImplementation> {
  const module = (name === 'wrtc' ? await import('wrtc') : await import('node-datachannel/polyfill')) as unknown as {
    default?: WebRtcImplementation
  } & WebRtcImplementation
  return module.default ?? module
}

async function startPeer({ rtcName, relayed, identity, share }: PeerChildOptions): Promise<void> {
  running?.unsubscribe()
  const rtc = await loadRtc(rtcName)
  const peer$ = createPeer$({
    identity,
    ports: portBlock(0),
    rtc: relayed ? relayedRtc(rtc, call) : rtc,
    ...(share && { share }),
  })
  peer = await new Promise<Peer>((resolve, reject) => {
    running = peer$.subscribe({ next: resolve, error: reject })
  })
  await firstValueFrom(peer.state$.pipe(filter(state => state.type === 'authenticated')))
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
  pipes.set(kind, (kind === 'raw' ? rawPipe : simplePeerPipe)({ initiator, implementation, onSignal }))
}

const call = answerCalls({
  startPeer,
  connect: async (nickname: string): Promise<number> =>
    (await firstValueFrom(peer!.connect$(nickname).pipe(take(1)))).port,
  openPipe,
  closePipe: (kind: PipeKind) => {
    pipes.get(kind)!.close()
    pipes.delete(kind)
  },
  opened: (kind: PipeKind) => pipes.get(kind)!.opened,
  signal: ({ kind, signal }: { kind: PipeKind; signal: RtcSignal }) => pipes.get(kind)?.signal(signal),
  push: ({ kind, messageBytes }: { kind: PipeKind; messageBytes: number }) => pipes.get(kind)!.push(messageBytes),
  stop: (kind: PipeKind): number => pipes.get(kind)!.stop(),
  received: (kind: PipeKind) => ({ bytes: pipes.get(kind)!.receivedBytes(), at: performance.now() }),
  memory: peakMemory,
})

watchMemory()
