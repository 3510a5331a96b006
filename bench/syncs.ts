/** How often something was forced to the disk. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { findStrace } from '../spec/support/programs.node.js'
import type { Backend } from './backends.js'
import type { ChildStart } from './rpc.js'

/** Counts the syncs of a piece of work. Each step is told in its order. */
export interface SyncCounter {
  /** How the processes that work have to be started. */
  readonly start: ChildStart
  beforeOpen(): Promise<void>
  beforeWork(): void
  afterWork(): void
  /** The count; undefined where nothing is here to count with. */
  afterClose(): Promise<number | undefined>
}

/** With strace, which writes a line for each sync and slows no other system call down. */
function straceCounter(strace: string, file: string): SyncCounter {
  const options = ['-f', '--seccomp-bpf', '-qq', '-e', 'trace=fsync,fdatasync', '-e', 'signal=none', '-o', file]
  const count = (): number => readFileSync(file, 'latin1').match(/\bf(data)?sync\(/g)?.length ?? 0
  let before = 0
  let after = 0
  return {
    start: { execPath: strace, execArgv: [...options, process.execPath] },
    beforeOpen: async () => undefined,
    beforeWork: () => (before = count()),
    afterWork: () => (after = count()),
    afterClose: async () => after - before,
  }
}

/** A process of PostgreSQL tells for certain what it did when it ends, which is soon after its connection was closed. */
const reportMs = 500

/** Syncs of its write-ahead log that a PostgreSQL counted so far, over all its processes; undefined before version 14. */
async function walSyncs(database: string): Promise<number | undefined> {
  await pause(reportMs)
  const client = new Client({ connectionString: database })
  await client.connect()
  try {
    const { rows } = await client.query<{ view: string | null }>(`SELECT to_regclass('pg_stat_wal') AS view`)
    if (rows[0]?.view === null) return undefined
    const { rows: counted } = await client.query<{ syncs: string }>('SELECT wal_sync AS syncs FROM pg_stat_wal')
    return Number(counted[0]!.syncs)
  } finally {
    await client.end()
  }
}

/** With the server's own count, which is of all that its clients did from opening to closing. */
function postgresCounter(database: string): SyncCounter {
  let before: number | undefined
  return {
    start: {},
    beforeOpen: async () => {
      before = await walSyncs(database)
    },
    beforeWork: () => undefined,
    afterWork: () => undefined,
    afterClose: async () => {
      const after = await walSyncs(database)
      return before === undefined || after === undefined ? undefined : after - before
    },
  }
}

const noCounter: SyncCounter = {
  start: {},
  beforeOpen: async () => undefined,
  beforeWork: () => undefined,
  afterWork: () => undefined,
  afterClose: async () => undefined,
}

/** `traceFile` is written anew. */
export function syncCounter(backend: Backend, database: string, traceFile: string): SyncCounter {
  if (backend.name === 'PostgreSQL') return postgresCounter(database)
  const strace = findStrace()
  return strace === undefined ? noCounter : straceCounter(strace, traceFile)
}
