import { LighthouseError } from '../../../protocol/errors.js'
import type { Database } from './library.node.js'

/**
 * Brings the schema to this version, in a transaction of the caller's. Each entry of `migrations` moves it one version on;
 * `user_version` counts those that were applied. Throws `store-failed` for a schema of a newer version.
 *
 * @param name what the message calls the database, as its first word.
 */
export function migrate(database: Database, migrations: readonly string[], name: string): void {
  const version = checkVersion(database, migrations, name)
  for (const migration of migrations.slice(version)) database.exec(migration)
  database.exec(`PRAGMA user_version = ${migrations.length}`)
}

/** The version of the schema. Throws `store-failed` for a newer one than this. */
export function checkVersion(database: Database, migrations: readonly string[], name: string): number {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version <= migrations.length) return version
  throw new LighthouseError(
    'store-failed',
    `${name} has schema ${version} and this version knows ${migrations.length}: a newer lighthouse-peer made it. Use that version.`,
  )
}
