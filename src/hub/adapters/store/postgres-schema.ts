import type { ClientBase } from 'pg'
import { LighthouseError } from '../../../protocol/errors.js'

/** Any number of our own, so that no other program of this database takes the same locks. "LHPR" in ASCII. */
const lockSpace = 0x4c485052

/** Held to the end of the transaction by whoever changes the schema. */
const lockSchema = `SELECT pg_advisory_xact_lock(${lockSpace}, 1)`

/** Held to the end of the transaction by whoever appends to the chain or forgets sessions, across all processes. */
export const lockChain = `SELECT pg_advisory_xact_lock(${lockSpace}, 2)`

/** Each entry moves the schema one version on; `schema_version` says how many were applied. Never edit one, add. */
const migrations = [
  `
  CREATE TABLE hub (
    id smallint PRIMARY KEY CHECK (id = 1),
    pub_key text NOT NULL,
    priv_key text NOT NULL
  );
  CREATE TABLE wallets (
    pub_key text PRIMARY KEY,
    bytes bigint NOT NULL CHECK (bytes BETWEEN 0 AND 9007199254740991)
  );
  CREATE TABLE names (
    nickname text PRIMARY KEY,
    pub_key text NOT NULL UNIQUE REFERENCES wallets (pub_key)
  );
  CREATE TABLE blocks (
    seq bigint PRIMARY KEY,
    prev_hash text NOT NULL,
    time bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('grant', 'transfer')),
    payer text,
    payee text NOT NULL REFERENCES wallets (pub_key),
    bytes bigint NOT NULL CHECK (bytes BETWEEN 0 AND 9007199254740991),
    receipt text,
    hash text NOT NULL
  );
  CREATE FUNCTION keep_blocks() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
  CREATE TRIGGER blocks_keep BEFORE UPDATE OR DELETE ON blocks FOR EACH ROW EXECUTE FUNCTION keep_blocks();
  CREATE TRIGGER blocks_stay BEFORE TRUNCATE ON blocks FOR EACH STATEMENT EXECUTE FUNCTION keep_blocks();
  CREATE TABLE sessions (
    session text PRIMARY KEY,
    consumer text NOT NULL,
    seeder text NOT NULL,
    answered boolean NOT NULL DEFAULT false,
    settled bigint NOT NULL DEFAULT 0 CHECK (settled BETWEEN 0 AND 9007199254740991),
    last_seq bigint REFERENCES blocks (seq) CHECK ((last_seq IS NULL) = (settled = 0)),
    touched bigint NOT NULL
  );
  CREATE INDEX sessions_touched ON sessions (touched);
  CREATE TABLE invites (
    code_hash text PRIMARY KEY,
    made bigint NOT NULL,
    used bigint,
    used_by text REFERENCES wallets (pub_key) CHECK ((used_by IS NULL) = (used IS NULL))
  );
  `,
  `
  DROP INDEX sessions_touched;
  CREATE INDEX sessions_unsettled ON sessions (touched) WHERE settled = 0;
  `,
  // Of the registration, for whoever checks the names. Null in rows from before.
  `
  ALTER TABLE names ADD COLUMN signature text;
  `,
  // What is written to find out whether there is room for it.
  `
  CREATE TABLE probe (padding text NOT NULL);
  `,
]

/**
 * Brings the schema to this version, in a transaction of the caller's. Processes that start at once wait for each other.
 * Throws `store-failed` for a schema of a newer version.
 */
export async function migratePostgres(client: ClientBase): Promise<void> {
  // A statement of its own: what follows has to see what the process before has committed.
  await client.query(lockSchema)
  await client.query('CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)')
  const { rows } = await client.query<{ version: number }>('SELECT max(version) AS version FROM schema_version')
  const version = rows[0]?.version ?? 0
  if (version > migrations.length) {
    throw new LighthouseError(
      'store-failed',
      `The database has schema ${version} and this version knows ${migrations.length}: a newer lighthouse-peer made it. Use that one.`,
    )
  }
  if (version === migrations.length) return
  for (const migration of migrations.slice(version)) await client.query(migration)
  await client.query('DELETE FROM schema_version')
  await client.query('INSERT INTO schema_version (version) VALUES ($1)', [migrations.length])
}
