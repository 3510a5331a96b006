/**
 * Hubs that are killed with kill -9 while coins move. Whatever they told anybody is in their ledger afterwards, and what they
 * had no time to tell is settled after the restart.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { firstValueFrom, timer } from 'rxjs'
import { random } from '../support/random.js'
import { type CliProgram, clusters, startHub } from '../support/cluster.node.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { describeIf } from '../support/requires.js'
import { printedSeed } from '../support/seed.js'
import { sized } from '../support/sized.js'
import { open, readOn, receive } from '../support/transfer.node.js'
import { startFilmPair } from './support/film-pair.js'
import { LedgerReader } from './support/ledger-reader.js'
import { receivedBy } from './support/received.js'
import { mustBeSettledInFull } from './support/settled-in-full.js'
import { SettlementLoad } from './support/settlement-load.js'
import { verifiedBlocks } from './support/verified-ledger.js'

const parties = 8
/** Receipts that are acknowledged at most before the hub is killed. */
const maxReceipts = 300
/** Longer than a batch is gathered and written. */
const maxPauseMs = 10
/** Several times what all kills and restarts take on a machine with nothing else to do. */
const limitMs = sized(300_000, 1_200_000)
/** Of each of two hubs on SQLite, of the one on PostgreSQL, and in a download. */
const [sqliteKills, postgresKills, downloadKills] = [sized(6, 20), sized(3, 10), sized(2, 4)]

const folder = mkdtempSync(join(tmpdir(), 'lighthouse-kills-'))
const hubs = new Set<CliProgram>()
const startCluster = clusters()
afterAll(async () => {
  await Promise.all([...hubs].map(hub => hub.end('SIGKILL')))
  rmSync(folder, { recursive: true, force: true })
})

/** At any point of a batch, not just after an acknowledgement. */
function randomMoment(draw: () => number): Promise<unknown> {
  return firstValueFrom(timer(draw() * maxPauseMs))
}

/**
 * Loads a hub, kills it so many times at random moments, and holds its ledger against all that it told. Resolves with how
 * many receipts were on their way when it was killed, over all kills.
 */
async function killed(kills: number, name: string, database?: string): Promise<number> {
  const home = join(folder, name)
  const options = database === undefined ? [] : ['--database', database]
  const draw = random(printedSeed(`kills of ${name} hub`))
  const start = async (port: number): Promise<readonly [CliProgram, string]> => {
    const started = await startHub(home, port, { options })
    hubs.add(started[0])
    return started
  }
  let [hub, hubUrl] = await start(0)
  const load = await SettlementLoad.create([hubUrl], parties, draw)
  const ledger = new LedgerReader()
  let [checked, cut] = [0, 0]

  await load.signIn([hubUrl])
  for (let kill = 0; kill < kills; kill += 1) {
    const running = load.run()
    await load.moreAcknowledged(1 + Math.floor(draw() * maxReceipts), running)
    await randomMoment(draw)
    await hub.kill()
    hubs.delete(hub)
    await running
    ;[hub, hubUrl] = await start(Number(new URL(hubUrl).port))
    // The reader goes on where it was: what it has seen cannot have changed either.
    await ledger.read(hubUrl)
    for (const settlement of load.told.slice(checked)) ledger.mustHold(settlement)
    checked = load.told.length
    cut += load.unanswered.length
    await load.signIn([hubUrl])
    await load.settleRest()
  }
  const { seq } = await mustBeSettledInFull(load, hubUrl)
  expect(await verifiedBlocks(hubUrl)).toBe(seq)
  load.close()
  await hub.kill()
  hubs.delete(hub)
  // As the last kill left it.
  expect(await verifiedBlocks(database ?? `sqlite:${join(home, 'hub.db')}`)).toBe(seq)
  return cut
}

// Two at a time: while one hub starts the other one works.
it.concurrent.each(['one', 'another'])(
  `%s hub on SQLite, killed ${sqliteKills} times during settlements, keeps what it acknowledged and settles the rest`,
  async name => {
    expect(await killed(sqliteKills, name)).toBeGreaterThan(sqliteKills)
  },
  limitMs,
)

describeIf(postgresAvailable(), POSTGRES_REASON)('on PostgreSQL', () => {
  let postgres: PostgresCluster | undefined
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres?.remove())

  it(
    `a hub, killed ${postgresKills} times during settlements, keeps what it acknowledged and settles the rest`,
    async () => {
      const database = await postgres!.createDatabase()
      expect(await killed(postgresKills, 'a PostgreSQL', database)).toBeGreaterThan(postgresKills)
    },
    limitMs,
  )
})

it(
  `peers download through ${downloadKills} kills of their hub, and it is paid to the last byte`,
  async () => {
    const [filmBytes, grantBytes] = [24_000_000 * downloadKills, 1_000_000_000]
    const draw = random(printedSeed('kills in a download'))
    const cluster = await startCluster({}, { coins: 1_000 })
    const { alice, bob, sha256, url } = await startFilmPair(cluster, filmBytes)
    const opened = await open(url)
    const film = receive(opened)
    film.catch(() => undefined)
    const earned = (): number => Number(bob.program.lines(({ type }) => type === 'coins').at(-1)?.bytes ?? grantBytes)
    for (let kill = 0; kill < downloadKills; kill += 1) {
      const before = earned()
      // Half of what there is for each kill: it cannot be over before the last one.
      const held = readOn(opened, 12_000_000)
      await bob.program.line(({ type, bytes }) => type === 'coins' && Number(bytes) > before + 1_000_000)
      const signIns = [alice.signIns(), bob.signIns()]
      await randomMoment(draw)
      await cluster.hub().kill()
      await cluster.restartHub()
      await Promise.all([
        alice.until(() => alice.signIns() > signIns[0]!),
        bob.until(() => bob.signIns() > signIns[1]!),
      ])
      await held
    }
    opened.message.resume()
    expect(await film).toEqual({ bytes: filmBytes, sha256 })
    const received = await receivedBy(alice, filmBytes)
    const ledger = new LedgerReader()
    expect(await ledger.readUntil(cluster.hubUrl, received)).toBe(received)
    await Promise.all([
      alice.until(({ coins }) => coins === grantBytes - received),
      bob.until(({ coins }) => coins === grantBytes + received),
    ])
    // Nothing of it looks like a hub that cheats.
    for (const { program } of [alice, bob]) expect(program.lines(({ type }) => type === 'evidence')).toEqual([])
    expect(await verifiedBlocks(cluster.hubUrl)).toBe(ledger.seq)
    await cluster.hub().kill()
    expect(await verifiedBlocks(cluster.hubFile)).toBe(ledger.seq)
    await cluster.stop()
  },
  limitMs,
)
