/**
 * Names of what a peer and a hub keep in their homes: keys, tokens, receipts, whom they know. With all that is made beside
 * these: `-wal`, `.pending`, `.fingerprint`, and what is written before it takes its name.
 */
const kept =
  /^(audit\.json|evidence-.*\.json|hub\.db|known_peers\.json|metadata\.json|receipts\.sqlite|running\.json|sites\.json)(?![a-z0-9])/i

/** Whether a file of this name in a home is the peer's or hub's own, and nobody else's business. */
export function isKeptName(name: string): boolean {
  return kept.test(name)
}

/** What lies beside a SQLite database: its log, and a peer's or hub's notes about it. */
const besideDatabase = /(?:-wal|-shm|-journal|\.control|\.fingerprint)$/

/** The database of SQLite that a file may be, or be a part of. */
export function databaseNames(name: string): readonly string[] {
  return besideDatabase.test(name) ? [name, name.replace(besideDatabase, '')] : [name]
}
