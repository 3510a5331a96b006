/**
 * Opens what lies inside a shared folder and nothing else, also while somebody exchanges files for links. A path is
 * checked before it is opened, and what was opened is checked again by its descriptor, which cannot be exchanged.
 */
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, lstat, open, readlink, realpath, stat } from 'node:fs/promises'
import { platform } from 'node:os'
import { join, relative, sep } from 'node:path'
import { isHiddenName } from '../protocol/share-path.js'

/** An open file or folder. Whoever gets it closes `handle`. */
export interface OpenEntry {
  readonly kind: 'file' | 'directory'
  readonly handle: FileHandle
  readonly stats: BigIntStats
  /** Where it lay when it was opened, without links. */
  readonly path: string
}

/** What a path may fail with that only says that nothing (that we serve) is there. */
const absent = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'EINVAL', 'ENXIO', 'ENODEV'])

/** Whether an error of the file system means no more than that nothing is there for us. */
export function isAbsent(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  return code !== undefined && absent.has(code)
}

/**
 * Never waits for the other end of a pipe, never follows a link that took the place of what was checked, never becomes
 * a terminal's owner. What a platform does not have is undefined there and counts as 0.
 */
const openFlags =
  constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0) | (constants.O_NOCTTY ?? 0)

/** Whether a path without links lies in `root` (or is it), and no part of the way is hidden. */
function isInside(root: string, path: string): boolean {
  if (path === root) return true
  const prefix = root.endsWith(sep) ? root : root + sep
  return path.startsWith(prefix) && !relative(root, path).split(sep).some(isHiddenName)
}

function kindOf(stats: BigIntStats): 'file' | 'directory' | undefined {
  return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : undefined
}

/** Where an open descriptor really lies: on Linux the kernel says, elsewhere undefined. */
async function descriptorPath(fd: number): Promise<string | undefined> {
  if (platform() !== 'linux') return undefined
  return readlink(`/proc/self/fd/${fd}`).catch(() => undefined)
}

/** Whether what was opened at `path` lies inside `root`. Without the kernel's word: whether the path still leads to it. */
async function isOpenedInside(root: string, path: string, handle: FileHandle, opened: BigIntStats): Promise<boolean> {
  const actual = await descriptorPath(handle.fd)
  if (actual !== undefined) return isInside(root, actual)
  const again = await realpath(path)
  if (!isInside(root, again)) return false
  const { dev, ino } = await stat(again, { bigint: true })
  return dev === opened.dev && ino === opened.ino
}

async function openReal(root: string, path: string): Promise<OpenEntry | undefined> {
  // Before it is opened, since opening a device can already do something.
  if (!isInside(root, path) || kindOf(await lstat(path, { bigint: true })) === undefined) return undefined
  const handle = await open(path, openFlags)
  try {
    const stats = await handle.stat({ bigint: true })
    const kind = kindOf(stats)
    if (kind !== undefined && (await isOpenedInside(root, path, handle, stats))) return { kind, handle, stats, path }
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  return undefined
}

/**
 * Opens a file or folder by its names from `root`, a path without links. Links are followed as long as they stay
 * inside. Undefined when there is nothing, or nothing that may be served: outside, hidden, a device, a pipe, a socket.
 * A name that is there in another Unicode normalization is found too. Rejects when the system fails (EMFILE, EIO).
 */
export async function openInside(root: string, names: readonly string[]): Promise<OpenEntry | undefined> {
  const spelled = join(root, ...names)
  const composed = join(root, ...names.map(name => name.normalize('NFC')))
  const decomposed = join(root, ...names.map(name => name.normalize('NFD')))
  for (const path of new Set([spelled, composed, decomposed])) {
    try {
      const entry = await openReal(root, await realpath(path))
      if (entry !== undefined) return entry
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
  }
  return undefined
}

/** A path to an open folder's entries that no exchange of its name can redirect, where the system has one. */
export async function entriesPath(entry: OpenEntry): Promise<string> {
  const actual = await descriptorPath(entry.handle.fd)
  return actual === undefined ? entry.path : `/proc/self/fd/${entry.handle.fd}`
}
