/**
 * What peers and hubs keep for themselves is never served, wherever it lies in a shared folder and however it is reached.
 * It is known by its folder and by its device and inode; a name alone proves nothing, since a film may have it, too.
 */
import type { BigIntStats } from 'node:fs'
import { type FileHandle, lstat, open, readdir, realpath } from 'node:fs/promises'
import { platform } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { databaseNames, isKeptName } from '../../protocol/peer/kept-names.js'
import { markerLine } from '../store/key-marker.node.js'
import { isAbsent, readFlags } from './file-errors.node.js'

/** How much of a file is read. The files with a key pair have some 300 bytes. */
const headBytes = 4_096

/** What identifies a folder as the home of a peer, registered or about to be, or of a hub. */
const homeMarks = {
  'metadata.json': /"priv_key"\s*:/,
  'metadata.json.pending': /"priv_key"\s*:/,
  'hub.db.fingerprint': markerLine,
}

/** The first bytes of a database of SQLite, of its log and the log's index in either byte order, of JSON, and of a fingerprint. */
const keptHead = new RegExp(
  `^(?:SQLite format 3\\0|7\\x7f\\x06[\\x82\\x83]|\\x18\\xe2-\\0|\\0-\\xe2\\x18|\\{)|${markerLine.source}`,
)

/** What a peer or a hub writes beside a database: whose it is, and how to talk to the hub that runs on it. */
const databaseMarks = { '.fingerprint': markerLine, '.control': /^\{"url":"/ }

/** Resolves to undefined where there is nothing for us. */
async function orAbsent<T>(attempt: Promise<T>): Promise<T | undefined> {
  return attempt.catch((error: unknown) => {
    if (isAbsent(error)) return undefined
    throw error
  })
}

async function headOf(handle: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0)
  return buffer.toString('latin1', 0, bytesRead)
}

/** Whether there is a file, or a link to one, whose first bytes fit. */
async function begins(path: string, pattern: RegExp): Promise<boolean> {
  const target = await orAbsent(realpath(path))
  const handle = target === undefined ? undefined : await orAbsent(open(target, readFlags))
  try {
    return handle !== undefined && (await handle.stat()).isFile() && pattern.test(await headOf(handle))
  } finally {
    await handle?.close()
  }
}

function idOf({ dev, ino }: BigIntStats): string {
  return `${dev} ${ino}`
}

/** Whether a file is for its owner alone, as everything is that peers and hubs keep. Windows does not report it. */
function isForOwnerAlone({ mode }: BigIntStats): boolean {
  return platform() === 'win32' || (mode & 0o077n) === 0n
}

/** Whether a file has another name, which may be that of something kept. */
export function isPrivateLink(stats: BigIntStats): boolean {
  return stats.nlink > 1n && isForOwnerAlone(stats)
}

/** Recognises private files in a shared folder. */
export class KeptFiles {
  /**
   * @param root the shared folder, and `home` the one of the peer that shares it, where it has one; both without links. Homes of
   * other peers and hubs are known by what is in them.
   */
  constructor(
    private readonly root: string,
    private readonly home: string | undefined,
  ) {}

  /** Whether a folder is somebody's home. Nothing in it is served, unless it is the shared folder itself. */
  async isHome(folder: string): Promise<boolean> {
    if (folder === this.home) return true
    const checks = Object.entries(homeMarks).map(([name, mark]) => begins(join(folder, name), mark))
    return (await Promise.all(checks)).includes(true)
  }

  /**
   * Whether a file in a folder that is no home, or is the shared one, is kept. For listings, which check many: a database that
   * others on the machine may read is found by `isKept` alone.
   */
  async isKeptFile(folder: string, name: string, stats: BigIntStats): Promise<boolean> {
    if (isKeptName(name) && folder === this.root && (await this.isHome(folder))) return true
    if (isForOwnerAlone(stats) && (await this.#isDatabase(folder, name))) return true
    return stats.nlink > 1n && (await this.#ownIds()).includes(idOf(stats))
  }

  /** Whether what was opened at `path`, in the shared folder and without links, is kept. */
  async isKept(path: string, kind: 'file' | 'directory', stats: BigIntStats, handle: FileHandle): Promise<boolean> {
    for (let folder = kind === 'file' ? dirname(path) : path; folder !== this.root; folder = dirname(folder)) {
      if (await this.isHome(folder)) return true
    }
    if (kind === 'directory') return false
    const [folder, name] = [dirname(path), basename(path)]
    if ((await this.isKeptFile(folder, name, stats)) || (await this.#isDatabase(folder, name))) return true
    // Of another home, perhaps, which is not known.
    return isPrivateLink(stats) && keptHead.test(await headOf(handle))
  }

  async #isDatabase(folder: string, name: string): Promise<boolean> {
    const checks = databaseNames(name).flatMap(database =>
      Object.entries(databaseMarks).map(([ending, head]) => begins(join(folder, database + ending), head)),
    )
    return (await Promise.all(checks)).includes(true)
  }

  /** What the own home keeps right now: files come and go and are replaced while the peer runs. */
  async #ownIds(): Promise<readonly string[]> {
    const { home } = this
    if (home === undefined) return []
    const names = (await orAbsent(readdir(home))) ?? []
    const files = names.filter(isKeptName).map(name => orAbsent(lstat(join(home, name), { bigint: true })))
    return (await Promise.all(files)).flatMap(stats => (stats === undefined ? [] : [idOf(stats)]))
  }
}
