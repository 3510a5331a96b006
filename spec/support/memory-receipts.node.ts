import { afterAll, beforeAll } from '@jest/globals'
import { prepareReceiptBook } from '../../src/adapters/receipt-schema.node.js'
import { SqliteConnection } from '../../src/adapters/sqlite-connection.node.js'
import { type Database, loadSqlite, type SqliteLibrary } from '../../src/adapters/sqlite-library.node.js'
import { SqliteReceiptBook } from '../../src/adapters/sqlite-receipt-book.node.js'
import type { ReceiptBook } from '../../src/ports.js'
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
export function memoryReceipts(pubKey: string, now: () => number = Date.now): ReceiptBook {
  const database = new library.DatabaseSync(':memory:')
  open.push(database)
  prepareReceiptBook(database, pubKey, now())
  const failed = (error: unknown) => toLighthouseError('store-failed', error, 'receipts')
  const store = new SqliteReceiptBook(new SqliteConnection(database, failed), pubKey, now)
  const names = Object.getOwnPropertyNames(SqliteReceiptBook.prototype) as (keyof ReceiptBook)[]
  return Object.fromEntries(names.map(name => [name, store[name].bind(store)])) as unknown as ReceiptBook
}
