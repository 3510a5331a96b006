import { inTransaction } from '../../../adapters/store/sqlite/connection.node.js'
import type { Database } from '../../../adapters/store/sqlite/library.node.js'
import { migrate } from '../../../adapters/store/sqlite/migrations.node.js'

/** Each entry moves the schema one version on; `user_version` counts those that were applied. Never edit one, add. */
const migrations = [
  `
  CREATE TABLE hub (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pub_key TEXT NOT NULL,
    priv_key TEXT NOT NULL
  ) STRICT;
  CREATE TABLE wallets (
    pub_key TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL CHECK (bytes >= 0)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE names (
    nickname TEXT PRIMARY KEY,
    pub_key TEXT NOT NULL UNIQUE REFERENCES wallets (pub_key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE blocks (
    seq INTEGER PRIMARY KEY,
    prev_hash TEXT NOT NULL,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('grant', 'transfer')),
    payer TEXT,
    payee TEXT NOT NULL REFERENCES wallets (pub_key),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    receipt TEXT,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER blocks_keep BEFORE UPDATE ON blocks BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
  CREATE TRIGGER blocks_stay BEFORE DELETE ON blocks BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
  `,
  `
  CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    consumer TEXT NOT NULL,
    seeder TEXT NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0 CHECK (answered IN (0, 1)),
    settled INTEGER NOT NULL DEFAULT 0 CHECK (settled >= 0),
    last_seq INTEGER REFERENCES blocks (seq) CHECK ((last_seq IS NULL) = (settled = 0)),
    touched INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_touched ON sessions (touched);
  CREATE TABLE invites (
    code_hash TEXT PRIMARY KEY,
    made INTEGER NOT NULL,
    used INTEGER,
    used_by TEXT REFERENCES wallets (pub_key) CHECK ((used_by IS NULL) = (used IS NULL))
  ) STRICT, WITHOUT ROWID;
  `,
  `
  DROP INDEX sessions_touched;
  CREATE INDEX sessions_unsettled ON sessions (touched) WHERE settled = 0;
  `,
  // Of the registration, for whoever checks the names. Null in rows from before.
  `
  ALTER TABLE names ADD COLUMN signature TEXT;
  `,
  // What is written to find out whether there is room for it.
  `
  CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    padding BLOB NOT NULL
  ) STRICT;
  `,
]

/** Settings of one connection. Both full syncs: a commit is on the disk, not in a cache of it, before it is acknowledged. */
const settings = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON;
  PRAGMA checkpoint_fullfsync = ON;
  PRAGMA foreign_keys = ON;
  PRAGMA trusted_schema = OFF;
`

/** Sets the connection up and brings the schema to this version. Throws `store-failed` for a file of a newer one. */
export function prepareSchema(database: Database): void {
  database.exec(settings)
  // Takes the lock for good: a second hub on this file fails here, not in the middle of its work.
  inTransaction(database, () => migrate(database, migrations, 'The database'))
}
