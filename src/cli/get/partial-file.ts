import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { LighthouseError } from '../../protocol/errors.js'
import { diskFailure } from '../disk-failure.js'
import { CommandFailure } from '../failure.js'
import { isAlive } from '../running.js'
import type { Version } from './answer.js'
import { Destination } from './destination.js'
import { codeOf, moveToFree } from './move-to-free.js'
import { type FoundNote, readNote, writeNote } from './part-note.js'
import { type PartPaths, partPaths } from './part-paths.js'

/** Opens the file, made where there is none. A link is not followed, and a pipe must not hold us. */
async function openPart(path: string): Promise<{ readonly file: FileHandle; readonly isNew: boolean }> {
  const flags = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  try {
    return { file: await open(path, flags | constants.O_CREAT | constants.O_EXCL, 0o666), isNew: true }
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return { file: await open(path, flags), isNew: false }
  }
}

function assertFree({ part, note }: PartPaths, earlier: FoundNote, pid: number): void {
  if (typeof earlier === 'string' || earlier.pid === 0 || earlier.pid === pid || !isAlive(earlier.pid)) return
  const message = `process ${earlier.pid} is writing "${part}"; if it is not, remove "${note}"`
  throw new CommandFailure('file-exists', message)
}

/** What is held of the file at this address. Throws `file-exists` where the bytes are another's, which may have paid for them. */
function heldOf(path: string, stats: Stats, earlier: FoundNote, address: string): Known | undefined {
  if (!stats.isFile() || (typeof earlier === 'string' && stats.size > 0)) {
    throw new CommandFailure('file-exists', `"${path}" exists and was not made by this command; move it away`)
  }
  if (typeof earlier === 'string') return undefined
  if (earlier.address !== address && stats.size > 0) {
    const message = `"${path}" is a part of ${earlier.address}; finish that download, delete the file, or choose another name with -o FILE`
    throw new CommandFailure('file-exists', message)
  }
  const { etag, size } = earlier
  if (earlier.address !== address || etag === null || stats.size > (size ?? Infinity)) return undefined
  return { length: stats.size, version: { etag, size: size ?? undefined } }
}

/** Bytes of a version. */
interface Known {
  readonly length: number
  readonly version: Version
}

/**
 * A file that is still growing, `FILE.part`, with a note beside it, `FILE.part.json`, so that another run can go on. The
 * note is written before the first byte of a version and never describes bytes of another one. Everything rejects with
 * `store-failed` when the disk fails.
 */
export class PartialFile extends Destination {
  readonly canGoOn = true
  #closed = false

  private constructor(
    private readonly paths: PartPaths,
    private readonly target: string,
    private readonly address: string,
    private readonly pid: number,
    private readonly file: FileHandle,
    held: Known | undefined,
  ) {
    super()
    this.bytes = held?.length ?? 0
    this.version = held?.version
  }

  /**
   * Rejects with `file-exists` when the partial file is another program's or of another file, or somebody writes it now. What
   * was not there before is not there after a failure.
   */
  static async open(target: string, address: string, pid: number): Promise<PartialFile> {
    const paths = partPaths(target)
    try {
      const earlier = await readNote(paths.note)
      assertFree(paths, earlier, pid)
      const { file, isNew } = await openPart(paths.part)
      try {
        const held = heldOf(paths.part, await file.stat(), earlier, address)
        const partial = new PartialFile(paths, target, address, pid, file, held)
        await partial.#claim(earlier === 'none').catch(async (error: unknown) => {
          if (isNew) await rm(paths.part, { force: true })
          throw error
        })
        if (held === undefined) await file.truncate()
        return partial
      } catch (error) {
        await file.close()
        throw error
      }
    } catch (error) {
      throw diskFailure(error, paths.part)
    }
  }

  get path(): string {
    return this.paths.part
  }

  get keptIn(): string | undefined {
    return this.held === undefined ? undefined : this.path
  }

  async begin(version: Version): Promise<void> {
    await this.#do(async () => {
      await this.file.truncate()
      this.bytes = 0
      this.version = version
      await this.#writeNote(this.pid, true)
    })
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#do(async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, this.bytes)
        done += bytesWritten
        this.bytes += bytesWritten
      }
    })
  }

  /** Gives it its name, when the disk has all of it. Rejects with `not-as-announced` and with `file-exists`. */
  async finish(replaces: boolean): Promise<void> {
    await this.#do(async () => {
      await this.file.sync()
      const { size } = await this.file.stat()
      if (size !== (this.size ?? this.bytes)) {
        const message = `"${this.path}" has ${size} bytes, and ${this.size ?? this.bytes} were announced`
        throw new CommandFailure('not-as-announced', message)
      }
      if (replaces) await rename(this.path, this.target)
      else if (!(await moveToFree(this.path, this.target))) {
        throw new CommandFailure('file-exists', `"${this.target}" was created in the meantime`)
      }
      await this.#release()
      await rm(this.paths.note, { force: true })
    })
  }

  /** Closes it. An empty file is removed; anything else stays for another run. Never rejects: a failing disk was reported before. */
  async close(): Promise<void> {
    if (this.#closed) return
    try {
      await this.#release()
      if (this.bytes > 0) await this.#writeNote(0, true)
      else await Promise.all([this.path, this.paths.note].map(path => rm(path, { force: true })))
    } catch {
      // A full disk takes no new note. The one that is there names this process, which is about to end.
    }
  }

  async #release(): Promise<void> {
    this.#closed = true
    await this.file.close()
  }

  /** Takes the file for this process. Where nobody had a note, of several that try at once one gets it. */
  async #claim(isFree: boolean): Promise<void> {
    if (await this.#writeNote(this.pid, !isFree)) return
    assertFree(this.paths, await readNote(this.paths.note), this.pid)
    throw new CommandFailure('file-exists', `another process has started to write "${this.path}"`)
  }

  /** False where there is a note and it may not be replaced. */
  async #writeNote(pid: number, replaces: boolean): Promise<boolean> {
    const { etag = null, size = null } = this.version ?? {}
    return writeNote(this.paths, { address: this.address, etag, size, pid }, replaces)
  }

  async #do(work: () => Promise<void>): Promise<void> {
    if (this.#closed) throw new LighthouseError('store-failed', `"${this.path}" is closed`)
    try {
      await work()
    } catch (error) {
      throw diskFailure(error, this.path)
    }
  }
}
