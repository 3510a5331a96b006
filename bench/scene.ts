/** Everything that one configuration is measured with: hub, relay, two peers in processes of their own, and programs behind them. */
import { firstValueFrom, ReplaySubject } from 'rxjs'
import { nodeCrypto } from '../src/adapters/crypto.node.js'
import { fetchHubClient } from '../src/adapters/hub-http.js'
import { createHub$, type Hub } from '../src/hub/app.js'
import type { RtcSignal } from '../src/ports.js'
import type { Identity } from '../src/protocol/metadata.js'
import { registerText } from '../src/protocol/signed-texts.js'
import type { PipeKind, RtcName } from './peer.child.js'
import { type Child, startChild } from './rpc.js'

export interface SceneOptions {
  readonly rtcName: RtcName
  /** Added round trip; 0 does without the relay. */
  readonly roundTripMs: number
}

export interface Scene {
  readonly consumer: Child
  readonly seeder: Child
  readonly ends: Child
  /** Starts the consumer anew, without any connection. */
  readonly restartConsumer: () => Promise<void>
  readonly openPipe: (kind: PipeKind) => Promise<void>
  readonly closePipe: (kind: PipeKind) => Promise<void>
  readonly close: () => Promise<void>
}

async function register(hub: Hub, nickname: string): Promise<Identity> {
  const { pubKey, privKey } = nodeCrypto.generateKeyPair()
  const signature = nodeCrypto.sign(privKey, registerText(nickname, pubKey))
  await firstValueFrom(fetchHubClient(hub.url).register$({ pubKey, nickname, signature }), { defaultValue: undefined })
  return { pubKey, privKey, nickname, host: `127.0.0.1:${hub.port}` }
}

export async function openScene({ rtcName, roundTripMs }: SceneOptions): Promise<Scene> {
  const hub$ = new ReplaySubject<Hub>(1)
  const running = createHub$({ port: 0, database: ':memory:', initialCoins: 1_000_000 }).subscribe(hub$)
  const hub = await firstValueFrom(hub$)
  const relayed = roundTripMs > 0
  const relay = relayed ? startChild('relay.child.js', {}) : undefined
  await relay?.call('delay', roundTripMs / 2)

  const announce = (address: unknown): Promise<number> => relay!.call<number>('announce', address)
  // The relay's ports stand for addresses of both: each side hears of the other's signals only.
  const consumer = startChild('peer.child.js', {
    announce,
    signal: (signal: { kind: PipeKind; signal: RtcSignal }) => seeder.call('signal', signal),
  })
  const seeder = startChild('peer.child.js', {
    announce,
    signal: (signal: { kind: PipeKind; signal: RtcSignal }) => consumer.call('signal', signal),
  })
  const ends = startChild('ends.child.js', {})
  const sourcePort = await ends.call<number>('listen')
  const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
  const share = { type: 'tcp', host: '127.0.0.1', port: sourcePort } as const
  await seeder.call('startPeer', { rtcName, relayed, identity: bob, share })
  const restartConsumer = (): Promise<void> => consumer.call('startPeer', { rtcName, relayed, identity: alice })

  return {
    consumer,
    seeder,
    ends,
    restartConsumer,
    openPipe: async kind => {
      await seeder.call('openPipe', { kind, initiator: false, rtcName, relayed })
      await consumer.call('openPipe', { kind, initiator: true, rtcName, relayed })
      await Promise.all([consumer.call('opened', kind), seeder.call('opened', kind)])
    },
    closePipe: async kind => {
      await Promise.all([consumer.call('closePipe', kind), seeder.call('closePipe', kind)])
    },
    close: async () => {
      await Promise.all([consumer.stop(), seeder.stop(), ends.stop(), relay?.stop()])
      running.unsubscribe()
    },
  }
}
