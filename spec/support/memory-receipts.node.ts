import { afterAll, beforeAll } from '@jest/globals'
import { prepareReceiptStore } from '../../src/adapters/store/receipts/schema.node.js'
import { SqliteConnection } from '../../src/adapters/store/sqlite/connection.node.js'
import { type Database, loadSqlite, type SqliteLibrary } from '../../src/adapters/store/sqlite/library.node.js'
import { SqliteReceiptStore } from '../../src/adapters/store/receipts/sqlite-receipt-store.node.js'
import type { ReceiptStore } from '../../src/ports/receipts.js'
import { toLighthouseError } from '../../src/protocol/errors.js'

let library: SqliteLibrary
const open: Database[] = []
beforeAll(async () => {
  library = await loadSqlite()
})
afterAll(() => {
  for (const database of open.splice(0)) database.close()
})

/** A receipt store in memory, within a spec. An object of functions, so that a spec can put another one in a place. */
export function memoryReceipts(pubKey: string, now: () => number = Date.now): ReceiptStore {
  const database = new library.DatabaseSync(':memory:')
  open.push(database)
  prepareReceiptStore(database, pubKey, now())
  const failed = (error: unknown) => toLighthouseError('store-failed', error, 'receipts')
  const store = new SqliteReceiptStore(new SqliteConnection(database, failed), pubKey, now)
  const names = Object.getOwnPropertyNames(SqliteReceiptStore.prototype) as (keyof ReceiptStore)[]
  return Object.fromEntries(names.map(name => [name, store[name].bind(store)])) as unknown as ReceiptStore
}
