import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Client } from 'pg'
import { defer, firstValueFrom, ReplaySubject, type Subscription, switchMap } from 'rxjs'
import { blockHash } from '../../../../src/hub/adapters/store/block-hash.js'
import { lockChain } from '../../../../src/hub/adapters/store/postgres-schema.js'
import { postgresStore$ } from '../../../../src/hub/adapters/store/postgres-store.js'
import type { HubStore } from '../../../../src/hub/ports/store.js'
import type { SessionParties } from '../../../../src/hub/protocol/settlement/settlement.js'
import {
  type PostgresCluster,
  POSTGRES_REASON,
  postgresAvailable,
  startPostgres,
} from '../../../support/postgres.node.js'
import { describeIf } from '../../../support/requires.js'
import { receiptOf, someSignature } from '../../store-model.js'
import { describeHubStore, verifyAll } from '../../store.contract.js'
import { cleanup, newAccount } from '../../support.js'

const quiet = { warn: () => undefined }
const timeMs = 1_700_000_000_000
const signature = someSignature

/** A store as one hub process has it. Closed when the test ends. */
async function openStore(
  url: string,
  logger: Parameters<typeof postgresStore$>[2] = quiet,
): Promise<{ readonly store: HubStore; readonly subscription: Subscription }> {
  const opened$ = new ReplaySubject<HubStore>(1)
  const subscription = postgresStore$(url, blockHash, logger).subscribe(opened$)
  cleanup(() => subscription.unsubscribe())
  return { store: await firstValueFrom(opened$), subscription }
}

/** What another program does to the database. */
async function execute(url: string, ...statements: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    let rows: readonly Record<string, unknown>[] = []
    for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement))
    return rows
  } finally {
    await client.end()
  }
}

async function registered(store: HubStore, nickname: string, grantBytes = 1_000): Promise<string> {
  const { pubKey } = newAccount(nickname)
  const result = await store.register({ nickname, pubKey, signature, grantBytes, timeMs })
  expect(result.type).toBe('registered')
  return pubKey
}

async function sessionBetween(store: HubStore, grantBytes?: number): Promise<SessionParties> {
  const consumer = await registered(store, 'alice', grantBytes)
  const seeder = await registered(store, 'bob', grantBytes)
  const parties = { session: 'session-0000000001', consumer, seeder }
  await store.recordOffer({ ...parties, timeMs })
  await store.recordAnswer({ ...parties, timeMs })
  return parties
}

describeIf(postgresAvailable(), POSTGRES_REASON)('PostgreSQL', () => {
  let cluster: PostgresCluster
  beforeAll(async () => (cluster = await startPostgres()))
  afterAll(() => cluster.remove())

  describeHubStore('A PostgreSQL database', () =>
    defer(() => cluster.createDatabase()).pipe(switchMap(url => postgresStore$(url, blockHash, quiet))),
  )

  describe('several processes on one database', () => {
    it('may start at once on an empty one, and have one key pair', async () => {
      const url = await cluster.createDatabase()
      const stores = await Promise.all(Array.from({ length: 6 }, () => openStore(url)))
      const pairs = await Promise.all(stores.map(({ store }) => store.keyPair(() => newAccount('hub'))))
      expect(new Set(pairs.map(({ pubKey }) => pubKey)).size).toBe(1)
      expect(new Set(pairs.map(({ privKey }) => privKey)).size).toBe(1)
    })

    it('keep one chain, and pay each byte once', async () => {
      const url = await cluster.createDatabase()
      const stores = (await Promise.all([1, 2, 3].map(() => openStore(url)))).map(({ store }) => store)
      const parties = await sessionBetween(stores[0]!)
      const work = stores.flatMap((store, which) =>
        Array.from({ length: 20 }, async (_, index) => {
          const { pubKey } = newAccount('x')
          const nickname = `${'abc'[which]}${'abcdefghijklmnopqrst'[index]}`
          await store.register({ nickname, pubKey, signature, grantBytes: 10, timeMs })
          return store.settle([receiptOf(parties, 3 * index + 1 + which)], timeMs)
        }),
      )
      await Promise.all(work)
      const lines = await stores[1]!.blocksAfter(0, 1_000)
      expect(verifyAll(lines)).toEqual(await stores[2]!.head())
      expect(lines.filter(({ kind }) => kind === 'grant')).toHaveLength(62)
      expect(await stores[2]!.balance(parties.consumer)).toBe(940)
      expect(await stores[0]!.balance(parties.seeder)).toBe(1_060)
    })

    it('let one of them have a name or an invite that all want', async () => {
      const url = await cluster.createDatabase()
      const stores = (await Promise.all([1, 2, 3].map(() => openStore(url)))).map(({ store }) => store)
      await stores[0]!.addInvite({ codeHash: 'code', timeMs })
      const named = stores.map(store =>
        store.register({ nickname: 'alice', pubKey: newAccount('x').pubKey, signature, grantBytes: 1, timeMs }),
      )
      expect((await Promise.all(named)).filter(({ type }) => type === 'registered')).toHaveLength(1)
      const invited = stores.map((store, index) =>
        store.register({
          nickname: 'bcd'[index]!,
          pubKey: newAccount('x').pubKey,
          signature,
          grantBytes: 1,
          timeMs,
          inviteHash: 'code',
        }),
      )
      expect((await Promise.all(invited)).map(({ type }) => type).toSorted()).toEqual([
        'refused',
        'refused',
        'registered',
      ])
    })
  })

  describe('a server that goes away', () => {
    it('is reported, and used again by itself when it is back', async () => {
      const url = await cluster.createDatabase()
      const said: string[] = []
      const { store } = await openStore(url, { warn: (_fields, message) => said.push(message) })
      const parties = await sessionBetween(store)
      await cluster.stop()
      const failure = { code: 'store-failed', message: expect.stringContaining('PostgreSQL database cannot be read') }
      await expect(store.check()).rejects.toMatchObject(failure)
      await expect(store.settle([receiptOf(parties, 5)], timeMs)).rejects.toMatchObject(failure)
      await expect(store.balance(parties.seeder)).rejects.toMatchObject(failure)
      await cluster.start()
      await store.check()
      expect(await store.settle([receiptOf(parties, 5)], timeMs)).toMatchObject([{ moved: true }])
      expect(new Set(said)).toEqual(new Set(['a connection to the database was lost']))
    })

    it('keeps all that was acknowledged when it crashes under load', async () => {
      const url = await cluster.createDatabase()
      const { store } = await openStore(url)
      const parties = await sessionBetween(store)
      let acknowledged = 0
      let isOver = false
      const settling = async (): Promise<void> => {
        for (let bytes = 1; !isOver; bytes += 1) {
          await store.settle([receiptOf(parties, bytes)], timeMs)
          acknowledged = bytes
          if (bytes === 50) void cluster.kill()
        }
      }
      await expect(settling()).rejects.toMatchObject({ code: 'store-failed' })
      isOver = true
      expect(acknowledged).toBeGreaterThanOrEqual(50)
      await cluster.start()
      const lines = await store.blocksAfter(0, 10_000)
      expect(verifyAll(lines)).toEqual(await store.head())
      const [again] = await store.settle([receiptOf(parties, acknowledged)], timeMs)
      expect(again).toMatchObject({ type: 'settled', moved: false })
      const kept = (await store.balance(parties.seeder))! - 1_000
      // The last one may have been kept although nobody could be told.
      expect([acknowledged, acknowledged + 1]).toContain(kept)
      expect(await store.balance(parties.consumer)).toBe(1_000 - kept)
    })

    it('is not waited for when it says nothing', async () => {
      const { store } = await openStore(await cluster.createDatabase())
      await store.check()
      cluster.freeze()
      try {
        await expect(store.check()).rejects.toMatchObject({ code: 'store-failed' })
      } finally {
        cluster.thaw()
      }
      await store.check()
    })

    it('is refused in the beginning with what is wrong', async () => {
      const failure = firstValueFrom(postgresStore$('postgres://nobody@127.0.0.1:1/none', blockHash, quiet))
      await expect(failure).rejects.toMatchObject({
        code: 'store-failed',
        message: expect.stringContaining('ECONNREFUSED'),
      })
    })

    it('is not taken for one that can be written when it cannot', async () => {
      const url = await cluster.createDatabase()
      const first = await openStore(url)
      await execute(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`)
      first.subscription.unsubscribe()
      const { store } = await openStore(url)
      await expect(store.check()).rejects.toMatchObject({ message: expect.stringContaining('not written') })
    })
  })

  describe('a chain that somebody else has locked', () => {
    it('can be read and not probed until it is let go of', async () => {
      const url = await cluster.createDatabase()
      const { store } = await openStore(url)
      const client = new Client({ connectionString: url })
      await client.connect()
      try {
        await client.query(`BEGIN; ${lockChain}`)
        let isProbed = false
        const probed = store.probe(1).then(() => (isProbed = true))
        await store.check()
        expect(isProbed).toBe(false)
        await client.query('COMMIT')
        await probed
      } finally {
        await client.end()
      }
    })
  })

  describe('the database of a hub', () => {
    it('keeps names, coins, sessions, invites and the key from one run to the next', async () => {
      const url = await cluster.createDatabase()
      const first = await openStore(url)
      const pair = await first.store.keyPair(() => newAccount('hub'))
      const parties = await sessionBetween(first.store)
      const [settled] = await first.store.settle([receiptOf(parties, 5)], timeMs)
      await first.store.addInvite({ codeHash: 'code', timeMs })
      first.subscription.unsubscribe()
      const { store } = await openStore(url)
      expect(await store.keyPair(() => newAccount('other'))).toEqual(pair)
      expect(await store.resolve('alice')).toBe(parties.consumer)
      expect(await store.settle([receiptOf(parties, 5)], timeMs)).toEqual([{ ...settled, moved: false }])
      expect(await store.openInvites()).toBe(1)
    })

    it('lets go of its connections', async () => {
      const url = await cluster.createDatabase()
      const { store, subscription } = await openStore(url)
      await Promise.all([store.check(), sessionBetween(store)])
      const others = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
      expect((await execute(url, others)).length).toBeGreaterThan(0)
      subscription.unsubscribe()
      // The server notices when it does; what is asked here is that it comes to none.
      while ((await execute(url, others)).length > 0);
    })

    it('is not rewritten by accident', async () => {
      const url = await cluster.createDatabase()
      const { store } = await openStore(url)
      await registered(store, 'alice')
      for (const statement of ['UPDATE blocks SET bytes = 7', 'DELETE FROM blocks', 'TRUNCATE blocks CASCADE']) {
        await expect(execute(url, statement)).rejects.toThrow(/append-only/)
      }
    })

    it('of the first version keeps what it has, and its new names with their signatures', async () => {
      const url = await cluster.createDatabase()
      const { store: first, subscription } = await openStore(url)
      const parties = await sessionBetween(first)
      subscription.unsubscribe()
      await execute(
        url,
        'DROP TABLE probe',
        'ALTER TABLE names DROP COLUMN signature',
        'DROP INDEX sessions_unsettled',
        'CREATE INDEX sessions_touched ON sessions (touched)',
        'UPDATE schema_version SET version = 1',
      )
      const { store } = await openStore(url)
      await registered(store, 'carol')
      expect(await execute(url, 'SELECT nickname, signature FROM names ORDER BY nickname')).toEqual([
        { nickname: 'alice', signature: null },
        { nickname: 'bob', signature: null },
        { nickname: 'carol', signature },
      ])
      expect(await store.settle([receiptOf(parties, 5)], timeMs)).toMatchObject([{ moved: true, bytes: 5 }])
    })

    it('is refused when a newer version made it', async () => {
      const url = await cluster.createDatabase()
      const { subscription } = await openStore(url)
      subscription.unsubscribe()
      await execute(url, 'UPDATE schema_version SET version = 99')
      await expect(firstValueFrom(postgresStore$(url, blockHash, quiet))).rejects.toMatchObject({
        code: 'store-failed',
        message: expect.stringContaining('newer'),
      })
    })

    it('holds numbers up to the safe integers, and leaves the library as others know it', async () => {
      const url = await cluster.createDatabase()
      const { store } = await openStore(url)
      const parties = await sessionBetween(store, 2 ** 52)
      expect(await store.settle([receiptOf(parties, 2 ** 52 - 1)], timeMs)).toMatchObject([
        { consumerBytes: 1, seederBytes: Number.MAX_SAFE_INTEGER },
      ])
      expect(await store.balance(parties.seeder)).toBe(Number.MAX_SAFE_INTEGER)
      expect(await execute(url, 'SELECT 1::bigint AS one')).toEqual([{ one: '1' }])
    })

    it('changes nothing at all when a part of a batch cannot be written', async () => {
      const url = await cluster.createDatabase()
      const { store } = await openStore(url)
      const parties = await sessionBetween(store)
      await execute(url, 'ALTER TABLE wallets ADD CHECK (bytes <> 1007)')
      await expect(store.settle([receiptOf(parties, 7)], timeMs)).rejects.toMatchObject({ code: 'store-failed' })
      expect(await store.head()).toMatchObject({ seq: 2 })
      expect(await store.settle([receiptOf(parties, 8)], timeMs)).toMatchObject([{ moved: true, seq: 3 }])
      expect(verifyAll(await store.blocksAfter(0, 10)).seq).toBe(3)
    })

    it('commits to the disk even where the server would not', async () => {
      const url = await cluster.createDatabase()
      await execute(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`)
      const { store } = await openStore(url)
      await execute(
        url,
        'CREATE TABLE seen (value text)',
        `CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$`,
        'CREATE TRIGGER look AFTER INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION look()',
      )
      await registered(store, 'alice')
      expect(await execute(url, 'SELECT value FROM seen')).toEqual([{ value: 'on' }])
    })
  })

  it('warns of a server that does not sync', async () => {
    const careless = await startPostgres({ fsync: 'off' })
    try {
      const said: string[] = []
      await openStore(await careless.createDatabase(), { warn: (_fields, message) => said.push(message) })
      expect(said).toEqual([expect.stringContaining('fsync=off')])
    } finally {
      await careless.remove()
    }
  })
})
