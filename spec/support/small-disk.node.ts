/**
 * A disk of a spec's own that is full when the spec says so: a program runs with a small file system in memory that nobody
 * else sees, in a mount namespace.
 */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** With and without the rights of root. */
const ways = [
  ['unshare', '-m'],
  ['unshare', '-rm'],
] as const

function mount(bytes: number, folder: string): string {
  return `mount -t tmpfs -o size=${bytes} tmpfs "${folder}"`
}

function find(): readonly string[] | undefined {
  return ways.find(([program, ...options]) => {
    const { status } = spawnSync(program, [...options, 'sh', '-c', mount(65_536, '/mnt')], { stdio: 'ignore' })
    return status === 0
  })
}

const way = process.platform === 'linux' ? find() : undefined

/** For `describeIf(hasSmallDisks, SMALL_DISK_REASON)`. */
export const hasSmallDisks = way !== undefined
export const SMALL_DISK_REASON = 'needs Linux, and the right to mount a file system (unshare -m)'

/** The command that runs another one with so many bytes of disk in a folder. */
export function onSmallDisk(bytes: number, folder: string, command: readonly string[]): readonly string[] {
  return [...way!, 'sh', '-c', `${mount(bytes, folder)} && exec "$@"`, 'sh', ...command]
}

/** Takes bytes of the disk that a process has in a folder; what this returns gives them back. */
export function takeSpace(pid: number, folder: string, bytes: number): () => void {
  const path = join(`/proc/${pid}/root`, folder, 'ballast')
  writeFileSync(path, Buffer.alloc(bytes))
  return () => rmSync(path)
}
