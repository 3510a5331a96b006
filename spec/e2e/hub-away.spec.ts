/**
 * A film between two peers who have paid each other before, while their hub is killed and stays away, or hangs.
 * `LIGHTHOUSE_FULL=1 LIGHTHOUSE_HUB_AWAY_SECONDS=600 npm test -- e2e/hub-away` takes ten minutes.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { firstValueFrom, map } from 'rxjs'
import { type KeptReceipts, keptReceipts$, receiptsPath } from '../../src/adapters/store/receipts/receipt-store.node.js'
import { parseMetadata } from '../../src/protocol/peer/metadata.js'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { sized } from '../support/sized.js'
import { download, open } from '../support/transfer.node.js'
import { startFilmPair } from './support/film-pair.js'
import { LedgerReader } from './support/ledger-reader.js'
import { play } from './support/player.js'
import { receivedBy } from './support/received.js'
import { mustFitReceipts, verifiedBlocks } from './support/verified-ledger.js'

const startCluster = clusters()
const megabyte = 1_000_000
const grantBytes = 5_000 * megabyte

/** In which the film goes on at a megabyte a second: far more than the megabyte or two that a seeder gives without receipts. */
const awaySeconds = Number(process.env['LIGHTHOUSE_HUB_AWAY_SECONDS'] ?? sized(35, 120))
/** Longer than what lies between two peers takes to be read, and far less than a hub that is away. */
const maxWaitMs = 2_000
const limitMs = 180_000 + 2_000 * awaySeconds

/** Alice has fetched bob's film once, and paid for it. */
async function acquainted(filmBytes: number) {
  const cluster = await startCluster({}, { coins: grantBytes / megabyte })
  const pair = await startFilmPair(cluster, filmBytes)
  expect(await download(pair.url)).toMatchObject({ sha256: pair.sha256 })
  const paid = await receivedBy(pair.alice, filmBytes)
  const ledger = new LedgerReader()
  expect(await ledger.readUntil(cluster.hubUrl, paid)).toBe(paid)
  return { ...cluster, ...pair, ledger, paid }
}

/** What the receipt store of a peer says. */
function readStore<T>({ home }: ClusterPeer, read: (store: KeptReceipts) => T): Promise<T> {
  const { pubKey } = parseMetadata(readFileSync(join(home, 'metadata.json'), 'utf8'))
  return firstValueFrom(keptReceipts$(receiptsPath(home), pubKey).pipe(map(store => read(store!))))
}

it.concurrent.each(['killed', 'stopped'] as const)(
  `goes on for ${awaySeconds} s while its hub is %s, and is paid to the last byte afterwards`,
  async how => {
    const filmBytes = (awaySeconds + 15) * megabyte
    const { hub, restartHub, hubUrl, hubFile, stop, ...world } = await acquainted(filmBytes)
    const { alice, bob, ledger, url, sha256 } = world
    const film = play(await open(url), megabyte)
    await film.reached(3 * megabyte)
    const signIns = [alice.signIns(), bob.signIns()]
    if (how === 'killed') await hub().kill()
    else process.kill(hub().pid, 'SIGSTOP')
    film.longestWaitMs()
    await film.reached((3 + awaySeconds) * megabyte)
    const longestMs = film.longestWaitMs()
    process.stdout.write(`longest wait in ${awaySeconds} s with a hub that was ${how}: ${Math.round(longestMs)} ms\n`)
    expect(longestMs).toBeLessThan(maxWaitMs)
    if (how === 'killed') await restartHub()
    else process.kill(hub().pid, 'SIGCONT')
    await Promise.all([alice.until(() => alice.signIns() > signIns[0]!), bob.until(() => bob.signIns() > signIns[1]!)])
    expect(await film.ended).toEqual({ bytes: filmBytes, sha256 })
    expect(film.longestWaitMs()).toBeLessThan(maxWaitMs)

    const received = await receivedBy(alice, 2 * filmBytes)
    expect(await ledger.readUntil(hubUrl, received)).toBe(received)
    await Promise.all([
      alice.until(({ coins }) => coins === grantBytes - received),
      bob.until(({ coins }) => coins === grantBytes + received),
    ])
    await Promise.all([alice, bob].map(({ home }) => mustFitReceipts(home)))
    for (const { program } of [alice, bob]) expect(program.lines(({ type }) => type === 'evidence')).toEqual([])
    expect(await verifiedBlocks(hubUrl)).toBe(ledger.seq)
    await hub().kill()
    expect(await verifiedBlocks(hubFile)).toBe(ledger.seq)
    await stop()
  },
  limitMs,
)

it(
  'loses no receipt when its seeder is killed meanwhile: they are settled at its next start',
  async () => {
    const { hub, restartHub, hubUrl, stop, ...world } = await acquainted(30 * megabyte)
    const { alice, bob, ledger, url, up, share, paid } = world
    const film = play(await open(url), 4 * megabyte)
    film.ended.catch(() => undefined)
    await film.reached(2 * megabyte)
    await hub().kill()
    await film.reached(20 * megabyte)
    await bob.program.kill()
    // So that nobody but bob can bring them.
    await alice.program.kill()
    const held = await readStore(bob, store => store.due(10).reduce((sum, { bytes }) => sum + bytes, 0))
    // Of both films, on one connection.
    expect(held).toBeGreaterThan(paid + 10 * megabyte)
    await restartHub()
    const again = await up('bob', { share })
    expect(await ledger.readUntil(hubUrl, held)).toBe(held)
    await again.until(({ coins }) => coins === grantBytes + held)
    await mustFitReceipts(bob.home)
    expect(await verifiedBlocks(hubUrl)).toBe(ledger.seq)
    await stop()
  },
  limitMs,
)
