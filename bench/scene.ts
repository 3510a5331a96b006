/** Everything that one configuration is measured with: hub, relay, two peers in processes of their own, and programs behind them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom, ReplaySubject } from 'rxjs'
import { nodeCrypto } from '../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../src/adapters/hub/http-client.js'
import { createHub$, type Hub } from '../src/hub/app.js'
import type { RtcSignal } from '../src/ports.js'
import type { Identity } from '../src/protocol/peer/metadata.js'
import { registerText } from '../src/protocol/signaling/signed-texts.js'
import { nicknameOf } from './community.js'
import type { RtcName } from '../src/adapters/webrtc/load.node.js'
import type { PipeKind } from './peer.child.js'
import { type Child, startChild } from './rpc.js'

export interface SceneOptions {
  readonly rtcName: RtcName
  /** Added round trip; 0 does without the relay. */
  readonly roundTripMs: number
}

/**
 * With coins as everybody has them, by a key that has paid before; with coins, by a key that is new to hub and seeder; or
 * without coins.
 */
export type TunnelKind = 'counted' | 'fresh' | 'uncounted'

export interface Scene {
  readonly consumer: Child
  readonly seeder: Child
  readonly ends: Child
  /** Starts a consumer anew, without any connection. Default `counted`. */
  readonly restartConsumer: (kind?: TunnelKind) => Promise<void>
  /** Connects it to the seeder of its kind. Resolves with the tunnel's port. */
  readonly connect: () => Promise<number>
  /** Both. */
  readonly openTunnel: (kind?: TunnelKind) => Promise<number>
  readonly openPipe: (kind: PipeKind) => Promise<void>
  /** The raw pipe, which is open, between the source and a new port. Resolves with the port. */
  readonly bridge: () => Promise<number>
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
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-bench-'))
  const bookOf = ({ nickname }: Identity): string => join(folder, `${nickname}.db`)
  const [alice, bob, carol, dave] = await Promise.all(
    ['alice', 'bob', 'carol', 'dave'].map(name => register(hub, name)),
  )
  const share = { type: 'tcp', host: '127.0.0.1', port: sourcePort } as const
  const start = (child: Child, identity: Identity, store: string | undefined, shared?: typeof share): Promise<void> =>
    child.call('startPeer', { rtcName, relayed, identity, store, share: shared })
  await start(seeder, bob!, bookOf(bob!), share)
  await start(seeder, dave!, undefined, share)

  let newcomers = 0
  let newest: { readonly from: string; readonly to: string } | undefined
  const restartConsumer = async (kind: TunnelKind = 'counted'): Promise<void> => {
    // One consumer at a time: an idle connection would go on with its keep-alives.
    if (newest !== undefined) await consumer.call('stopPeer', newest.from)
    const identity =
      kind === 'counted' ? alice! : kind === 'uncounted' ? carol! : await register(hub, nicknameOf(newcomers++))
    newest = { from: identity.nickname, to: kind === 'uncounted' ? 'dave' : 'bob' }
    await start(consumer, identity, kind === 'uncounted' ? undefined : bookOf(identity))
  }
  const connect = (): Promise<number> => consumer.call<number>('connect', newest)

  return {
    consumer,
    seeder,
    ends,
    restartConsumer,
    connect,
    openTunnel: kind => restartConsumer(kind).then(connect),
    openPipe: async kind => {
      await seeder.call('openPipe', { kind, initiator: false, rtcName, relayed })
      await consumer.call('openPipe', { kind, initiator: true, rtcName, relayed })
      await Promise.all([consumer.call('opened', kind), seeder.call('opened', kind)])
    },
    bridge: async () => {
      await seeder.call('bridge', { port: sourcePort })
      return consumer.call<number>('bridge', {})
    },
    closePipe: async kind => {
      await Promise.all([consumer.call('closePipe', kind), seeder.call('closePipe', kind)])
    },
    close: async () => {
      await Promise.all([consumer.stop(), seeder.stop(), ends.stop(), relay?.stop()])
      running.unsubscribe()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
