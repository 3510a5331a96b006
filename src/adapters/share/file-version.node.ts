/**
 * Reads one version of an open file and nothing of another, whoever writes to it meanwhile.
 */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { type FileState, isSameVersion, unsettledMs } from '../../protocol/http/file-version.js'
import type { ByteRange } from '../../protocol/http/range.js'

/** What is needed of an open file. */
export interface OpenFile {
  readonly handle: Pick<FileHandle, 'read' | 'stat'>
  /** As it was when it was opened. */
  readonly stats: FileState
}

/** Thrown when a file is not, or does not stay, the version that was to be read. */
export class FileChanged extends Error {
  constructor() {
    super('the file was written to')
  }
}

/** Read at once. At most three of these are held for a request: being read, handed over, in the socket. */
const readBytes = 65_536

/** How often a file may be found fresh from being written to before it counts as being written all the time. */
const maxChecks = 4

/** A strong entity tag. Without the number of the device, which may be another one after a restart. */
export function entityTag({ ino, size, mtimeNs, ctimeNs }: FileState): string {
  return `"${createHash('sha256').update(`${ino}-${size}-${mtimeNs}-${ctimeNs}`).digest('base64url').slice(0, 22)}"`
}

/**
 * The version that a file is in once it was left alone for a moment, so that no later change can pass for it. Most files
 * were; else this waits for some milliseconds, or a few seconds on FAT. Throws `FileChanged` when somebody goes on writing.
 */
export async function settledVersion(file: OpenFile, signal: AbortSignal): Promise<FileState> {
  let state = file.stats
  for (let check = 1; check <= maxChecks; check += 1) {
    const waitMs = unsettledMs(state, Date.now())
    if (waitMs === 0) return state
    await setTimeout(waitMs, undefined, { signal })
    state = await file.handle.stat({ bigint: true })
  }
  throw new FileChanged()
}

/**
 * Reads a range. Every chunk was read while the file was still in that version, which is checked after each: throws
 * `FileChanged` instead of giving out a byte that may be of another one.
 */
export async function* readVersion(
  { handle }: OpenFile,
  version: FileState,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array> {
  for (let position = start; position <= end;) {
    const length = Math.min(readBytes, end - position + 1)
    // A new buffer each time: the response holds on to what it was given.
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position)
    if (bytesRead === 0 || !isSameVersion(await handle.stat({ bigint: true }), version)) throw new FileChanged()
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}
