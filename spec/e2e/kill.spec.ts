/**
 * Processes that end in the middle of a transfer. The scenarios run beside each other: to notice that somebody was
 * killed takes its seconds of real time.
 */
import { expect, it } from '@jest/globals'
import { type Cluster, type ClusterPeer, clusters } from '../support/cluster.node.js'
import { download, open, type Opened, readText, receive, type Received } from '../support/transfer.node.js'
import { type FilmPair, startFilmPair } from './support/film-pair.js'

const startCluster = clusters()
const filmBytes = 32_000_000

async function stage(): Promise<Cluster & FilmPair> {
  const cluster = await startCluster({})
  return { ...cluster, ...(await startFilmPair(cluster, filmBytes)) }
}

const filmOf = ({ proxy }: ClusterPeer): string => `${proxy}proxy/bob/film.bin`

/** A download of which the first part has arrived and that is held there; most of it is still on the other machine. */
async function halfway(url: string): Promise<Opened & { readonly rest: Promise<Received> }> {
  const opened = await open(url)
  const rest = receive(opened)
  // The test looks at it later.
  rest.catch(() => undefined)
  opened.message.pause()
  return { ...opened, rest }
}

it.concurrent(
  'a serving peer that is killed is missed within 8 s, and goes on with the same answer when it is back',
  async () => {
    const { alice, bob, share, sha256, up, stop } = await stage()
    const { url, message, rest } = await halfway(filmOf(alice))
    await bob.program.kill()
    message.resume()
    const silence: number[] = []
    await alice.until(({ connections: [first] }) => {
      if (first !== undefined) silence.push(first.silentSeconds)
      return first === undefined
    })
    expect(Math.max(...silence)).toBeLessThanOrEqual(7)
    await up('bob', { share })
    expect(await rest).toMatchObject({ bytes: filmBytes, sha256 })
    const again = await download(filmOf(alice))
    expect(again).toMatchObject({ status: 200, bytes: filmBytes, sha256, url })
    await stop()
  },
)

it.concurrent('a fetching peer that is killed is missed within 8 s', async () => {
  const { alice, bob, stop } = await stage()
  const { message, rest } = await halfway(filmOf(alice))
  await alice.program.kill()
  const silence: number[] = []
  await bob.until(({ connections: [first] }) => {
    if (first !== undefined) silence.push(first.silentSeconds)
    return first === undefined
  })
  expect(Math.max(...silence)).toBeLessThanOrEqual(7)
  message.resume()
  await expect(rest).rejects.toThrow()
  await stop()
})

it.concurrent(
  'a serving peer that is killed and back at once serves the next request, before its old connection is given up',
  async () => {
    const { alice, bob, share, sha256, up, stop } = await stage()
    const { url, message, rest } = await halfway(filmOf(alice))
    const [before] = (await alice.stats()).connections
    await bob.program.kill()
    await up('bob', { share })
    // Where the start took long, it has been replaced by now.
    await alice.until(({ connections }) =>
      connections.some(({ session, silentSeconds }) => silentSeconds >= 2 || session !== before!.session),
    )
    expect((await alice.stats()).connections).toHaveLength(1)
    const again = await download(filmOf(alice))
    expect(again).toMatchObject({ status: 200, bytes: filmBytes, sha256, url })
    message.resume()
    expect(await rest).toMatchObject({ bytes: filmBytes, sha256 })
    await stop()
  },
)

it.concurrent('a serving peer that is asked to end is missed at once', async () => {
  const { alice, bob, stop } = await stage()
  const { message } = await halfway(filmOf(alice))
  const ended = bob.program.end('SIGTERM')
  message.resume()
  // Well before a process that is gone could be told from one that is slow: by what alice hears, not by its absence.
  const { connections } = await alice.until(
    stats => stats.connections.length === 0 || stats.connections.some(({ silentSeconds }) => silentSeconds >= 5),
  )
  expect(connections).toEqual([])
  await ended
  expect(await bob.program.ended).toMatchObject({ code: 0, err: '' })
  await stop()
})

it.concurrent('a hub that is killed disturbs no transfer, and has everybody back when it is back', async () => {
  const { alice, bob, sha256, hub, restartHub, stop } = await stage()
  const { url, message, rest } = await halfway(filmOf(alice))
  await hub().kill()
  await alice.until(stats => stats.hub.type !== 'authenticated')
  // Whom it would have to ask for is not to be had.
  const asked = await readText(`${alice.proxy}proxy/carol/`, { headers: { accept: 'application/problem+json' } })
  expect(asked.status).toBe(503)
  expect(JSON.parse(asked.text)).toMatchObject({ code: 'hub-unreachable' })
  // What is connected does not need it for as long as bob gives credit, and is held then.
  message.resume()
  const { connections } = await bob.until(
    ({ connections: [only] }) => only !== undefined && only.sentBytes > 0 && only.sendRate === 0,
  )
  expect(connections[0]!.sentBytes).toBeLessThan(filmBytes)
  expect((await alice.stats()).connections).toHaveLength(1)

  const before = [alice.signIns(), bob.signIns()]
  await restartHub()
  await Promise.all([alice.until(() => alice.signIns() > before[0]!), bob.until(() => bob.signIns() > before[1]!)])
  // Nothing of it was lost, and it goes on as soon as it can be paid for.
  expect(await rest).toEqual({ bytes: filmBytes, sha256 })
  expect(await download(filmOf(alice))).toMatchObject({ sha256, url })
  // A connection that did not exist before: the other way round.
  expect(await download(`${bob.proxy}proxy/alice/film.bin`)).toMatchObject({ sha256 })
  await stop()
})
