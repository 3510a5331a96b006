import { LighthouseError } from '../../../protocol/errors.js'
import { fingerprintOf } from '../../crypto/crypto.node.js'
import { inTransaction } from '../sqlite/connection.node.js'
import type { Database } from '../sqlite/library.node.js'
import { checkVersion, migrate } from '../sqlite/migrations.node.js'

/**
 * Each entry moves the schema one version on; `user_version` counts those that were applied. Never edit one, add.
 *
 * `sessions` has a session's highest receipt (bytes 0: none) beside its highest settlement (settled_bytes 0: none), since
 * they are compared all the time. `id` is their order of arrival. What a consumer paid and what was signed for a seeder
 * are kept as sums, so that no question takes longer as the years go by.
 */
const migrations = [
  `
  CREATE TABLE owner (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pub_key TEXT NOT NULL
  ) STRICT;
  CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL UNIQUE,
    began_ms INTEGER NOT NULL,
    seeder TEXT,
    consumer TEXT,
    hub_key TEXT,
    bytes INTEGER NOT NULL DEFAULT 0,
    signature TEXT,
    settled_bytes INTEGER NOT NULL DEFAULT 0,
    coins TEXT,
    seq INTEGER,
    hash TEXT,
    hub_signature TEXT,
    given_up INTEGER NOT NULL DEFAULT 0,
    owed_bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX sessions_owed ON sessions (id) WHERE owed_bytes > bytes AND given_up = 0;
  CREATE INDEX sessions_due ON sessions (id) WHERE bytes > settled_bytes AND given_up = 0;
  CREATE INDEX sessions_settled ON sessions (seq, id) WHERE settled_bytes > 0;
  CREATE TABLE consumers (
    pub_key TEXT PRIMARY KEY,
    served INTEGER NOT NULL DEFAULT 0,
    paid INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE seeders (
    pub_key TEXT PRIMARY KEY,
    signed INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE signed_minutes (
    minute INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE heads (
    hub_key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (hub_key, seq, hash)
  ) STRICT, WITHOUT ROWID;
  `,
  // What a hub sent about sessions to which this peer was never a party. Since then each has its parties from the start.
  'DELETE FROM sessions WHERE seeder IS NULL OR consumer IS NULL',
  // Since then unused: whether the settlement was compared with the block that it names.
  `
  ALTER TABLE sessions ADD COLUMN compared INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX sessions_uncompared ON sessions (seq, id) WHERE settled_bytes > 0 AND compared = 0;
  `,
  // Since then unused: the newest block of the session that was seen in the ledger.
  `
  ALTER TABLE sessions ADD COLUMN charged_seq INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN charged_bytes INTEGER NOT NULL DEFAULT 0;
  `,
  // What is given up are receipts and not the session: those above `given_up` bytes are due.
  `
  UPDATE sessions SET given_up = bytes WHERE given_up = 1;
  DROP INDEX sessions_owed;
  DROP INDEX sessions_due;
  CREATE INDEX sessions_owed ON sessions (id) WHERE owed_bytes > bytes AND (bytes > given_up OR settled_bytes >= given_up);
  CREATE INDEX sessions_due ON sessions (id) WHERE bytes > settled_bytes AND bytes > given_up;
  `,
  // What a key has signed and not settled is asked for at each receipt, however many receipts of others are due.
  'CREATE INDEX sessions_unsettled ON sessions (consumer, hub_key) WHERE bytes > settled_bytes AND bytes > given_up',
  // What was owed before begins to fade with this version, and not in 1970.
  `
  ALTER TABLE consumers ADD COLUMN debt_since_ms INTEGER NOT NULL DEFAULT 0;
  UPDATE consumers SET debt_since_ms = CAST(unixepoch() AS INTEGER) * 1000;
  `,
  // What the hub told of a key's wallet last.
  'ALTER TABLE consumers ADD COLUMN balance INTEGER NOT NULL DEFAULT 0',
]

/**
 * The log is written at each commit and synced now and then: what was kept survives the end of the process, however it
 * ends. A power cut may take the newest receipts with it, which the other party holds too, and never leaves half of one.
 */
const settings = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA trusted_schema = OFF;
`

/** Sessions that were opened and paid nothing are forgotten after this time, as the hub forgets them. */
const emptySessionDays = 90

/**
 * Sets the connection up, brings the schema to this version and checks the whole file. Throws `store-failed` for a file
 * of a newer version, or of another key; what SQLite throws for one that is locked or damaged.
 */
export function prepareReceiptStore(database: Database, pubKey: string, nowMs: number): void {
  database.exec(settings)
  inTransaction(database, () => {
    migrate(database, migrations, 'it')
    database.prepare('INSERT OR IGNORE INTO owner (id, pub_key) VALUES (1, ?)').run(pubKey)
    checkOwner(database, pubKey)
    database
      .prepare('DELETE FROM sessions WHERE bytes = 0 AND settled_bytes = 0 AND began_ms < ?')
      .run(nowMs - emptySessionDays * 86_400_000)
  })
  const { quick_check: finding } = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
  if (finding !== 'ok') throw new LighthouseError('store-failed', damaged(finding))
}

function checkOwner(database: Database, pubKey: string): void {
  const { pub_key: owner } = database.prepare('SELECT pub_key FROM owner').get() as { pub_key: string }
  if (owner === pubKey) return
  throw new LighthouseError(
    'store-failed',
    `it belongs to the key ${fingerprintOf(owner)} and not to ${fingerprintOf(pubKey)}. Restore that key's metadata.json; or move the file away and start with --accept-new, to begin anew`,
  )
}

/** For who only reads. Throws `store-failed` for a file of a newer version, or of another key. */
export function checkReceipts(database: Database, pubKey: string): void {
  checkVersion(database, migrations, 'it')
  checkOwner(database, pubKey)
}

/** The message about a file that SQLite cannot read. */
export function damaged(finding: string): string {
  return `it is damaged (${finding.replaceAll(/\s+/g, ' ')}) and was left as it is. Restore it from a backup; or move it away and start with --accept-new, to begin anew: receipts in it are then not claimed, and what others owe you is forgotten`
}
