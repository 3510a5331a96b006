import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { isMissing } from '../../adapters/store/private-file.node.js'
import { isRecord } from '../../protocol/json.js'
import { isStrongTag } from './answer.js'
import { moveToFree } from './move-to-free.js'
import type { PartPaths } from './part-paths.js'

/** What lies beside a partial file: which file of whom it is a part of, which version, and who writes it. */
export interface Note {
  readonly address: string
  readonly etag: string | null
  readonly size: number | null
  /** The process at work; 0 when there is none. */
  readonly pid: number
}

/** A note as it was found. One that cannot be read is somebody else's file of that name, or a crash cut it off. */
export type FoundNote = Note | 'none' | 'unreadable'

/** Reads what is there. */
export async function readNote(path: string): Promise<FoundNote> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    if (isMissing(error)) return 'none'
    if (error instanceof SyntaxError) return 'unreadable'
    throw error
  }
  if (!isRecord(value) || typeof value.address !== 'string') return 'unreadable'
  const { address, etag, size, pid } = value
  return {
    address,
    etag: isStrongTag(etag) ? etag : null,
    size: Number.isSafeInteger(size) && Number(size) >= 0 ? Number(size) : null,
    pid: Number.isInteger(pid) && Number(pid) > 0 ? Number(pid) : 0,
  }
}

/** Writes a note as one step: without its note what is there would be nobody's. False where there is one and it may not be replaced. */
export async function writeNote(paths: PartPaths, note: Note, replaces: boolean): Promise<boolean> {
  const temporary = paths.temporary(randomBytes(4).toString('hex'))
  try {
    await writeFile(temporary, `${JSON.stringify(note)}\n`, { flag: 'wx' })
    if (!replaces) return await moveToFree(temporary, paths.note)
    await rename(temporary, paths.note)
    return true
  } finally {
    await rm(temporary, { force: true })
  }
}
