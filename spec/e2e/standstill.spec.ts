/**
 * A film that is being played while one of the two processes stands still, as a laptop that sleeps, or is killed and comes back. The
 * scenarios run beside each other, since they take their seconds.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { download, open } from '../support/transfer.node.js'
import { startFilmPair } from './support/film-pair.js'
import { play } from './support/player.js'

const startCluster = clusters()
const filmBytes = 64_000_000
const bytesPerSecond = 4_000_000

/** What may pass until something comes again after the process is there again; and what a machine may add that runs other specs. */
const repairMs = 8_000
const busyMs = 3_000

/** Alice has fetched bob's film once, so that she has paid for more than what a break may lose. */
async function acquainted() {
  const cluster = await startCluster({})
  const pair = await startFilmPair(cluster, filmBytes)
  expect(await download(pair.url)).toMatchObject({ sha256: pair.sha256 })
  return { ...cluster, ...pair }
}

async function standStill({ program: { pid } }: ClusterPeer, seconds: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await delay(1_000 * seconds)
  process.kill(pid, 'SIGCONT')
}

type Scene = Awaited<ReturnType<typeof acquainted>>

it.concurrent.each<readonly [string, (scene: Scene) => Promise<unknown>]>([
  ['the serving peer has stood still for 15 s', ({ bob }) => standStill(bob, 15)],
  ['the serving peer has stood still for 40 s', ({ bob }) => standStill(bob, 40)],
  ['the fetching peer has stood still for 25 s', ({ alice }) => standStill(alice, 25)],
  [
    'the serving peer has been killed, and was away for 10 s',
    async ({ bob, up, share }) => {
      await bob.program.kill()
      await delay(10_000)
      await up('bob', { share })
    },
  ],
])('goes on, on the same response, when %s', async (name, strike) => {
  const scene = await acquainted()
  const film = play(await open(scene.url), bytesPerSecond)
  await film.reached(2 * bytesPerSecond)
  film.longestWaitMs()
  const begunMs = performance.now()
  await strike(scene)
  const awayMs = performance.now() - begunMs
  expect(await film.ended).toEqual({ bytes: filmBytes, sha256: scene.sha256 })
  const longestMs = film.longestWaitMs()
  process.stdout.write(`${name}: nothing to read for ${(longestMs / 1e3).toFixed(1)} s\n`)
  // What is measured here is time: that is what a player has to bridge.
  expect(longestMs).toBeLessThanOrEqual(awayMs + repairMs + busyMs)
  await scene.stop()
})
