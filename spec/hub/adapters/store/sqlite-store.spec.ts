import { describe, expect, it } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { loadSqlite } from '../../../../src/adapters/store/sqlite/library.node.js'
import { blockHash } from '../../../../src/hub/adapters/store/block-hash.js'
import { closeStoreFile, openStoreFile } from '../../../../src/hub/adapters/store/sqlite-file.js'
import { sqliteStore$ } from '../../../../src/hub/adapters/store/sqlite-store.js'
import { createHub$ } from '../../../../src/hub/app.js'
import type { HubStore } from '../../../../src/hub/ports/store.js'
import type { SessionParties } from '../../../../src/hub/protocol/settlement/settlement.js'
import { receiptOf, someSignature } from '../../store-model.js'
import { describeHubStore, verifyAll } from '../../store.contract.js'
import { cleanup, newAccount, register, startHub, temporaryFolder } from '../../support.js'

const quiet = { warn: () => undefined }

describeHubStore('SQLite in memory', () => sqliteStore$(':memory:', blockHash, quiet))
describeHubStore('A SQLite file', () => sqliteStore$(join(temporaryFolder(), 'hub.db'), blockHash, quiet))

describe('the file of a hub', () => {
  const modeOf = (path: string): number => statSync(path).mode & 0o777

  it("is its owner's alone, with the log beside it, even when it was not before", async () => {
    const path = join(temporaryFolder(), 'hub.db')
    writeFileSync(path, '')
    chmodSync(path, 0o644)
    const hub = await startHub({ database: `sqlite:${path}` })
    await register(hub, 'alice')
    expect([modeOf(path), modeOf(`${path}-wal`)]).toEqual([0o600, 0o600])
  })

  it('is opened so that a commit is on the disk when it returns, and not in some cache of it', async () => {
    const database = openStoreFile(await loadSqlite(), join(temporaryFolder(), 'hub.db'))
    cleanup(() => closeStoreFile(database))
    const setting = (name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).get() as object)[0]
    const names = ['journal_mode', 'synchronous', 'fullfsync', 'checkpoint_fullfsync', 'locking_mode']
    // 2 is FULL.
    expect(names.map(setting)).toEqual(['wal', 2, 1, 1, 'exclusive'])
  })

  it('keeps names, coins and the hub key from one run to the next', async () => {
    const database = `sqlite:${join(temporaryFolder(), 'hub.db')}`
    const first = await startHub({ database })
    const alice = await register(first, 'alice')
    first.subscription.unsubscribe()
    const second = await startHub({ database })
    expect(second.hubKey).toBe(first.hubKey)
    expect(await (await fetch(`${second.url}/v1/resolve/alice`)).text()).toBe(alice.pubKey)
  })

  it.each([
    ['a folder that is not there', () => join(temporaryFolder(), 'no', 'hub.db')],
    ['a folder', () => temporaryFolder()],
    [
      'no database',
      () => {
        const path = join(temporaryFolder(), 'hub.db')
        writeFileSync(
          path,
          'This is no database, and it is long enough to be seen as such by whoever reads it.'.repeat(20),
        )
        return path
      },
    ],
  ])('refuses %s with store-failed', async (_name, path) => {
    const failure = firstValueFrom(createHub$({ port: 0, database: `sqlite:${path()}` }))
    await expect(failure).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining('cannot be opened'),
    })
  })

  it('refuses a second hub on the same file, and leaves the first alone', async () => {
    const database = `sqlite:${join(temporaryFolder(), 'hub.db')}`
    const first = await startHub({ database })
    const second = firstValueFrom(createHub$({ port: 0, database }))
    await expect(second).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining('no other hub'),
    })
    await register(first, 'alice')
  })

  it('refuses it also when the first keeps no reference to its store, and garbage was collected', async () => {
    const path = join(temporaryFolder(), 'hub.db')
    const script = fileURLToPath(new URL('./sqlite-store.process.js', import.meta.url))
    const child = spawn(process.execPath, ['--expose-gc', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    cleanup(() => child.kill('SIGKILL'))
    await once(createInterface({ input: child.stdout }), 'line')
    const second = firstValueFrom(sqliteStore$(path, blockHash, quiet))
    await expect(second).rejects.toMatchObject({ message: expect.stringContaining('no other hub') })
    child.kill('SIGKILL')
    await once(child, 'close')
    await firstValueFrom(sqliteStore$(path, blockHash, quiet))
  })

  async function tampered(sql: string): Promise<string> {
    const path = join(temporaryFolder(), 'hub.db')
    const hub = await startHub({ database: `sqlite:${path}` })
    for (const name of ['alice', 'bob', 'carol']) await register(hub, name)
    hub.subscription.unsubscribe()
    const { DatabaseSync } = await loadSqlite()
    const database = new DatabaseSync(path)
    database.exec(`DROP TRIGGER blocks_keep; DROP TRIGGER blocks_stay; ${sql}`)
    database.close()
    return `sqlite:${path}`
  }

  it.each([
    ['more coins', 'UPDATE blocks SET bytes = bytes + 1 WHERE seq = 3'],
    ['another hash', `UPDATE blocks SET hash = '${'0'.repeat(128)}' WHERE seq = 3`],
    ['another predecessor', `UPDATE blocks SET prev_hash = '${'0'.repeat(128)}' WHERE seq = 3`],
    ['a hole', 'DELETE FROM blocks WHERE seq = 2'],
  ])('refuses a ledger whose end has %s', async (_name, sql) => {
    const failure = firstValueFrom(createHub$({ port: 0, database: await tampered(sql) }))
    await expect(failure).rejects.toMatchObject({ code: 'store-failed', message: expect.stringMatching(/damaged/) })
  })

  it('refuses a schema of a newer version', async () => {
    const database = await tampered('PRAGMA user_version = 99')
    await expect(firstValueFrom(createHub$({ port: 0, database }))).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining('newer'),
    })
  })

  it('does not let anybody rewrite the ledger by accident', async () => {
    const path = join(temporaryFolder(), 'hub.db')
    const hub = await startHub({ database: `sqlite:${path}` })
    await register(hub, 'alice')
    hub.subscription.unsubscribe()
    const { DatabaseSync } = await loadSqlite()
    const database = new DatabaseSync(path)
    cleanup(() => database.close())
    expect(() => database.exec('UPDATE blocks SET bytes = 7')).toThrow(/append-only/)
    expect(() => database.exec('DELETE FROM blocks')).toThrow(/append-only/)
  })
})

describe('a settlement in a SQLite file', () => {
  const timeMs = 1_700_000_000_000
  const signature = someSignature

  async function openStore(path: string): Promise<{ store: HubStore; subscription: Subscription }> {
    const opened$ = new ReplaySubject<HubStore>(1)
    const subscription = sqliteStore$(path, blockHash, quiet).subscribe(opened$)
    cleanup(() => subscription.unsubscribe())
    return { store: await firstValueFrom(opened$), subscription }
  }

  async function sessionBetween(store: HubStore): Promise<SessionParties> {
    const [consumer, seeder] = [newAccount('alice').pubKey, newAccount('bob').pubKey]
    await store.register({ nickname: 'alice', pubKey: consumer, signature, grantBytes: 1_000, timeMs })
    await store.register({ nickname: 'bob', pubKey: seeder, signature, grantBytes: 1_000, timeMs })
    const parties = { session: 'session-0000000001', consumer, seeder }
    await store.recordOffer({ ...parties, timeMs })
    await store.recordAnswer({ ...parties, timeMs })
    return parties
  }

  async function change(path: string, sql: string): Promise<void> {
    const { DatabaseSync } = await loadSqlite()
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
  }

  it('is there in the next run, and moves nothing again', async () => {
    const path = join(temporaryFolder(), 'hub.db')
    const first = await openStore(path)
    const parties = await sessionBetween(first.store)
    const [settled] = await first.store.settle([receiptOf(parties, 5)], timeMs)
    await first.store.addInvite({ codeHash: 'code', timeMs })
    first.subscription.unsubscribe()
    const { store } = await openStore(path)
    expect(await store.settle([receiptOf(parties, 5)], timeMs)).toEqual([{ ...settled, moved: false }])
    expect(await store.settle([receiptOf(parties, 6)], timeMs)).toMatchObject([{ moved: true, seq: 4 }])
    expect(await store.openInvites()).toBe(1)
  })

  it('comes to names that are kept with their signatures', async () => {
    const path = join(temporaryFolder(), 'hub.db')
    const { store, subscription } = await openStore(path)
    await sessionBetween(store)
    subscription.unsubscribe()
    const { DatabaseSync } = await loadSqlite()
    const database = new DatabaseSync(path)
    const names = database.prepare('SELECT nickname, signature FROM names ORDER BY nickname').all()
    database.close()
    expect(names.map(row => ({ ...row }))).toEqual([
      { nickname: 'alice', signature },
      { nickname: 'bob', signature },
    ])
  })

  it('comes to a database of the first version, which keeps what it has', async () => {
    const path = join(temporaryFolder(), 'hub.db')
    const first = await openStore(path)
    const { consumer, seeder, session } = await sessionBetween(first.store)
    const head = await first.store.head()
    first.subscription.unsubscribe()
    const before = 'DROP TABLE sessions; DROP TABLE invites; DROP TABLE probe; ALTER TABLE names DROP COLUMN signature'
    await change(path, `${before}; PRAGMA user_version = 1`)
    const { store } = await openStore(path)
    expect(await store.head()).toEqual(head)
    expect(await store.resolve('alice')).toBe(consumer)
    const parties = { session, consumer, seeder }
    await store.recordOffer({ ...parties, timeMs })
    await store.recordAnswer({ ...parties, timeMs })
    expect(await store.settle([receiptOf(parties, 5)], timeMs)).toMatchObject([{ moved: true, seq: 3 }])
    expect(verifyAll(await store.blocksAfter(0, 10)).seq).toBe(3)
  })

  it('cannot be probed when it cannot be written, also where it can be read and locked', async () => {
    const path = join(temporaryFolder(), 'hub.db')
    const first = await openStore(path)
    await first.store.keyPair(() => newAccount('hub'))
    await first.store.probe(1)
    first.subscription.unsubscribe()
    await change(path, "CREATE TRIGGER full BEFORE INSERT ON probe BEGIN SELECT RAISE(ABORT, 'full'); END")
    const { store } = await openStore(path)
    await store.check()
    await expect(store.probe(1)).rejects.toMatchObject({ code: 'store-failed' })
  })

  it('changes nothing when a part of it cannot be written, and what was waiting goes on from there', async () => {
    const path = join(temporaryFolder(), 'hub.db')
    const first = await openStore(path)
    const parties = await sessionBetween(first.store)
    first.subscription.unsubscribe()
    // The last thing that a settlement writes: its block and its session are there already.
    const refusal = "BEGIN SELECT RAISE(ABORT, 'no space') ; END"
    await change(path, `CREATE TRIGGER full BEFORE UPDATE ON wallets WHEN new.bytes = 1007 ${refusal}`)
    const { store } = await openStore(path)
    const failing = store.settle([receiptOf(parties, 7)], timeMs)
    // Begun before anybody could hear of the failure.
    const next = store.settle([receiptOf(parties, 8)], timeMs)
    await expect(failing).rejects.toMatchObject({ code: 'store-failed' })
    expect(await next).toMatchObject([{ moved: true, bytes: 8, seq: 3, consumerBytes: 992, seederBytes: 1_008 }])
    expect(verifyAll(await store.blocksAfter(0, 10))).toEqual(await store.head())
  })
})

describe('kill -9 of a hub', () => {
  it('loses nothing that was acknowledged', async () => {
    const database = `sqlite:${join(temporaryFolder(), 'hub.db')}`
    const letters = [...'abcdefgh']
    const acknowledged: { nickname: string; pubKey: string }[] = []
    for (const round of letters) {
      const child = spawn(process.execPath, [fileURLToPath(new URL('../../hub.process.js', import.meta.url)), database])
      cleanup(() => child.kill('SIGKILL'))
      const [url] = await once(createInterface({ input: child.stdout }), 'line')
      const registering = letters.flatMap(a => letters.map(b => register({ url, port: 0, hubKey: '' }, round + a + b)))
      let count = 0
      const kept = registering.map(async one => {
        // Those that the kill cuts off have no answer, and are not counted.
        const account = await one.catch(() => undefined)
        if (account === undefined) return
        acknowledged.push(account)
        count += 1
        if (count === 10) child.kill('SIGKILL')
      })
      await Promise.all(kept)
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(80)
    const hub = await startHub({ database })
    for (const { nickname, pubKey } of acknowledged) {
      expect(await (await fetch(`${hub.url}/v1/resolve/${nickname}`)).text()).toBe(pubKey)
      expect(await (await fetch(`${hub.url}/v1/coins?pub_key=${encodeURIComponent(pubKey)}`)).text()).toBe('100.000000')
    }
    const text = await (await fetch(`${hub.url}/v1/ledger`)).text()
    const lines = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(verifyAll(lines).seq).toBe(lines.length)
    const granted = new Set(lines.map(({ to }) => to))
    expect(acknowledged.every(({ pubKey }) => granted.has(pubKey))).toBe(true)
  })
})
