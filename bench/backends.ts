/** The databases that a hub is measured on, each of the bench's own and gone afterwards. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { POSTGRES_REASON, postgresAvailable, startPostgres } from '../spec/support/postgres.node.js'
import { findRedis } from '../spec/support/programs.node.js'
import { REDIS_REASON, startRedis } from '../spec/support/redis.node.js'

export interface Backend {
  readonly name: 'SQLite' | 'PostgreSQL'
  /** How many hub processes may share it. */
  readonly processes: readonly number[]
  /** For two processes. */
  readonly redis: string | undefined
  /** A new and empty database. */
  readonly create: () => Promise<string>
}

export interface Backends {
  readonly folder: string
  readonly all: readonly Backend[]
  /** What is not here, and is left out for that. */
  readonly missing: readonly string[]
  readonly close: () => Promise<void>
}

export async function openBackends(): Promise<Backends> {
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-bench-'))
  let files = 0
  const sqlite: Backend = {
    name: 'SQLite',
    processes: [1],
    redis: undefined,
    create: async () => `sqlite:${join(folder, `hub-${++files}.db`)}`,
  }
  const cluster = postgresAvailable() ? await startPostgres() : undefined
  const redis = cluster !== undefined && findRedis() !== undefined ? await startRedis() : undefined
  const postgres = cluster && {
    name: 'PostgreSQL' as const,
    processes: redis === undefined ? [1] : [1, 2],
    redis: redis?.url,
    create: () => cluster.createDatabase(),
  }
  return {
    folder,
    all: postgres === undefined ? [sqlite] : [sqlite, postgres],
    missing: [
      ...(cluster === undefined ? [`PostgreSQL: ${POSTGRES_REASON}`] : []),
      ...(redis === undefined ? [`two processes: ${REDIS_REASON}`] : []),
    ],
    close: async () => {
      await redis?.remove()
      await cluster?.remove()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
