import type { Dirent } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { platform } from 'node:os'
import { join, sep } from 'node:path'
import { isServedName } from '../protocol/share-path.js'
import { entriesPath, isAbsent, type OpenEntry, openInside } from './safe-path.node.js'

/** One line of a listing. */
export interface ListedEntry {
  readonly name: string
  readonly kind: 'file' | 'directory'
  /** Bytes; 0 for a folder. */
  readonly size: number
  /** Whatever the file system has: negative, or far beyond what a `Date` can hold. */
  readonly modifiedMs: number
}

/** A part of a listing, and the place from which the next part goes on. */
export interface ListedPage {
  readonly entries: readonly ListedEntry[]
  readonly next: string | undefined
}

/** Entries of one page: a page of some 200 KB, and what a large folder costs in memory. */
export const pageEntries = 1000

type Key = Pick<ListedEntry, 'name' | 'kind'>

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

/** Folders first, then as people sort: case and accents last, numbers by value. Total, so that pages neither repeat nor skip. */
export function compareEntries(a: Key, b: Key): number {
  if (a.kind !== b.kind) return a.kind === 'directory' ? -1 : 1
  return collator.compare(a.name, b.name) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
}

/** `d` or `f`, then the name: the place after the entry. */
function formatCursor({ kind, name }: Key): string {
  return kind[0]! + name
}

function parseCursor(text: string | undefined): Key | undefined {
  if (text === undefined || !/^[df]./s.test(text)) return undefined
  return { kind: text.startsWith('d') ? 'directory' : 'file', name: text.slice(1) }
}

/** Inserts into a sorted list, which never grows beyond `limit`: the greatest falls off. */
function insert(sorted: Key[], key: Key, limit: number): void {
  if (sorted.length >= limit && compareEntries(key, sorted[limit - 1]!) >= 0) return
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareEntries(sorted[middle]!, key) < 0) low = middle + 1
    else high = middle
  }
  sorted.splice(low, 0, key)
  if (sorted.length > limit) sorted.pop()
}

/** What an entry is and says of itself; a link counts as what it leads to. Undefined when it may not be served. */
async function look(
  root: string,
  folder: string,
  real: readonly string[],
  name: string,
): Promise<ListedEntry | undefined> {
  const stats = await lstat(join(folder, name), { bigint: true }).catch((error: unknown) => {
    if (isAbsent(error)) return undefined
    throw error
  })
  const describe = (kind: ListedEntry['kind'], from: NonNullable<typeof stats>): ListedEntry => {
    return { name, kind, size: kind === 'file' ? Number(from.size) : 0, modifiedMs: Number(from.mtimeMs) }
  }
  if (stats?.isFile() === true) return describe('file', stats)
  if (stats?.isDirectory() === true) return describe('directory', stats)
  if (stats?.isSymbolicLink() !== true) return undefined
  const target = await openInside(root, [...real, name])
  if (target === undefined) return undefined
  await target.handle.close()
  return describe(target.kind, target.stats)
}

/**
 * One page of an open folder, sorted, from the place `after` on (of an earlier page's `next`; anything else starts
 * over). Reads all names each time but holds one page of them, so a folder of any size costs bounded memory.
 */
export async function listFolder(root: string, entry: OpenEntry, after?: string): Promise<ListedPage> {
  const folder = await entriesPath(entry)
  const real = entry.path === root ? [] : entry.path.slice(root.length).split(sep).filter(Boolean)
  const windows = platform() === 'win32'
  const start = parseCursor(after)
  const keys: Key[] = []
  const classify = async (dirent: Dirent): Promise<ListedEntry['kind'] | undefined> => {
    if (dirent.isFile()) return 'file'
    if (dirent.isDirectory()) return 'directory'
    // A link, or a file system that does not tell kinds; pipes, sockets and devices come out as undefined.
    return (await look(root, folder, real, dirent.name))?.kind
  }
  for await (const dirent of await opendir(folder, { bufferSize: 256 })) {
    if (!isServedName(dirent.name, windows)) continue
    const kind = await classify(dirent)
    if (kind === undefined) continue
    const key = { kind, name: dirent.name }
    if (start === undefined || compareEntries(key, start) > 0) insert(keys, key, pageEntries + 1)
  }
  const page = keys.slice(0, pageEntries)
  const entries: ListedEntry[] = []
  for (const { name } of page) {
    const found = await look(root, folder, real, name)
    if (found !== undefined) entries.push(found)
  }
  return { entries, next: keys.length > pageEntries ? formatCursor(page.at(-1)!) : undefined }
}
