/**
 * Both WebRTC implementations, with themselves and with each other.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from '@jest/globals'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { open, receive, writePattern } from '../support/transfer.node.js'

const startCluster = clusters()
const bytes = 10_000_000
let peers: Readonly<Record<string, ClusterPeer>>
let sha256: string

beforeAll(async () => {
  const cluster = await startCluster({ wanda: { engine: 'wrtc' }, nadia: { engine: 'node-datachannel' } })
  const share = join(cluster.folder, 'share')
  mkdirSync(share)
  sha256 = writePattern(join(share, 'film.bin'), bytes)
  await Promise.all([cluster.register('walter'), cluster.register('nils')])
  await Promise.all([
    cluster.up('walter', { share, engine: 'wrtc' }),
    cluster.up('nils', { share, engine: 'node-datachannel' }),
  ])
  peers = cluster.peers
}, 60_000)

it.each([
  ['nadia', 'nils', 'node-datachannel from node-datachannel'],
  ['wanda', 'nils', 'wrtc from node-datachannel'],
  ['nadia', 'walter', 'node-datachannel from wrtc'],
])(
  '%s receives from %s: %s',
  async (consumer, seeder) => {
    const { proxy, until } = peers[consumer]!
    const opened = await open(`${proxy}proxy/${seeder}/film.bin`)
    // Why not, when not: the page says it.
    if (opened.status !== 200) throw new Error(Buffer.concat(await opened.message.toArray()).toString())
    expect(await receive(opened)).toEqual({ bytes, sha256 })
    await until(({ connections, streams }) => streams === 0 && connections.some(({ nickname }) => nickname === seeder))
  },
  60_000,
)
