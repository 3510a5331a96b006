/**
 * One key that takes all it can get of a seeder's process: unfinished requests, files that it does not pay for, thousands of
 * requests. Everybody else is served meanwhile, in turn with it, and the process holds a bounded amount.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { exhaustMap, filter, firstValueFrom, map, reduce, Subject, takeUntil, timer } from 'rxjs'
import { loadRtc } from '../../src/adapters/webrtc/load.node.js'
import type { Frame } from '../../src/protocol/mux/frame.js'
import { type Cluster, type ClusterPeer, clusters } from '../support/cluster.node.js'
import { download, readText, writePattern } from '../support/transfer.node.js'
import { type RawConnection, type RawConsumer, rawConsumer, saying } from './support/raw-consumer.js'

const startCluster = clusters()
const maxGrowthBytes = 32 * 1024 * 1024
/** More than the system takes of it that nobody reads. */
const fileBytes = 4_000_000
let cluster: Cluster
let alice: ClusterPeer
let bob: ClusterPeer
let mallory: RawConsumer | undefined
/** The largest resident memory of bob's while alice takes at full speed what one key may. */
let calmBytes: number

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n`
const streamIds = Array.from({ length: 256 }, (_, index) => 3 + 2 * index)

beforeAll(async () => {
  const started = await startCluster({ alice: {} })
  cluster = started
  const share = join(cluster.folder, 'share')
  mkdirSync(share)
  writeFileSync(join(share, 'hello.txt'), 'hello')
  writePattern(join(share, 'film.bin'), fileBytes)
  await cluster.register('bob')
  // What it holds is looked at, not what waits for the garbage collector, which is three times 16 MiB by default.
  bob = await cluster.up('bob', { share, nodeOptions: '--max-semi-space-size=1' })
  alice = started.peers.alice!
  const film = (): Promise<unknown> => download(`${alice.proxy}proxy/bob/film.bin`)
  await film()
  const films = (): Promise<unknown> => Promise.all(Array.from({ length: 32 }, film))
  calmBytes = await peakBytes(films().then(films))
}, 60_000)

afterEach(async () => {
  mallory?.close()
  await bob.until(({ connections }) => connections.length === 1)
})

/** The largest resident memory of bob's until the promise has settled. */
async function peakBytes(end: Promise<unknown>): Promise<number> {
  const rss$ = timer(0, 100).pipe(
    exhaustMap(() => bob.stats()),
    map(({ memory }) => memory.rss),
    takeUntil(end),
  )
  return firstValueFrom(rss$.pipe(reduce((peak, bytes) => Math.max(peak, bytes), 0)))
}

/** Signs in with a key of its own and opens so many connections to bob. */
async function attack(nickname: string, connections: number): Promise<readonly RawConnection[]> {
  const consumer = await rawConsumer(cluster.hubUrl, nickname, await loadRtc('node-datachannel'))
  mallory = consumer
  const opened: RawConnection[] = []
  for (let count = 0; count < connections; count++) opened.push(await consumer.connect('bob'))
  return opened
}

/** A request of alice's, on a connection of its own. */
const honest = async (): Promise<string> => (await readText(`${alice.proxy}proxy/bob/hello.txt`)).text

it('with 500 requests at once waits a moment for some of them, and is answered all', async () => {
  const { url } = await readText(`${alice.proxy}proxy/bob/hello.txt`)
  const texts = await Promise.all(Array.from({ length: 500 }, async () => (await readText(url)).text))
  expect(new Set(texts)).toEqual(new Set(['hello']))
})

it('with a fifth connection loses the one that has rested longest', async () => {
  const [first, ...others] = await attack('idlers', 4)
  const fifth = await mallory!.connect('bob')
  expect(await first!.over).toBe('closed there')
  await bob.until(({ connections }) => connections.length === 5)
  await Promise.all([...others, fifth].map(connection => connection.say(saying(3, get('/')))))
  // None of them rests now.
  await bob.until(({ streams }) => streams === 4)
  await expect(mallory!.connect('bob')).rejects.toThrow('serving as many as it can')
  expect(await honest()).toBe('hello')
})

it('with 768 unfinished requests takes no place from others', async () => {
  const connections = await attack('halves', 3)
  const frames = streamIds.flatMap(id => saying(id, get('/hello.txt')))
  await Promise.all(connections.map(connection => connection.say(frames)))
  // What a key may have; the others were refused.
  await bob.until(({ streams }) => streams >= 512)
  for (let count = 0; count < 6; count++) expect(await honest()).toBe('hello')
  expect((await bob.stats()).streams).toBeLessThanOrEqual(512 + 1)
})

it('with 1,024 files that it neither reads nor pays for makes the process hold no more than it may', async () => {
  const connections = await attack('films', 4)
  const frames = streamIds.flatMap(id => saying(id, `${get('/film.bin')}\r\n`))
  const peak = peakBytes(
    (async () => {
      await Promise.all(connections.map(connection => connection.say(frames)))
      await bob.until(({ bufferedBytes }) => bufferedBytes >= 1_000_000)
      for (let count = 0; count < 10; count++) expect(await honest()).toBe('hello')
    })(),
  )
  expect((await peak) - calmBytes).toBeLessThan(maxGrowthBytes)
  const { bufferedBytes, connections: carried } = await bob.stats()
  // 32 connections of one chunk each, and what four channels may queue without credit.
  expect(bufferedBytes).toBeLessThan(32 * 65_536 + 4 * 262_144)
  const streams = carried.filter(({ pubKey }) => pubKey === mallory?.pubKey).map(stats => stats.streams)
  expect(streams.length).toBe(4)
  expect(streams.reduce((sum, count) => sum + count, 0)).toBe(512)
})

it('with 10,000 requests has its turns, and others have theirs between them', async () => {
  const connections = await attack('requests', 4)
  let answers = 0
  const answered$ = new Subject<void>()
  for (const connection of connections) {
    let asked = 0
    const ask = (count: number): void => {
      const frames: Frame[] = []
      for (; count > 0 && asked < 2_500; count--) {
        const streamId = 3 + 2 * asked++
        frames.push(...saying(streamId, `${get('/hello.txt')}Connection: close\r\n\r\n`), { command: 'fin', streamId })
      }
      void connection.say(frames)
    }
    connection.frame$.pipe(filter(({ command }) => command === 'fin' || command === 'rst')).subscribe(({ command }) => {
      if (command === 'fin') answers++
      answered$.next()
      ask(1)
    })
    ask(256)
  }
  await firstValueFrom(answered$)
  const between: number[] = []
  for (let count = 0; count < 6; count++) {
    const before = answers
    expect(await honest()).toBe('hello')
    between.push(answers - before)
  }
  // Some fifty: what 32 connections are answered in the time of one request. Its credit lasts for some 1,400 in all.
  expect(Math.max(...between)).toBeLessThan(500)
})
