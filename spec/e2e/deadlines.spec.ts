/**
 * Peers that are not there, do not answer, or never finish: nobody waits longer than said, and nothing is left behind.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { PeerStats } from '../../src/protocol/peer/stats.js'
import { type Cluster, type ClusterPeer, clusters } from '../support/cluster.node.js'
import { readText } from '../support/transfer.node.js'
import { lonelySdp, type ScriptedPeer, scriptedPeer } from './support/scripted-peer.js'

const startCluster = clusters()
let cluster: Cluster & { readonly peers: Readonly<Record<string, ClusterPeer>> }
let alice: ClusterPeer
let bob: ClusterPeer
const scripted: ScriptedPeer[] = []

const asJson = { headers: { accept: 'application/problem+json' } }

async function actor(nickname: string): Promise<ScriptedPeer> {
  const peer = await scriptedPeer(cluster.hubUrl, nickname)
  scripted.push(peer)
  return peer
}

/** What a peer carries when it carries nothing. */
function isIdle(before: PeerStats): (stats: PeerStats) => boolean {
  return ({ attempts, connections, subscriptions, streams, activeResources }) =>
    attempts === 0 &&
    connections.length === 0 &&
    streams === 0 &&
    subscriptions === before.subscriptions &&
    activeResources <= before.activeResources
}

beforeAll(async () => {
  cluster = await startCluster({ alice: {}, bob: { share: '127.0.0.1:9' } })
  alice = cluster.peers.alice!
  bob = cluster.peers.bob!
  await cluster.register('carol')
})

afterAll(() => {
  for (const peer of scripted) peer.close()
})

describe('a peer that is not there', () => {
  it('is reported as offline or unknown', async () => {
    const { status, text } = await readText(`${alice.proxy}proxy/carol/film.mp4`, asJson)
    expect(status).toBe(502)
    expect(JSON.parse(text)).toMatchObject({ status: 502, title: 'carol is offline', code: 'peer-offline' })
    const page = await readText(`${alice.proxy}proxy/carol/`, { headers: { accept: 'text/html' } })
    expect(page.text).toContain('carol is offline')
    const unknown = await readText(`${alice.proxy}proxy/nobody/`, asJson)
    expect([unknown.status, JSON.parse(unknown.text)]).toEqual([
      404,
      expect.objectContaining({ title: 'Nobody is called nobody' }),
    ])
    expect((await readText(`${alice.proxy}proxy/alice/`)).status).toBe(409)
    expect((await readText(`${alice.proxy}proxy/B0b/`)).status).toBe(400)
  })
})

describe('twenty seconds', () => {
  it('end an attempt on both sides, and nothing of it is left', async () => {
    const [before, bobBefore] = [await alice.stats(), await bob.stats()]
    const [silent, vanishing] = [await actor('silent'), await actor('vanishing')]

    const asks = async (): Promise<void> => {
      const asked = readText(`${alice.proxy}proxy/silent/`, asJson)
      const offer = await silent.heard(({ type }) => type === 'offer')
      expect((await alice.stats()).attempts).toBe(1)
      // Who is not there is not waited for: that is said while somebody is waited for who was asked before.
      const first = await Promise.race([
        asked,
        Promise.all(['carol', 'nobody'].map(name => readText(`${alice.proxy}proxy/${name}/`))),
      ])
      expect(first).toMatchObject([{ status: 502 }, { status: 404 }])
      const { status, text } = await asked
      expect([status, JSON.parse(text)]).toEqual([
        504,
        expect.objectContaining({ title: 'No connection to silent in time', code: 'connect-timeout' }),
      ])
      // The other side is told that nobody waits any more.
      await silent.heard(({ type, session }) => type === 'bye' && session === offer.session)
      await alice.until(isIdle(before))
    }

    const answers = async (): Promise<void> => {
      const session = 'offered-and-left-behind'
      const { text: to } = await readText(`${cluster.hubUrl}/v1/resolve/bob`)
      expect(await vanishing.describe('offer', to, session, lonelySdp)).toEqual({ delivered: true })
      await vanishing.heard(signal => signal.type === 'answer' && signal.session === session)
      expect((await bob.stats()).subscriptions).toBeGreaterThan(bobBefore.subscriptions)
      await vanishing.heard(signal => signal.type === 'bye' && signal.session === session)
      await bob.until(isIdle(bobBefore))
    }

    await Promise.all([asks(), answers()])
    // Whoever comes next is served.
    expect((await readText(`${alice.proxy}proxy/bob/`, { follow: false })).status).toBe(302)
  })
})
