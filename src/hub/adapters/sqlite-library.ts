/** The hub's store stands on the same SQLite as a peer's receipt book. */
export { type Database, isSafeSqlite, loadSqlite, type SqliteLibrary } from '../../adapters/sqlite-library.node.js'
