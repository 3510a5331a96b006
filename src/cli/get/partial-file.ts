import { constants } from 'node:fs'
import { type FileHandle, link, lstat, open, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { isMissing } from '../../adapters/private-file.node.js'
import { isRecord } from '../../protocol/json.js'
import { LighthouseError } from '../../protocol/errors.js'
import { diskFailure } from '../disk-failure.js'
import { CommandFailure } from '../failure.js'
import { isAlive } from '../running.js'
import { type Held, isStrongTag, type Version } from './answer.js'

/** What lies beside a partial file: which file of whom it is a part of, which version, and who writes it. */
interface Note {
  readonly address: string
  readonly etag: string | null
  readonly size: number | null
  /** The process at work; 0 when there is none. */
  readonly pid: number
}

/** Undefined where there is none that can be read. */
async function readNote(path: string): Promise<Note | undefined> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined
    throw error
  }
  if (!isRecord(value) || typeof value.address !== 'string') return undefined
  const { address, etag, size, pid } = value
  return {
    address,
    etag: isStrongTag(etag) ? etag : null,
    size: Number.isSafeInteger(size) && Number(size) >= 0 ? Number(size) : null,
    pid: Number.isInteger(pid) && Number(pid) > 0 ? Number(pid) : 0,
  }
}

/** File systems without hard links say so in these ways. */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** Gives the file its name, if nobody else has taken that in the meantime. */
async function moveToFree(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
    await unlink(from)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new CommandFailure('file-exists', `"${to}" has come into being in the meantime`)
    if (!noLinks.has(code ?? '')) throw error
    const isThere = await lstat(to).then(
      () => true,
      () => false,
    )
    if (isThere) throw new CommandFailure('file-exists', `"${to}" has come into being in the meantime`)
    await rename(from, to)
  }
}

/**
 * A file that is still growing, `FILE.part`, with a note beside it, `FILE.part.json`, so that another run can go on. The
 * note is written before the first byte of a version and never describes bytes of another one. Everything rejects with
 * `store-failed` when the disk fails.
 */
export class PartialFile {
  #length: number
  #version: Version | undefined
  #closed = false

  private constructor(
    readonly path: string,
    private readonly target: string,
    private readonly address: string,
    private readonly pid: number,
    private readonly file: FileHandle,
    held: { readonly length: number; readonly version: Version } | undefined,
  ) {
    this.#length = held?.length ?? 0
    this.#version = held?.version
  }

  /** Rejects with `file-exists` when the partial file is another program's or of another file, or somebody writes it now. */
  static async open(target: string, address: string, pid: number): Promise<PartialFile> {
    const path = `${target}.part`
    try {
      const note = await readNote(`${path}.json`)
      if (note !== undefined && note.pid !== 0 && note.pid !== pid && isAlive(note.pid)) {
        const message = `process ${note.pid} is writing "${path}"; if it is not, remove "${path}.json"`
        throw new CommandFailure('file-exists', message)
      }
      const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
      const file = await open(path, flags, 0o666)
      try {
        const stats = await file.stat()
        if (!stats.isFile() || (note === undefined && stats.size > 0)) {
          throw new CommandFailure('file-exists', `"${path}" is there and not of this command; move it away`)
        }
        if (note !== undefined && note.address !== address && stats.size > 0) {
          const message = `"${path}" is a part of ${note.address}; fetch the rest of that, remove it, or choose -o FILE`
          throw new CommandFailure('file-exists', message)
        }
        const isSame = note?.address === address && note.etag !== null && stats.size <= (note.size ?? Infinity)
        const version = isSame ? { etag: note.etag, size: note.size ?? undefined } : undefined
        const held = version && { length: stats.size, version }
        const partial = new PartialFile(path, target, address, pid, file, held)
        if (held === undefined) await file.truncate()
        await partial.#writeNote(pid)
        return partial
      } catch (error) {
        await file.close()
        throw error
      }
    } catch (error) {
      throw diskFailure(error, path)
    }
  }

  /** Bytes on the disk. */
  get length(): number {
    return this.#length
  }

  /** The length that was announced. */
  get size(): number | undefined {
    return this.#version?.size
  }

  /** What there is to go on from; undefined when everything has to be asked for. */
  get held(): Held | undefined {
    const { etag, size } = this.#version ?? {}
    return etag === undefined || this.#length === 0 ? undefined : { from: this.#length, version: { etag, size } }
  }

  /** Drops what there is; what is appended from now on is of this version. */
  async begin(version: Version | undefined): Promise<void> {
    await this.#do(async () => {
      await this.file.truncate()
      this.#length = 0
      this.#version = version
      await this.#writeNote(this.pid)
    })
  }

  /** Resolves when the bytes are with the system; whoever waits for it holds one piece in memory. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#do(async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, this.#length)
        done += bytesWritten
        this.#length += bytesWritten
      }
    })
  }

  /** Gives it its name, when the disk has all of it. Rejects with `not-as-announced` and with `file-exists`. */
  async finish(replaces: boolean): Promise<void> {
    await this.#do(async () => {
      await this.file.sync()
      const { size } = await this.file.stat()
      if (size !== (this.size ?? this.#length)) {
        const message = `"${this.path}" has ${size} bytes, and ${this.size ?? this.#length} were announced`
        throw new CommandFailure('not-as-announced', message)
      }
      await (replaces ? rename : moveToFree)(this.path, this.target)
      await this.#release()
      await rm(`${this.path}.json`, { force: true })
    })
  }

  /** Lets go of it. What holds nothing is taken away; the rest stays for another run. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.#release()
    if (this.#length > 0) await this.#writeNote(0)
    else await Promise.all([this.path, `${this.path}.json`].map(path => rm(path, { force: true })))
  }

  async #release(): Promise<void> {
    this.#closed = true
    await this.file.close()
  }

  async #writeNote(pid: number): Promise<void> {
    const { etag = null, size = null } = this.#version ?? {}
    const note: Note = { address: this.address, etag, size, pid }
    // As one step: without its note what is there would be nobody's.
    await writeFile(`${this.path}.json.tmp`, `${JSON.stringify(note)}\n`)
    await rename(`${this.path}.json.tmp`, `${this.path}.json`)
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
