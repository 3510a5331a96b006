import { versions } from 'node:process'
import type { DatabaseSync } from '@photostructure/sqlite'

/** What both libraries export: the same class. */
export interface SqliteLibrary {
  readonly DatabaseSync: typeof DatabaseSync
}

/** One open database. */
export type Database = InstanceType<SqliteLibrary['DatabaseSync']>

/** The first SQLite without the bug that can damage a database when a write-ahead log is reset. */
const firstSafeSqlite = [3, 51, 3] as const

/** Whether Node's own SQLite can be trusted with what is worth coins. `version` is `process.versions.sqlite`. */
export function isSafeSqlite(version: string | undefined): boolean {
  const numbers = version?.split('.').map(Number) ?? []
  for (const [index, least] of firstSafeSqlite.entries()) {
    const number = numbers[index] ?? 0
    if (number !== least) return number > least
  }
  return true
}

/** Node's own SQLite where it is new enough, else the package that carries one. Loaded when it is first needed. */
export async function loadSqlite(): Promise<SqliteLibrary> {
  // A variable, since the types of Node 20 do not know the module.
  const builtIn: string = 'node:sqlite'
  return isSafeSqlite(versions.sqlite)
    ? ((await import(builtIn)) as SqliteLibrary)
    : await import('@photostructure/sqlite')
}
