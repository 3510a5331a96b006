import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from 'pg'
import { firstValueFrom, ReplaySubject } from 'rxjs'
import { run } from '../../src/cli/program.js'
import { blockHash } from '../../src/hub/adapters/store/block-hash.js'
import { postgresStore$ } from '../../src/hub/adapters/store/postgres-store.js'
import type { HubStore } from '../../src/hub/ports/store.js'
import { namedBy, newKeys, signReceipt } from '../support/ledger.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { describeIf } from '../support/requires.js'
import { fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()

describeIf(postgresAvailable(), POSTGRES_REASON)('ledger verify of a PostgreSQL database', () => {
  let cluster: PostgresCluster
  beforeAll(async () => {
    cluster = await startPostgres()
  })
  afterAll(() => cluster.remove())

  it('is right beside a running hub, and finds what was changed', async () => {
    const url = await cluster.createDatabase()
    const store$ = new ReplaySubject<HubStore>(1)
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const hub = postgresStore$(url, blockHash, quiet).subscribe(store$)
    const store = await firstValueFrom(store$)
    const { pubKey: hub_key } = await store.keyPair(newKeys)
    const [a, b] = [newKeys(), newKeys()]
    await store.register({ ...namedBy('a', a), grantBytes: 1_000_000, timeMs: 1_764_000_000_000 })
    await store.register({ ...namedBy('b', b), grantBytes: 1_000_000, timeMs: 1_764_000_000_000 })
    const parties = { session: 'session-of-a-and-b', consumer: a.pubKey, seeder: b.pubKey }
    await store.recordOffer({ ...parties, timeMs: 1_764_000_000_001 })
    await store.recordAnswer({ ...parties, timeMs: 1_764_000_000_001 })
    await store.settle([signReceipt({ hub_key, ...parties, bytes: 10 }, a)], 1_764_000_000_002)

    const io = fakeIo(temporary())
    expect(await run(['ledger', 'verify', url], io)).toBe(0)
    expect(io.out()).toContain('3 blocks')
    expect(io.out()).not.toContain(url)
    expect(await run(['ledger', 'export', url, '-o', 'ledger.ndjson'], io)).toBe(0)
    expect(await run(['ledger', 'verify', 'ledger.ndjson'], io)).toBe(0)

    const client = new Client({ connectionString: url })
    await client.connect()
    await client.query(`ALTER TABLE blocks DISABLE TRIGGER USER; UPDATE blocks SET time = time + 1 WHERE seq = 2`)
    const found = fakeIo(temporary())
    expect(await run(['ledger', 'verify', url], found)).toBe(7)
    expect(found.err()).toMatch(/ledger block 2: its hash/)
    await client.end()
    hub.unsubscribe()
    expect(await run(['ledger', 'verify', 'postgres://nobody@127.0.0.1:1/none'], fakeIo(temporary()))).toBe(1)
  })
})
