import { createHash } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { cutToBytes } from '../../protocol/bytes.js'

/** Longest name in bytes that file systems take. Where UTF-16 units are counted they are no more. */
const maxNameBytes = 255

/** Room for what is added to a name: `.part.0123abcd.tmp` is the longest. */
const addedBytes = 18

/** Hexadecimal digits that distinguish names with the same beginning. */
const digestDigits = 16

/** Files beside one that is still growing. */
export interface PartPaths {
  readonly part: string
  readonly note: string
  /** A name for what becomes the note in one step. `unique` has eight letters. */
  temporary(unique: string): string
}

/** `FILE.part` and `FILE.part.json`; of a long name as much as leaves room, with a digest of all of it. */
export function partPaths(target: string): PartPaths {
  const name = basename(target)
  const room = maxNameBytes - addedBytes
  const digest = (): string => createHash('sha256').update(name).digest('hex').slice(0, digestDigits)
  const stem = Buffer.byteLength(name) <= room ? name : `${cutToBytes(name, room - digestDigits - 1)}~${digest()}`
  const part = join(dirname(target), `${stem}.part`)
  return { part, note: `${part}.json`, temporary: unique => `${part}.${unique}.tmp` }
}
