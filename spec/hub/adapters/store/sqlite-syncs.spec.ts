/**
 * What a hub on SQLite asks of the system before it acknowledges a receipt, as strace sees it: no setting, and no word of the
 * library, stands for that.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'
import { describeIf, findStrace } from '../../../support/requires.js'
import { cleanup, openSession, register, settle, signedReceipt, signIn, temporaryFolder } from '../../support.js'

const strace = findStrace()
/** Not everywhere where it is installed. */
const mayTrace = strace !== undefined && spawnSync(strace, ['-o', '/dev/null', 'true']).status === 0

/** Writes of any kind with the beginning of what is written, and syncs, both with the name of the file. */
const calls = 'trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync'
const options = ['-f', '--seccomp-bpf', '-qq', '-y', '-s', '200', '-e', calls, '-e', 'signal=none']

/** A hub with its system calls in a file; `end` stops it and resolves with them, in their order. */
async function tracedHub(database: string, file: string) {
  const hub = fileURLToPath(new URL('../../hub.process.js', import.meta.url))
  const argv = [...options, '-o', file, process.execPath, hub, `sqlite:${database}`]
  // The channel ends the hub, which is the child of the one that is ended here.
  const child = spawn(strace!, argv, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  cleanup(() => child.connected && child.disconnect())
  const [url] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  const end = async (): Promise<readonly string[]> => {
    child.disconnect()
    await ended
    return readFileSync(file, 'latin1').split('\n')
  }
  const { hub_key: hubKey } = (await (await fetch(`${url}/v1/health`)).json()) as { hub_key: string }
  return { hub: { url, port: Number(new URL(url).port), hubKey }, end }
}

describeIf(mayTrace, 'needs strace, and the right to trace')('a hub on SQLite', () => {
  it('syncs the log of its database before it acknowledges a receipt', async () => {
    const folder = temporaryFolder()
    const { hub, end } = await tracedHub(join(folder, 'hub.db'), join(folder, 'trace'))
    const [consumer, seeder] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const [{ socket: atConsumer }, { socket: atSeeder }] = [await signIn(hub, consumer), await signIn(hub, seeder)]
    await openSession(hub, { consumer, seeder, atConsumer, atSeeder })
    const ack = await settle(atConsumer, signedReceipt(hub, consumer, seeder, 1_000_000))
    expect(ack).toMatchObject({ settled: { bytes: 1_000_000 } })
    const lines = await end()

    const isLogged = (line: string): boolean => /\bpwritev?(64)?\(\d+<[^>]*hub\.db-wal>/.test(line)
    const isSynced = (line: string): boolean => /\bf(data)?sync\(\d+<[^>]*hub\.db-wal>\) += 0/.test(line)
    const isSent = (line: string): boolean => /\b(write|writev|sendto|sendmsg)\(\d+<(socket|TCP)/.test(line)
    const opened = lines.findLastIndex(line => isSent(line) && line.includes('delivered'))
    const told = lines.findIndex(line => isSent(line) && line.includes('settled'))
    const logged = lines.findLastIndex((line, index) => index < told && isLogged(line))
    const synced = lines.findIndex((line, index) => index > logged && isSynced(line))
    // In this order: the session was opened, the settlement was written, it was synced, somebody was told.
    expect([opened, logged, synced, told].toSorted((one, other) => one - other)).toEqual([opened, logged, synced, told])
    expect(opened).toBeGreaterThan(0)
  })
})
