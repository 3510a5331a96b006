/**
 * Coins through the command line: they move while bytes flow, run out, come back, and outlive every kill -9. The scenarios
 * run beside each other, since some of them wait for 20 s of real time.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from '@jest/globals'
import { exhaustMap, filter, firstValueFrom, map, merge, type Observable, timer } from 'rxjs'
import { type KeptReceipts, keptReceipts$, receiptsPath } from '../../src/adapters/store/receipts/receipt-store.node.js'
import { parseMetadata } from '../../src/protocol/peer/metadata.js'
import type { PeerStats } from '../../src/protocol/peer/stats.js'
import { type ClusterPeer, clusters, startCli } from '../support/cluster.node.js'
import { download, open, readText, receive, writePattern } from '../support/transfer.node.js'
import { verifiedBlocks } from './support/verified-ledger.js'

const startCluster = clusters()
const broken = /aborted|ECONNRESET|socket hang up/
const coin = 1_000_000

interface Block {
  readonly kind: string
  readonly from: string | null
  readonly to: string
  readonly bytes: number
}

async function ledger(hubUrl: string): Promise<readonly Block[]> {
  const { text } = await readText(new URL('/v1/ledger', hubUrl).href)
  return text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Block)
}

/** Looks until it fits; the test's time limit bounds it. */
function until<T>(look: () => Promise<T>, fits: (value: T) => boolean): Promise<T> {
  const look$: Observable<T> = timer(0, 200).pipe(exhaustMap(look))
  return firstValueFrom(look$.pipe(filter(fits)))
}

const coinsOf = async ({ proxy }: ClusterPeer): Promise<number> =>
  Math.round(Number((await readText(`${proxy}coins`)).text) * coin)

/** The first coins in the stream of events from now on that fit. */
async function streamedCoins({ proxy }: ClusterPeer, fits: (bytes: number) => boolean): Promise<number | undefined> {
  const { message } = await open(`${proxy}events`)
  for await (const line of createInterface({ input: message })) {
    if (!line.startsWith('data: ')) continue
    const { coins } = JSON.parse(line.slice('data: '.length)) as PeerStats
    if (coins === undefined || !fits(coins)) continue
    message.destroy()
    return coins
  }
  return undefined
}

/** What the command prints. */
async function printedCoins({ home }: ClusterPeer): Promise<number> {
  const program = startCli(['coins', '--json', '--home', home], home)
  const { bytes } = await program.line(() => true)
  expect(await program.ended).toMatchObject({ code: 0 })
  return Number(bytes)
}

/** Bytes that reached the consumer when the seeder holds the rest of a film. Figures are made once a second, and are zero before. */
async function receivedWhenHeld(seeder: ClusterPeer, consumer: ClusterPeer, filmBytes: number): Promise<number> {
  const { connections } = await until(
    () => seeder.stats(),
    ({ connections: [only] }) => only !== undefined && only.sentBytes > 0 && only.sendRate === 0,
  )
  const { sentBytes } = connections[0]!
  // Held, and not at its end.
  expect(sentBytes).toBeLessThan(filmBytes)
  await until(
    () => consumer.stats(),
    ({ connections: [only] }) => only?.receivedBytes === sentBytes,
  )
  return sentBytes
}

/** A cluster in which everybody shares a folder with `film.bin` in it. */
async function stage(names: readonly string[], coins: number, filmBytes: number) {
  const cluster = await startCluster({}, { coins })
  const share = join(cluster.folder, 'share')
  mkdirSync(share)
  const sha256 = writePattern(join(share, 'film.bin'), filmBytes)
  const start = async (nickname: string): Promise<readonly [string, ClusterPeer]> => {
    await cluster.register(nickname)
    return [nickname, await cluster.up(nickname, { share })]
  }
  const peers = new Map(await Promise.all(names.map(start)))
  return { ...cluster, share, sha256, peer: (name: string): ClusterPeer => peers.get(name)! }
}

const keyOf = ({ home }: ClusterPeer): string => parseMetadata(readFileSync(join(home, 'metadata.json'), 'utf8')).pubKey

/** What the receipt store of a peer says, which may be running. */
function readStore<T>(peer: ClusterPeer, read: (store: KeptReceipts) => T): Promise<T> {
  return firstValueFrom(keptReceipts$(receiptsPath(peer.home), keyOf(peer)).pipe(map(store => read(store!))))
}

const filmOf = ({ proxy }: ClusterPeer, nickname: string): string => `${proxy}proxy/${nickname}/film.bin`

/** What was transferred in the ledger, and that it agrees with the wallets. */
async function transferred(hubUrl: string): Promise<number> {
  const blocks = await ledger(hubUrl)
  return blocks.filter(({ kind }) => kind === 'transfer').reduce((sum, { bytes }) => sum + bytes, 0)
}

it.concurrent('move while a film is watched, on both sides, to the last byte', async () => {
  const { peer, hubUrl, sha256, stop } = await stage(['alice', 'bob'], 100, 24_000_000)
  const [alice, bob] = [peer('alice'), peer('bob')]
  const spent = streamedCoins(alice, bytes => bytes <= 76 * coin)
  const earned = streamedCoins(bob, bytes => bytes >= 124 * coin)
  const opened = await open(filmOf(alice, 'bob'))
  const rest = receive(opened)
  // While it flows.
  await alice.program.line(({ type, bytes }) => type === 'coins' && Number(bytes) < 100 * coin)
  await bob.program.line(({ type, bytes }) => type === 'coins' && Number(bytes) > 100 * coin)
  expect(await rest).toMatchObject({ bytes: 24_000_000, sha256 })
  // The film and the headers of its answer.
  const paid =
    100 * coin -
    (await until(
      () => coinsOf(alice),
      bytes => bytes <= 76 * coin,
    ))
  expect(paid).toBeLessThan(24_010_000)
  expect(
    await until(
      () => coinsOf(bob),
      bytes => bytes === 100 * coin + paid,
    ),
  ).toBe(100 * coin + paid)
  expect(await transferred(hubUrl)).toBe(paid)
  expect([await spent, await earned]).toEqual([100 * coin - paid, 100 * coin + paid])
  expect([await printedCoins(alice), await printedCoins(bob)]).toEqual([100 * coin - paid, 100 * coin + paid])
  await stop()
})

it.concurrent(
  'run out: what runs is held and then broken, what is new is refused in words, and who has none still earns',
  async () => {
    const { peer, hubUrl, stop } = await stage(['alice', 'bob', 'carol'], 4, 16_000_000)
    const alice = peer('alice')
    await expect(download(filmOf(alice, 'bob'))).rejects.toThrow(broken)
    expect(await coinsOf(alice)).toBe(0)
    expect(await transferred(hubUrl)).toBe(4 * coin)
    const refused = await readText(filmOf(alice, 'bob'), { headers: { accept: 'text/html' } })
    expect(refused.status).toBe(402)
    expect(refused.text).toMatch(/Out of coins/)
    expect(refused.text).toMatch(/One coin buys one megabyte/)
    expect(refused.text).toMatch(/Serve others to earn/)
    // Carol spends what she has at alice's, who pays bob at once what she still owes him: she got a megabyte on credit.
    await expect(download(filmOf(peer('carol'), 'alice'))).rejects.toThrow(broken)
    expect(
      await until(
        () => coinsOf(peer('bob')),
        bytes => bytes > 8.9 * coin,
      ),
    ).toBeLessThan(9.1 * coin)
    expect(
      await until(
        () => coinsOf(alice),
        bytes => bytes > 2.9 * coin,
      ),
    ).toBeLessThan(3.1 * coin)
    await stop()
  },
)

it.concurrent('that arrive let go on what was held', async () => {
  const { peer, sha256, stop } = await stage(['alice', 'bob', 'carol'], 6, 9_000_000)
  const alice = peer('alice')
  const film = download(filmOf(alice, 'bob'))
  film.catch(() => undefined)
  await until(
    () => coinsOf(alice),
    bytes => bytes === 0,
  )
  const song = download(filmOf(peer('carol'), 'alice'))
  song.catch(() => undefined)
  expect(await film).toMatchObject({ status: 200, bytes: 9_000_000, sha256 })
  await stop()
  await expect(song).rejects.toThrow()
})

it.concurrent(
  'are paid to the last byte when hub and consumer are killed: the seeder settles what it holds',
  async () => {
    const filmBytes = 128_000_000
    const { peer, hub, hubUrl, hubFile, restartHub, stop } = await stage(['alice', 'bob'], 200, filmBytes)
    const [alice, bob] = [peer('alice'), peer('bob')]
    const opened = await open(filmOf(alice, 'bob'))
    const rest = receive(opened)
    rest.catch(() => undefined)
    await bob.program.line(({ type, bytes }) => type === 'coins' && Number(bytes) > 210 * coin)
    await hub().kill()
    // On credit from now on: it is held when alice owes as much as she has paid.
    const received = await receivedWhenHeld(bob, alice, filmBytes)
    await alice.program.kill()
    await restartHub()
    await expect(rest).rejects.toThrow(broken)
    const settled = await until(
      () => transferred(hubUrl),
      bytes => bytes >= received,
    )
    expect(settled).toBe(received)
    expect(
      await until(
        () => coinsOf(bob),
        bytes => bytes === 200 * coin + settled,
      ),
    ).toBeGreaterThan(210 * coin)
    const blocks = (await ledger(hubUrl)).length
    expect(await verifiedBlocks(hubUrl)).toBe(blocks)
    await hub().kill()
    expect(await verifiedBlocks(hubFile)).toBe(blocks)
    await stop()
  },
)

it.concurrent(
  'wait for a hub that is away when no more may be owed, and the film goes on when it is back',
  async () => {
    const filmBytes = 128_000_000
    const { peer, hub, hubUrl, hubFile, restartHub, sha256, stop } = await stage(['alice', 'bob'], 200, filmBytes)
    const [alice, bob] = [peer('alice'), peer('bob')]
    const film = download(filmOf(alice, 'bob'))
    await bob.program.line(({ type, bytes }) => type === 'coins' && Number(bytes) > 210 * coin)
    await hub().kill()
    const held = await receivedWhenHeld(bob, alice, filmBytes)
    // Longer than a seeder waits for a consumer that does not pay: nobody can pay now.
    const state$ = merge(
      timer(21_000).pipe(map(() => 'held')),
      film.then(() => 'over'),
    )
    expect(await firstValueFrom(state$)).toBe('held')
    expect((await bob.stats()).connections).toMatchObject([{ sentBytes: held }])
    await restartHub()
    expect(await film).toMatchObject({ bytes: filmBytes, sha256 })
    await until(
      () => transferred(hubUrl),
      bytes => bytes >= filmBytes,
    )
    await hub().kill()
    expect(await verifiedBlocks(hubFile)).toBeGreaterThan(2)
    await stop()
  },
)

// Not beside the others: the store is read in this process, and its library can be loaded only within a test.
it('that a seeder was paid while it was away are in its store when it is back, also without a receipt', async () => {
  const filmBytes = 32_000_000
  const { peer, hubUrl, share, up, sha256, stop } = await stage(['alice', 'bob'], 200, filmBytes)
  const [alice, bob] = [peer('alice'), peer('bob')]
  const opened = await open(filmOf(alice, 'bob'))
  // Before a receipt has reached him.
  process.kill(bob.program.pid, 'SIGSTOP')
  const rest = receive(opened)
  rest.catch(() => undefined)
  await alice.program.line(({ type, bytes }) => type === 'coins' && Number(bytes) < 200 * coin)
  await bob.program.kill()
  await expect(rest).rejects.toThrow(broken)
  // What her client got alice has signed for and paid.
  const paid = await until(
    () => readStore(alice, store => (store.due(1).length > 0 ? 0 : store.signedFor(keyOf(bob)))),
    bytes => bytes > 0,
  )
  expect(await transferred(hubUrl)).toBe(paid)
  const paidToBob = (): Promise<number> => readStore(bob, store => store.account(keyOf(alice)).paidBytes)
  expect(await paidToBob()).toBeLessThan(paid)
  await up('bob', { share })
  await until(paidToBob, bytes => bytes === paid)
  expect(await download(filmOf(alice, 'bob'))).toMatchObject({ bytes: filmBytes, sha256 })
  await stop()
})
