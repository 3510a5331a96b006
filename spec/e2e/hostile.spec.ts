/**
 * Peers that send nonsense or lie about who they are, and a key that is not the one remembered.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { fingerprintOf, nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { type Cluster, type ClusterPeer, clusters } from '../support/cluster.node.js'
import { readText } from '../support/transfer.node.js'
import { lonelySdp, type ScriptedPeer, scriptedPeer } from './support/scripted-peer.js'

const startCluster = clusters()
const asJson = { headers: { accept: 'application/problem+json' } }
let cluster: Cluster
let alice: ClusterPeer
let bob: ClusterPeer
let bobKey: string
let mallory: ScriptedPeer
let share: string
/** Subscriptions of bob's while he serves nobody but alice. */
let calm: number

beforeAll(async () => {
  const started = await startCluster({ alice: {} })
  cluster = started
  share = join(cluster.folder, 'share')
  mkdirSync(share)
  writeFileSync(join(share, 'hello.txt'), 'hello')
  await cluster.register('bob')
  bob = await cluster.up('bob', { share })
  alice = started.peers.alice!
  bobKey = (await readText(`${cluster.hubUrl}/v1/resolve/bob`)).text
  mallory = await scriptedPeer(cluster.hubUrl, 'mallory')
})

afterAll(() => mallory.close())

/** Bob serves alice, and carries nothing but her. */
async function bobIsWell(): Promise<void> {
  expect((await readText(`${alice.proxy}proxy/bob/hello.txt`)).text).toBe('hello')
  await bob.until(({ connections, subscriptions }) => connections.length === 1 && subscriptions === calm)
}

describe('a peer that sends invalid data', () => {
  beforeAll(async () => {
    await readText(`${alice.proxy}proxy/bob/hello.txt`)
    calm = (await bob.stats()).subscriptions
  })

  it.each([
    ['no description at all', 'this is no SDP'],
    ['nothing', ''],
    ['an audio call', 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n'],
    ['half a description', lonelySdp.slice(0, 200)],
    ['a long line', `v=0\r\na=${'x'.repeat(60_000)}\r\n`],
    ['binary', '\u0000\u0001\uffff'.repeat(100)],
  ])('costs nobody else anything: %s, properly signed', async (name, sdp) => {
    const session = `utter-nonsense-${name.replace(/\W/g, '-')}`
    expect(await mallory.describe('offer', bobKey, session, sdp)).toEqual({ delivered: true })
    await mallory.heard(signal => signal.type === 'bye' && signal.session === session)
    await bobIsWell()
  })

  it('costs nobody else anything: what is not gzip, not signed, of no session, or no candidate', async () => {
    await mallory.describe('offer', bobKey, 'nonsense-not-packed', 'bm8gZ3ppcA==', { packed: false })
    await mallory.heard(({ type, session }) => type === 'bye' && session === 'nonsense-not-packed')
    const signature = Buffer.alloc(64).toString('base64')
    await mallory.describe('offer', bobKey, 'nonsense-not-signed', lonelySdp, { signature })
    await mallory.heard(({ type, session }) => type === 'bye' && session === 'nonsense-not-signed')
    await mallory.describe('answer', bobKey, 'nonsense-of-no-session', lonelySdp)
    const candidate = { candidate: 'candidate:nonsense', sdpMid: '0', sdpMLineIndex: 0 }
    await mallory.send(bobKey, { type: 'candidate', session: 'nonsense-of-no-session', payload: candidate })
    await mallory.describe('offer', bobKey, 'nonsense-candidates', lonelySdp)
    for (const text of [
      'candidate:nonsense',
      'candidate:1 1 UDP 1 999.1.1.1 9 typ host',
      '\u0000',
      'x'.repeat(1_000),
    ]) {
      const payload = { ...candidate, candidate: text }
      await mallory.send(bobKey, { type: 'candidate', session: 'nonsense-candidates', payload })
    }
    await mallory.send(bobKey, { type: 'bye', session: 'nonsense-candidates', payload: { reason: 'x'.repeat(5_000) } })
    await bobIsWell()
    expect(await mallory.send(bobKey, { type: 'surprise', session: 'nonsense-type-unknown' })).toMatchObject({
      error: { code: 'malformed' },
    })
  })
})

describe('a peer that sends an invalid answer', () => {
  const answered = new Set<string>()

  it.each([
    ['an answer that is none', { sdp: 'this is no SDP' }, 'webrtc-failed'],
    [
      'an answer that is not signed',
      { sdp: lonelySdp, signature: Buffer.alloc(64).toString('base64') },
      'bad-signature',
    ],
  ])('is refused with the reason: %s', async (_name, { sdp, signature }: { sdp: string; signature?: string }, code) => {
    const seen = new Set((await alice.stats()).connections.map(({ session }) => session))
    const asked = readText(`${alice.proxy}proxy/mallory/`, asJson)
    const offer = await mallory.heard(({ type, session }) => type === 'offer' && !answered.has(session))
    answered.add(offer.session)
    await mallory.describe('answer', offer.from, offer.session, sdp, signature === undefined ? {} : { signature })
    const { status, text } = await asked
    expect([status, JSON.parse(text)]).toEqual([502, expect.objectContaining({ code })])
    expect(new Set((await alice.stats()).connections.map(({ session }) => session))).toEqual(seen)
  })
})

describe('a key that is not the one remembered', () => {
  const known = (): string => join(alice.home, 'known_peers.json')

  it('is refused, and the page says what to do', async () => {
    await alice.program.end('SIGTERM')
    const other = nodeCrypto.generateKeyPair().pubKey
    const text = readFileSync(known(), 'utf8')
    expect(text).toContain(bobKey)
    writeFileSync(known(), text.replace(bobKey, other))
    alice = await cluster.up('alice')
    const refused = await readText(`${alice.proxy}proxy/bob/hello.txt`, asJson)
    expect(refused.status).toBe(502)
    expect(JSON.parse(refused.text)).toMatchObject({
      code: 'key-changed',
      title: 'The key of bob has changed',
      detail: expect.stringContaining(`was ${fingerprintOf(other)}, and is now ${fingerprintOf(bobKey)}`),
    })
    const page = await readText(`${alice.proxy}proxy/bob/`, { headers: { accept: 'text/html' } })
    expect(page.text).toContain('The key of bob has changed')
    expect(page.text).toContain('lighthouse-peer trust bob')
    // Bob was never asked.
    expect((await bob.stats()).connections).toEqual([])
    expect(readFileSync(known(), 'utf8')).toContain(other)
  })

  it('of the hub ends the session for good, with its exit code', async () => {
    await alice.program.end('SIGTERM')
    const { hub } = JSON.parse(readFileSync(known(), 'utf8')) as { readonly hub: Readonly<Record<string, string>> }
    const hubKey = Object.values(hub)[0]!
    const text = readFileSync(known(), 'utf8')
    writeFileSync(known(), text.replaceAll(hubKey, nodeCrypto.generateKeyPair().pubKey))
    await expect(cluster.up('alice')).rejects.toThrow('ended (7)')
  })
})
