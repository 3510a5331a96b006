import { describe, expect, it } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { firstValueFrom } from 'rxjs'
import { blockHash } from '../../../src/hub/adapters/block-hash.js'
import { isSafeSqlite, loadSqlite } from '../../../src/hub/adapters/sqlite-library.js'
import { sqliteStore$ } from '../../../src/hub/adapters/sqlite-store.js'
import { createHub$ } from '../../../src/hub/app.js'
import { describeHubStore, verifyAll } from '../store.contract.js'
import { cleanup, register, startHub, temporaryFolder } from '../support.js'

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

describe('kill -9 of a hub', () => {
  it('loses nothing that was acknowledged', async () => {
    const database = `sqlite:${join(temporaryFolder(), 'hub.db')}`
    const letters = [...'abcdefgh']
    const acknowledged: { nickname: string; pubKey: string }[] = []
    for (const round of letters) {
      const child = spawn(process.execPath, [fileURLToPath(new URL('../hub.process.js', import.meta.url)), database])
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

describe('the choice of SQLite', () => {
  it.each([
    ['3.51.3', true],
    ['3.51.10', true],
    ['3.52.0', true],
    ['4.0', true],
    ['3.51.2', false],
    ['3.9.9', false],
    ['', false],
    [undefined, false],
  ])('%s is safe: %s', (version, safe) => {
    expect(isSafeSqlite(version)).toBe(safe)
  })

  it('loads one that is', async () => {
    const { DatabaseSync } = await loadSqlite()
    const database = new DatabaseSync(':memory:')
    cleanup(() => database.close())
    const { version } = database.prepare('SELECT sqlite_version() AS version').get() as { version: string }
    expect(isSafeSqlite(version)).toBe(true)
  })
})
