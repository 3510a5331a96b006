/**
 * A reader that stops in the middle of a download: what it does not take is not piled up anywhere, and nobody else waits.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from '@jest/globals'
import {
  exhaustMap,
  map,
  type Observable,
  reduce,
  takeUntil,
  timer,
  type ObservableInput,
  from,
  lastValueFrom,
} from 'rxjs'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { download, open, receive, writePattern } from '../support/transfer.node.js'

const startCluster = clusters()
/** What neither process may grow by. */
const maxGrowthBytes = 32 * 1024 * 1024
/** Several times that: what piled up anywhere would show. */
const longBytes = 128_000_000
const shortBytes = 32_000_000
let alice: ClusterPeer
let bob: ClusterPeer
const digests: Record<string, string> = {}

beforeAll(async () => {
  const cluster = await startCluster({ alice: {} })
  const share = join(cluster.folder, 'share')
  mkdirSync(share)
  digests['long.bin'] = writePattern(join(share, 'long.bin'), longBytes)
  digests['short.bin'] = writePattern(join(share, 'short.bin'), shortBytes)
  await cluster.register('bob')
  bob = await cluster.up('bob', { share })
  alice = cluster.peers.alice!
})

/** The largest resident memory of a peer until the promise has settled. */
function peakRss(peer: ClusterPeer, end: ObservableInput<unknown>): Promise<number> {
  const rss$: Observable<number> = timer(0, 250).pipe(
    exhaustMap(() => peer.stats()),
    map(({ memory }) => memory.rss),
  )
  return lastValueFrom(
    rss$.pipe(
      takeUntil(from(end)),
      reduce((peak, rss) => Math.max(peak, rss), 0),
    ),
  )
}

it('buffers a bounded amount for a reader that has stopped, while others go on', async () => {
  const short = async (): Promise<void> => {
    expect((await download(`${alice.proxy}proxy/bob/short.bin`)).sha256).toBe(digests['short.bin'])
  }
  // What a transfer at full speed needs anyway is taken before it is measured.
  const warm = short().then(short)
  const before = await Promise.all([peakRss(alice, warm), peakRss(bob, warm)])
  await warm

  const long = await open(`${alice.proxy}proxy/bob/long.bin`)
  const received = receive(long)
  long.message.pause()
  const others = short().then(short)
  const during = await Promise.all([peakRss(alice, others), peakRss(bob, others)])
  await others
  for (const [index, peak] of during.entries()) expect(peak - before[index]!).toBeLessThan(maxGrowthBytes)

  // The others' streams are over when both sides have said so.
  const { connections } = await alice.until(stats => stats.connections[0]?.streams === 1)
  expect(connections).toMatchObject([{ nickname: 'bob' }])
  // Of the long one no more has crossed than its window and what the two programs' sockets hold.
  expect(connections[0]!.receivedBytes).toBeLessThan(4 * shortBytes + maxGrowthBytes)
  long.message.resume()
  expect(await received).toEqual({ bytes: longBytes, sha256: digests['long.bin'] })
})
