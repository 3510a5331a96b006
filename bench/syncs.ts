/** How often something was forced to the disk. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { findProgram } from '../spec/support/programs.node.js'
import type { ChildStart } from './rpc.js'

/** Path of strace, which counts the system calls of a process. */
export function findStrace(): string | undefined {
  return findProgram(['strace'])
}

/** Starts a child under strace, which writes a line into `file` for each sync. Other system calls are not slowed down. */
export function traced(strace: string, file: string): ChildStart {
  const options = ['-f', '--seccomp-bpf', '-qq', '-e', 'trace=fsync,fdatasync', '-e', 'signal=none', '-o', file]
  return { execPath: strace, execArgv: [...options, process.execPath] }
}

/** Syncs of which such a file tells. */
export function tracedSyncs(file: string): number {
  return readFileSync(file, 'latin1').match(/\bf(data)?sync\(/g)?.length ?? 0
}

/** PostgreSQL's processes report what they did at most once a second, when they are idle. */
const reportMs = 1_500

/** Syncs of its write-ahead log that a PostgreSQL counted so far, over all its processes; undefined before version 14. */
export async function postgresSyncs(database: string): Promise<number | undefined> {
  await pause(reportMs)
  const client = new Client({ connectionString: database })
  await client.connect()
  try {
    const { rows } = await client.query<{ syncs: string }>('SELECT wal_sync AS syncs FROM pg_stat_wal')
    return Number(rows[0]!.syncs)
  } catch {
    // There is no such view in older versions.
    return undefined
  } finally {
    await client.end()
  }
}
