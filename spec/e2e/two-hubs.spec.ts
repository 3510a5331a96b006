/**
 * Several processes of one hub, on one PostgreSQL and one Redis, and what is left when some of them are killed.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { random } from '../support/random.js'
import { type CliProgram, type ClusterPeer, clusters, startHub } from '../support/cluster.node.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { type RedisServer, REDIS_REASON, startRedis } from '../support/redis.node.js'
import { describeIf, findRedis } from '../support/requires.js'
import { printedSeed } from '../support/seed.js'
import { open, readOn, readText, receive, writePattern } from '../support/transfer.node.js'
import { LedgerReader } from './support/ledger-reader.js'
import { receivedBy } from './support/received.js'
import { mustBeSettledInFull } from './support/settled-in-full.js'
import { SettlementLoad } from './support/settlement-load.js'
import { verifiedBlocks } from './support/verified-ledger.js'
import { type Forwarder, forwarder } from './support/tcp-forwarder.node.js'

const filmBytes = 48_000_000
const grantBytes = 1_000_000_000
const coins = grantBytes / 1_000_000

/** Peers that are signed in at this process. */
async function signedIn(hubUrl: string): Promise<number> {
  const { text } = await readText(`${hubUrl}/metrics`)
  return Number(/^lighthouse_hub_signed_in_peers (\d+)$/m.exec(text)?.[1])
}

/** The peer finds its hub there from now on. */
function moveTo(home: string, host: string): void {
  const path = join(home, 'metadata.json')
  const metadata = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...metadata, host }), { mode: 0o600 })
}

const needs = `${POSTGRES_REASON}, and ${REDIS_REASON}`

describeIf(postgresAvailable() && findRedis() !== undefined, needs)(
  'hub processes on one PostgreSQL and one Redis',
  () => {
    let [postgres, redis]: [PostgresCluster?, RedisServer?] = []
    const folder = mkdtempSync(join(tmpdir(), 'lighthouse-hubs-'))
    const hubs = new Set<CliProgram>()
    const forwarders = new Set<Forwarder>()
    const startCluster = clusters()
    beforeAll(async () => {
      ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
    })
    afterAll(async () => {
      await Promise.all([...hubs].map(hub => hub.end('SIGKILL')))
      await Promise.all([...forwarders].map(each => each.close()))
      await Promise.all([postgres?.remove(), redis?.remove()])
      rmSync(folder, { recursive: true, force: true })
    })

    const shared = async (): Promise<readonly string[]> => [
      '--database',
      await postgres!.createDatabase(),
      '--redis',
      redis!.url,
    ]
    async function start(name: string, options: readonly string[], port = 0): Promise<readonly [CliProgram, string]> {
      const started = await startHub(join(folder, name), port, { coins, options })
      hubs.add(started[0])
      return started
    }

    /** Alice at the first process and bob at the second, each behind an address that leads to the other one when it must. */
    async function stage() {
      const options = await shared()
      const cluster = await startCluster({}, { coins, options })
      const [two, twoUrl] = await start('two', options)
      const urls = [cluster.hubUrl, twoUrl]
      const share = join(cluster.folder, 'share')
      mkdirSync(share)
      const sha256 = writePattern(join(share, 'film.bin'), filmBytes)
      const up = async (nickname: string, order: readonly string[]): Promise<ClusterPeer> => {
        const front = await forwarder(order)
        forwarders.add(front)
        moveTo(await cluster.register(nickname), front.url)
        return cluster.up(nickname, { share })
      }
      const [alice, bob] = await Promise.all([up('alice', urls), up('bob', urls.toReversed())])
      expect(await Promise.all(urls.map(signedIn))).toEqual([1, 1])
      return { ...cluster, sha256, alice, bob, urls, programs: [cluster.hub(), two], database: options[1]! }
    }

    it.each([
      ['consumer', 0],
      ['seeder', 1],
    ] as const)(
      'one that is killed in a download loses nothing: its %s signs in at the other one',
      async (_role, gone) => {
        const { alice, bob, sha256, urls, programs, database, stop } = await stage()
        const left = urls[1 - gone]!
        const mover = [alice, bob][gone]!
        const opened = await open(`${alice.proxy}proxy/bob/film.bin`)
        const film = receive(opened)
        film.catch(() => undefined)
        await readOn(opened, 8_000_000)
        await bob.program.line(({ type, bytes }) => type === 'coins' && Number(bytes) > grantBytes + 5_000_000)
        await programs[gone]!.kill()
        await mover.until(() => mover.signIns() === 2)
        expect(await signedIn(left)).toBe(2)
        const ledger = new LedgerReader()
        await ledger.read(left)
        // Most of it is still to come, and is paid there.
        expect(ledger.transferredBytes).toBeLessThan(filmBytes / 2)
        opened.message.resume()
        expect(await film).toEqual({ bytes: filmBytes, sha256 })
        const received = await receivedBy(alice, filmBytes)
        expect(await ledger.readUntil(left, received)).toBe(received)
        await Promise.all([
          alice.until(stats => stats.coins === grantBytes - received),
          bob.until(stats => stats.coins === grantBytes + received),
        ])
        // Nobody had to sign in again but who was there.
        expect([alice.signIns(), bob.signIns()].toSorted()).toEqual([1, 2])
        // Nothing of it looks like a hub that cheats.
        for (const { program } of [alice, bob]) expect(program.lines(({ type }) => type === 'evidence')).toEqual([])
        expect(await verifiedBlocks(left)).toBe(ledger.seq)
        expect(await verifiedBlocks(database)).toBe(ledger.seq)
        await stop()
      },
    )

    it('three that append at once make one chain with right sums, also when they are killed one by one', async () => {
      const options = await shared()
      const names = ['first', 'second', 'third']
      const started = await Promise.all(names.map(name => start(name, options)))
      const urls = started.map(([, url]) => url)
      const load = await SettlementLoad.create(urls, 9, random(printedSeed('three hub processes')))
      await load.signIn(urls)
      const running = load.run()
      for (const [hub] of started) {
        await load.moreAcknowledged(400, running)
        await hub.kill()
      }
      await running
      const again = await Promise.all(
        names.map((name, index) => start(name, options, Number(new URL(urls[index]!).port))),
      )
      await load.signIn(urls)
      await load.settleRest()
      const { seq } = await mustBeSettledInFull(load, urls[1]!)
      expect(seq).toBeGreaterThan(300)
      expect(await verifiedBlocks(urls[1]!)).toBe(seq)
      expect(await verifiedBlocks(options[1]!)).toBe(seq)
      load.close()
      await Promise.all(again.map(([hub]) => hub.end('SIGKILL')))
    })
  },
)
