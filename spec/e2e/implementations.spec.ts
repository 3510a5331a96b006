/**
 * Both WebRTC implementations, with themselves and with each other.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from '@jest/globals'
import type { ConnectionStats } from '../../src/protocol/peer/stats.js'
import { suspectSeconds } from '../../src/protocol/tunnels/replace.js'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { childrenOf } from '../support/processes.node.js'
import { download, open, receive, writePattern } from '../support/transfer.node.js'

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
  const [walter, nils] = await Promise.all([
    cluster.up('walter', { share, engine: 'wrtc' }),
    cluster.up('nils', { share, engine: 'node-datachannel' }),
  ])
  peers = { ...cluster.peers, walter, nils }
})

it.each([
  ['nadia', 'nils', 'node-datachannel from node-datachannel'],
  ['wanda', 'nils', 'wrtc from node-datachannel'],
  ['nadia', 'walter', 'node-datachannel from wrtc'],
])('%s receives from %s: %s', async (consumer, seeder) => {
  const { proxy, until } = peers[consumer]!
  const opened = await open(`${proxy}proxy/${seeder}/film.bin`)
  // Why not, when not: the page says it.
  if (opened.status !== 200) throw new Error(Buffer.concat(await opened.message.toArray()).toString())
  expect(await receive(opened)).toEqual({ bytes, sha256 })
  await until(({ connections, streams }) => streams === 0 && connections.some(({ nickname }) => nickname === seeder))
})

it('loses its connections with the process that runs wrtc, and no transfer', async () => {
  const walter = peers.walter!
  const { proxy, until } = peers.nadia!
  const opened = await open(`${proxy}proxy/walter/film.bin`)
  opened.message.pause()
  const ofWalter = (connections: readonly ConnectionStats[]): readonly ConnectionStats[] =>
    connections.filter(({ nickname }) => nickname === 'walter')
  await until(({ connections }) => ofWalter(connections).length > 0)
  for (const pid of childrenOf(walter.program.pid)) process.kill(pid, 'SIGKILL')
  // From then on a request makes a new connection.
  await until(({ connections }) => ofWalter(connections).every(({ silentSeconds }) => silentSeconds >= suspectSeconds))
  expect(await download(`${proxy}proxy/walter/film.bin`)).toMatchObject({ status: 200, bytes, sha256 })
  const outcome = receive(opened)
  opened.message.resume()
  // On the new connection, as if nothing had been.
  expect(await outcome).toMatchObject({ bytes, sha256 })
  expect((await walter.stats()).hub).toEqual({ type: 'authenticated' })
})
