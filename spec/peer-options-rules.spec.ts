import { describe, expect, it } from '@jest/globals'
import { firstValueFrom } from 'rxjs'
import { nodeCrypto } from '../src/adapters/crypto/crypto.node.js'
import type { SqliteConnection } from '../src/adapters/store/sqlite/connection.node.js'
import { SqliteReceiptStore } from '../src/adapters/store/receipts/sqlite-receipt-store.node.js'
import { createPeer$, portBlock } from '../src/index.js'
import type { PeerOptions } from '../src/peer-options.js'
import { verifyPeerOptions } from '../src/peer-options-rules.js'
import { createMemoryTrust } from '../src/streams/signaling/trust.js'
import { fakeRtc } from './streams/support/fake-rtc.js'
import { fakeTransport } from './streams/support/fake-transport.js'

const keys = nodeCrypto.generateKeyPair()
const identity = { ...keys, nickname: 'alice', host: '127.0.0.1:3000' }
const bytesOf = (text: string): Buffer => Buffer.from(text, 'base64')
const other = nodeCrypto.generateKeyPair()
/** The right public half behind a seed of another key. */
const mixed = Buffer.concat([bytesOf(other.privKey).subarray(0, 32), bytesOf(keys.pubKey)]).toString('base64')
const ports = portBlock(0)
const folder = { type: 'folder', path: '.' } as const

function complaint(options: unknown): unknown {
  try {
    verifyPeerOptions(options as PeerOptions)
    return undefined
  } catch (error) {
    return error
  }
}

describe('the options of a peer', () => {
  const wrong: readonly (readonly [string, Record<string, unknown>])[] = [
    ['identity', { identity: undefined }],
    ['identity.pubKey', { identity: { ...identity, pubKey: keys.pubKey.slice(0, -4) } }],
    ['identity.pubKey', { identity: { ...identity, pubKey: undefined } }],
    ['identity.privKey', { identity: { ...identity, privKey: keys.privKey.slice(0, 44) } }],
    ['identity.privKey', { identity: { ...identity, privKey: keys.privKey.slice(0, -4) } }],
    ['identity.privKey', { identity: { ...identity, privKey: other.privKey } }],
    ['identity.privKey', { identity: { ...identity, privKey: mixed } }],
    ['identity.nickname', { identity: { ...identity, nickname: 'Alice' } }],
    ['identity.nickname', { identity: { ...identity, nickname: 'a'.repeat(64) } }],
    ['identity.host', { identity: { ...identity, host: '' } }],
    ['identity.host', { identity: { ...identity, host: 'ftp://hub' } }],
    ['identity.host', { identity: { ...identity, host: 'http://hub.example' } }],
    ['share', { share: 'films' }],
    ['share.type', { share: { type: 'udp' } }],
    ['share.type', { share: { type: 'toString' } }],
    ['share.path', { share: { type: 'folder', path: '' } }],
    ['share.path', { share: { type: 'folder', path: 'a\0b' } }],
    ['share.host', { share: { type: 'tcp', port: 80 } }],
    ['share.port', { share: { type: 'tcp', host: '127.0.0.1', port: 0 } }],
    ['share.port', { share: { type: 'tcp', host: '127.0.0.1', port: '80' } }],
    ['home', { home: 7 }],
    ['ports', { ports: 42_000 }],
    ['ports.proxy', { ports: { ...ports, proxy: 65_536 } }],
    ['ports.data', { ports: { ...ports, data: 1.5 } }],
    ['ports.tunnels', { ports: { ...ports, tunnels: [] } }],
    ['ports.tunnels', { ports: { ...ports, tunnels: [1, -1] } }],
    ['ports.tunnels', { ports: { ...ports, tunnels: 7 } }],
    ['ports', { ports: { ...ports, proxy: 42_500, data: 42_500 } }],
    ['rtc', { rtc: {} }],
    ['network', { network: {} }],
    ['transport', { transport: () => undefined }],
    ['hub', { hub: { resolve$: () => undefined } }],
    ['crypto', { crypto: { ...nodeCrypto, verify: undefined } }],
    ['trust', { trust: new Map() }],
    ['receipts', { receipts: {} }],
    ['spending', { spending: 10 }],
    ['spending.dayBytes', { spending: { dayBytes: -1 } }],
    ['spending.dayCoins', { spending: { dayCoins: 1 } }],
    ['iceServers', { iceServers: { urls: 'stun:stun.example' } }],
    ['iceServers', { iceServers: [{ urls: 'http://stun.example' }] }],
    ['iceServers', { iceServers: [{ urls: 'turn:turn.example', username: 'u' }] }],
    ['iceServers', { iceServers: Array.from({ length: 5 }, () => ({ urls: 'stun:stun.example' })) }],
    ['relayOnly', { relayOnly: 'yes' }],
    ['controlToken', { controlToken: '' }],
    ['controlToken', { controlToken: 'two\nlines' }],
    ['scheduler', { scheduler: 'async' }],
    ['clock', { clock: {} }],
    ['relayonly', { relayonly: true }],
  ]
  it.each(wrong)('are refused with a wrong %s, which is named: %j', (field, change) => {
    const error = complaint({ identity, ...change })
    expect(error).toMatchObject({ name: 'LighthouseError', code: 'invalid-option', details: { field } })
    expect((error as Error).message).toContain(`"${field}"`)
    // Not its value: that may be a key or a token.
    expect((error as Error).message).not.toContain(keys.privKey.slice(0, 20))
  })

  it('are refused when there are none', () => {
    for (const options of [undefined, null, 7]) expect(complaint(options)).toMatchObject({ code: 'invalid-option' })
  })

  it.each<[string, PeerOptions]>([
    ['the least', { identity }],
    ['a hub with TLS', { identity: { ...identity, host: 'hub.example' } }],
    ['a folder', { identity, share: folder, home: '/tmp', ports: portBlock(42_000) }],
    [
      'all of them',
      {
        identity,
        share: { type: 'tcp', host: '::1', port: 22 },
        ports,
        rtc: fakeRtc(),
        transport: fakeTransport(),
        crypto: nodeCrypto,
        trust: createMemoryTrust(),
        receipts: new SqliteReceiptStore({} as SqliteConnection, keys.pubKey, Date.now),
        spending: { dayBytes: 0, connectionBytes: undefined },
        iceServers: [{ urls: ['stun:127.0.0.1', 'turn:turn.example'], username: 'u', credential: 'c' }],
        relayOnly: false,
        controlToken: 'token',
        clock: performance,
      },
    ],
  ])('are fine: %s', (_name, options) => {
    expect(complaint(options)).toBeUndefined()
  })

  it('are checked before anything is started, and a key that was cut is not tried at the hub', async () => {
    const transport = fakeTransport()
    const cut = { ...identity, privKey: keys.privKey.slice(0, 44) }
    await expect(firstValueFrom(createPeer$({ identity: cut, transport, ports }))).rejects.toMatchObject({
      code: 'invalid-option',
      details: { field: 'identity.privKey' },
    })
    expect(transport.links).toEqual([])
  })
})
