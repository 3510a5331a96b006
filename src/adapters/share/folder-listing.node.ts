import { type BigIntStats, constants, type Dirent } from 'node:fs'
import { isUtf8 } from 'node:buffer'
import { access, lstat, opendir } from 'node:fs/promises'
import { platform } from 'node:os'
import { join, sep } from 'node:path'
import { type LeftOutReason, unservedName } from '../../protocol/http/share-path.js'
import { entriesPath, kindOf, type OpenEntry, openInside, type SharedRoot } from './safe-path.node.js'
import { isAbsent } from './file-errors.node.js'
import { isPrivateLink } from './kept-files.node.js'

/** One line of a listing. */
export interface ListedEntry {
  readonly name: string
  readonly kind: 'file' | 'directory'
  /** Bytes; 0 for a folder. */
  readonly size: number
  /** Whatever the file system has: negative, or far beyond what a `Date` can hold. */
  readonly modifiedMs: number
}

/** How many entries are not shown, and why. */
export type LeftOut = Readonly<Partial<Record<LeftOutReason, number>>>

/** A part of a listing, and the place from which the next part goes on. */
export interface ListedPage {
  readonly entries: readonly ListedEntry[]
  /** What this page would have had. Entries that are excluded before sorting are counted on the first page. */
  readonly leftOut: LeftOut
  readonly next: string | undefined
}

/** Entries of one page: a page of some 200 KB, and what a large folder costs in memory. */
export const pageEntries = 1000

/** Entries that are examined at once, on Node's four threads for files. */
const inspectedAtOnce = 16

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

/** An open folder in a shared one. */
interface Folder {
  readonly root: SharedRoot
  /** Leads to its entries, whatever becomes of its name. */
  readonly path: string
  /** Where it lies, without links. */
  readonly realPath: string
}

function describe(name: string, kind: ListedEntry['kind'], { size, mtimeMs }: BigIntStats): ListedEntry {
  return { name, kind, size: kind === 'file' ? Number(size) : 0, modifiedMs: Number(mtimeMs) }
}

/** Opens an entry as a request would. A link counts as what it leads to. */
async function inspectInside({ root, realPath }: Folder, name: string): Promise<ListedEntry | undefined> {
  const way = realPath.slice(root.path.length).split(sep).filter(Boolean)
  const target = await openInside(root, [...way, name])
  await target?.handle.close()
  return target && describe(name, target.kind, target.stats)
}

async function mayRead(path: string, kind: ListedEntry['kind']): Promise<boolean> {
  const mode = kind === 'file' ? constants.R_OK : constants.R_OK | constants.X_OK
  return access(path, mode).then(
    () => true,
    (error: unknown) => {
      if (isAbsent(error)) return false
      throw error
    },
  )
}

/** An entry's details, or why it is not shown; undefined if it has disappeared. */
async function inspect(folder: Folder, name: string): Promise<ListedEntry | LeftOutReason | undefined> {
  const path = join(folder.path, name)
  const stats = await lstat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    if (isAbsent(error)) return 'unreadable' as const
    throw error
  })
  if (stats === undefined || stats === 'unreadable') return stats
  if (stats.isSymbolicLink()) return (await inspectInside(folder, name)) ?? 'link'
  const kind = kindOf(stats)
  if (kind === undefined) return stats.isFile() ? 'unreadable' : 'special'
  const { kept } = folder.root
  const isKept =
    kind === 'file' ? kept.isKeptFile(folder.realPath, name, stats) : kept.isHome(join(folder.realPath, name))
  if (await isKept) return 'private'
  if (!(await mayRead(path, kind))) return 'unreadable'
  if (kind === 'file' && isPrivateLink(stats)) return (await inspectInside(folder, name)) ?? 'private'
  return describe(name, kind, stats)
}

/** Names as bytes, since a file system takes any. Node's types leave this encoding out. */
function entriesOf(path: string): Promise<AsyncIterable<Dirent<Buffer>>> {
  const options = { bufferSize: 256, encoding: 'buffer' as BufferEncoding }
  return opendir(path, options) as Promise<AsyncIterable<unknown>> as Promise<AsyncIterable<Dirent<Buffer>>>
}

/** An entry's kind for sorting, or why it is not shown; undefined when it has gone meanwhile. */
async function classify(
  folder: Folder,
  dirent: Dirent<Buffer>,
  windows: boolean,
): Promise<Key | LeftOutReason | undefined> {
  if (!isUtf8(dirent.name)) return 'encoding'
  const name = dirent.name.toString()
  const reason = unservedName(name, windows)
  if (reason !== undefined) return reason
  if (dirent.isFile()) return { name, kind: 'file' }
  if (dirent.isDirectory()) return { name, kind: 'directory' }
  // A link, or a file system that does not report types.
  return inspect(folder, name)
}

/**
 * One page of an open folder, sorted, from the place `after` on (of an earlier page's `next`; anything else starts
 * over). Reads all names each time but holds one page of them, so a folder of any size costs bounded memory.
 */
export async function listFolder(root: SharedRoot, entry: OpenEntry, after?: string): Promise<ListedPage> {
  const folder: Folder = { root, path: await entriesPath(entry), realPath: entry.path }
  const windows = platform() === 'win32'
  const start = parseCursor(after)
  const counts = new Map<LeftOutReason, number>()
  const leave = (reason: LeftOutReason): unknown => counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const keys: Key[] = []
  for await (const dirent of await entriesOf(folder.path)) {
    const found = await classify(folder, dirent, windows)
    if (found === undefined) continue
    if (typeof found !== 'string') {
      if (start === undefined || compareEntries(found, start) > 0) insert(keys, found, pageEntries + 1)
    } else if (start === undefined) {
      leave(found)
    }
  }
  const page = keys.slice(0, pageEntries)
  const entries: ListedEntry[] = []
  for (let first = 0; first < page.length; first += inspectedAtOnce) {
    const some = page.slice(first, first + inspectedAtOnce)
    for (const found of await Promise.all(some.map(({ name }) => inspect(folder, name)))) {
      if (typeof found === 'string') leave(found)
      else if (found !== undefined) entries.push(found)
    }
  }
  // In an order that does not depend on the file system's: the same folder is the same text.
  const leftOut = Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return { entries, leftOut, next: keys.length > pageEntries ? formatCursor(page.at(-1)!) : undefined }
}
