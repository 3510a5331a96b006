import { describe, expect, it } from '@jest/globals'
import { isSafeSqlite, loadSqlite } from '../../../../src/adapters/store/sqlite/library.node.js'

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
    const { version } = database.prepare('SELECT sqlite_version() AS version').get() as { version: string }
    database.close()
    expect(isSafeSqlite(version)).toBe(true)
  })
})
