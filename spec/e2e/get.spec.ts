/**
 * `get` as people run it: processes, a hub, WebRTC on loopback. The scenarios run beside each other, since some of them
 * wait for their seconds of real time.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from '@jest/globals'
import { exhaustMap, filter, firstValueFrom, timer } from 'rxjs'
import { type ClusterPeer, clusters, type CliProgram, startCli } from '../support/cluster.node.js'
import { download, readText, writePattern } from '../support/transfer.node.js'
import { heldFile } from './support/held-file.js'

const startCluster = clusters()
const coin = 1_000_000
const started: CliProgram[] = []
afterAll(async () => {
  await Promise.all(started.map(program => program.end('SIGKILL')))
})

/** Looks until it fits; the test's time limit bounds it. */
function until<T>(look: () => T | Promise<T>, fits: (value: T) => boolean): Promise<T> {
  return firstValueFrom(
    timer(0, 200).pipe(
      exhaustMap(async () => look()),
      filter(fits),
    ),
  )
}

const coinsOf = async ({ proxy }: ClusterPeer): Promise<number> =>
  Math.round(Number((await readText(`${proxy}coins`)).text) * coin)

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
const sha256Of = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Alice's `get` of a film of which one half has come and the other one does not, from a service that bob shares. */
async function halfway() {
  const film = await heldFile()
  const cluster = await startCluster({ alice: {}, bob: { share: film.address } })
  const fetched = join(cluster.folder, 'fetched')
  mkdirSync(fetched)
  const peer = (name: string): ClusterPeer => cluster.peers[name]!
  const start = (): CliProgram => {
    const program = startCli(['get', 'bob/film.bin', '--json', '--home', peer('alice').home], fetched)
    started.push(program)
    return program
  }
  const get = start()
  const got = join(fetched, 'film.bin')
  await until(
    () => sizeOf(`${got}.part`),
    bytes => bytes === film.held,
  )
  const stop = async (): Promise<void> => {
    film.close()
    await cluster.stop()
  }
  return { ...cluster, fetched, share: film.address, peer, film, get, again: start, got, stop }
}

/** A cluster in which everybody shares one folder, with a place for what is fetched. */
async function stage(names: readonly string[], files: Readonly<Record<string, number>>, coins?: number) {
  const cluster = await startCluster({}, coins === undefined ? {} : { coins })
  const share = join(cluster.folder, 'share')
  const fetched = join(cluster.folder, 'fetched')
  for (const path of [share, fetched]) mkdirSync(path)
  const hashes = new Map(Object.entries(files).map(([name, size]) => [name, writePattern(join(share, name), size)]))
  const start = async (nickname: string): Promise<readonly [string, ClusterPeer]> => {
    await cluster.register(nickname)
    return [nickname, await cluster.up(nickname, { share })]
  }
  const peers = new Map(await Promise.all(names.map(start)))
  const peer = (name: string): ClusterPeer => peers.get(name)!
  /** `get` by alice, into the folder for it. */
  const get = (what: string): CliProgram => {
    const program = startCli(['get', what, '--json', '--home', peer('alice').home], fetched)
    started.push(program)
    return program
  }
  return { ...cluster, share, fetched, peer, get, sha256: (name: string): string => hashes.get(name)! }
}

it.concurrent(
  'fetches a file of several megabytes, with an accent, spaces and a percent sign in its name',
  async () => {
    const name = 'Été à 100 %.bin'
    const { fetched, get, sha256, stop } = await stage(['alice', 'bob'], { [name]: 7_654_321 })
    const program = get(`bob/${name}`)
    expect(await program.ended).toEqual({ code: 0, err: '' })
    expect(await program.line(() => true)).toMatchObject({ got: { bytes: 7_654_321, resumedFrom: 0 } })
    expect(readdirSync(fetched)).toEqual([name])
    expect(sha256Of(join(fetched, name))).toBe(sha256(name))
    // The same file by its URL is the same file: it is there already.
    const again = get(`lighthouse://bob/${encodeURIComponent(name)}`)
    expect(await again.ended).toMatchObject({ code: 1 })
    const folder = get('bob/')
    expect(await folder.ended).toMatchObject({ code: 2 })
    await stop()
  },
)

it.concurrent('goes on by itself when the serving peer is killed in the middle and comes back', async () => {
  const { fetched, share, got, get, peer, film, stop, up } = await halfway()
  await peer('bob').program.end('SIGKILL')
  await up('bob', { share })
  expect(await get.ended).toMatchObject({ code: 0 })
  expect(await get.line(() => true)).toMatchObject({ got: { bytes: film.size, resumedFrom: 0 } })
  expect(film.ranges).toEqual([undefined, `bytes=${film.held}-`])
  expect(readdirSync(fetched)).toEqual(['film.bin'])
  expect(sha256Of(got)).toBe(film.sha256)
  await stop()
})

it.concurrent('goes on by itself when the own peer is killed and comes back on other ports', async () => {
  const { got, get, peer, film, stop, up } = await halfway()
  await peer('alice').program.end('SIGKILL')
  expect((await up('alice')).proxy).not.toBe(peer('alice').proxy)
  expect(await get.ended).toMatchObject({ code: 0 })
  expect(film.ranges).toEqual([undefined, `bytes=${film.held}-`])
  expect(sha256Of(got)).toBe(film.sha256)
  await stop()
})

it.concurrent('goes on in the next run when it was killed itself', async () => {
  const { fetched, got, get, again, film, stop } = await halfway()
  await get.end('SIGKILL')
  expect(readdirSync(fetched)).toEqual(['film.bin.part', 'film.bin.part.json'])
  const program = again()
  expect(await program.ended).toMatchObject({ code: 0 })
  expect(await program.line(() => true)).toMatchObject({ got: { bytes: film.size, resumedFrom: film.held } })
  expect(sha256Of(got)).toBe(film.sha256)
  await stop()
})

it.concurrent('ends with exit code 6 when the wallet runs dry, and goes on when coins were earned', async () => {
  const files = { 'film.bin': 10_000_000, 'song.bin': 2_900_000 }
  const { fetched, get, peer, sha256, stop } = await stage(['alice', 'bob', 'carol'], files, 3)
  const target = join(fetched, 'film.bin')
  const dry = get('bob/film.bin')
  expect(await dry.ended).toMatchObject({ code: 6 })
  expect(dry.lines(() => true)).toEqual([
    {
      error: { code: 'no-coins', message: expect.stringMatching(/out of coins.* costs \d+\.\d{6} coins\..* kept in/) },
    },
  ])
  const left = sizeOf(`${target}.part`)
  expect(left).toBeGreaterThan(2.9 * coin)
  expect(left).toBeLessThan(4.1 * coin)
  expect(readdirSync(fetched)).toEqual(['film.bin.part', 'film.bin.part.json'])
  // Again without coins: said at once, nothing lost.
  expect(await get('bob/film.bin').ended).toMatchObject({ code: 6 })
  expect(sizeOf(`${target}.part`)).toBe(left)
  // Alice earns by serving. Bob has what she paid, and carol what she began with.
  for (const who of ['carol', 'bob', 'bob']) {
    expect(await download(`${peer(who).proxy}proxy/alice/song.bin`)).toMatchObject({ sha256: sha256('song.bin') })
  }
  await until(
    () => coinsOf(peer('alice')),
    bytes => bytes > files['film.bin'] - left + 0.1 * coin,
  )
  const rest = get('bob/film.bin')
  expect(await rest.ended).toEqual({ code: 0, err: '' })
  expect(await rest.line(() => true)).toMatchObject({ got: { bytes: 10_000_000, resumedFrom: left } })
  expect(readdirSync(fetched)).toEqual(['film.bin'])
  expect(sha256Of(target)).toBe(sha256('film.bin'))
  await stop()
})
