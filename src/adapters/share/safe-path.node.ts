/**
 * Opens what lies inside a shared folder and nothing else, also while somebody exchanges files for links. A path is
 * checked before it is opened, and what was opened is checked again by its descriptor, which cannot be exchanged.
 */
import type { BigIntStats } from 'node:fs'
import { type FileHandle, lstat, open, readlink, realpath, stat } from 'node:fs/promises'
import { platform } from 'node:os'
import { join, relative, sep } from 'node:path'
import { isHiddenName } from '../../protocol/http/share-path.js'
import { isAbsent, readFlags } from './file-errors.node.js'
import type { KeptFiles } from './kept-files.node.js'

/** An open file or folder. The caller closes `handle`. */
export interface OpenEntry {
  readonly kind: 'file' | 'directory'
  readonly handle: FileHandle
  readonly stats: BigIntStats
  /** Where it lay when it was opened, without links. */
  readonly path: string
}

/** A shared folder, without links, and what in it is kept from others. */
export interface SharedRoot {
  readonly path: string
  readonly kept: KeptFiles
}

/** Whether a path without links lies in `root` (or is it), and no part of the way is hidden. */
function isInside(root: string, path: string): boolean {
  if (path === root) return true
  const prefix = root.endsWith(sep) ? root : root + sep
  return path.startsWith(prefix) && !relative(root, path).split(sep).some(isHiddenName)
}

/** What can be served at all. A number larger than every safe integer is no length that HTTP's programs could read. */
export function kindOf(stats: BigIntStats): 'file' | 'directory' | undefined {
  if (stats.isFile()) return stats.size <= Number.MAX_SAFE_INTEGER ? 'file' : undefined
  return stats.isDirectory() ? 'directory' : undefined
}

/** The real path of an open descriptor, from the kernel on Linux; elsewhere undefined. */
async function descriptorPath(fd: number): Promise<string | undefined> {
  if (platform() !== 'linux') return undefined
  return readlink(`/proc/self/fd/${fd}`).catch(() => undefined)
}

/** Where what was opened at `path` really lies, where that is inside. Without the kernel's word: the path, if it still leads to it. */
async function openedPath(
  root: string,
  path: string,
  handle: FileHandle,
  opened: BigIntStats,
): Promise<string | undefined> {
  const actual = await descriptorPath(handle.fd)
  if (actual !== undefined) {
    // Something else may have its name already.
    const name = opened.nlink === 0n ? actual.replace(/ \(deleted\)$/, '') : actual
    return isInside(root, name) ? name : undefined
  }
  const again = await realpath(path)
  if (!isInside(root, again)) return undefined
  const { dev, ino } = await stat(again, { bigint: true })
  return dev === opened.dev && ino === opened.ino ? again : undefined
}

async function openReal({ path: root, kept }: SharedRoot, path: string): Promise<OpenEntry | undefined> {
  // Before it is opened, since opening a device can already do something.
  if (!isInside(root, path) || kindOf(await lstat(path, { bigint: true })) === undefined) return undefined
  const handle = await open(path, readFlags)
  try {
    const stats = await handle.stat({ bigint: true })
    const kind = kindOf(stats)
    const actual = await openedPath(root, path, handle, stats)
    if (kind !== undefined && actual !== undefined && !(await kept.isKept(actual, kind, stats, handle))) {
      return { kind, handle, stats, path }
    }
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  return undefined
}

/**
 * Opens a file or folder by its names from the root. Links are followed as long as they stay inside. Undefined when there is
 * nothing, or nothing that may be served: outside, hidden, kept, a device, a pipe, a socket.
 * A name that is there in another Unicode normalization is found too. Rejects when the system fails (EMFILE, EIO).
 */
export async function openInside(root: SharedRoot, names: readonly string[]): Promise<OpenEntry | undefined> {
  const spelled = join(root.path, ...names)
  const composed = join(root.path, ...names.map(name => name.normalize('NFC')))
  const decomposed = join(root.path, ...names.map(name => name.normalize('NFD')))
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
