import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { isMissing } from '../../adapters/private-file.node.js'

/** The log's head, and that of each frame, which a page follows. See "WAL File Format" in https://www.sqlite.org/fileformat2.html. */
const headBytes = 32
const frameHeadBytes = 24
const magics = { little: 0x377f0682, big: 0x377f0683 } as const

/** Sizes that a page can have. */
const pageBytes = { least: 512, most: 65_536 } as const

/** What a write-ahead log that a hub left has in it. */
export interface LogState {
  /** Frames at its end that do not count: of a transaction that was never finished. */
  readonly unfinishedFrames: number
  /** What shows that something in it was changed after it was written. SQLite leaves out all from there on without a word. */
  readonly problem: string | undefined
}

type Sums = readonly [number, number]

/** Adds bytes, in words of the log's byte order, to its running checksum. */
function add([first, second]: Sums, bytes: Buffer, isBig: boolean): Sums {
  let one = first
  let two = second
  for (let at = 0; at < bytes.length; at += 8) {
    one = (one + (isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + two) >>> 0
    two = (two + (isBig ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + one) >>> 0
  }
  return [one, two]
}

const areAt = (bytes: Buffer, at: number, [first, second]: Sums): boolean =>
  bytes.readUInt32BE(at) === first && bytes.readUInt32BE(at + 4) === second

/** The frames of a log one by one, with their heads. A part of one at the end is left out. */
function* framesOf(file: number, frameBytes: number): Generator<Buffer> {
  const { size } = fstatSync(file)
  for (let at = headBytes; at + frameBytes <= size; at += frameBytes) {
    const frame = Buffer.alloc(frameBytes)
    readSync(file, frame, 0, frameBytes, at)
    yield frame
  }
}

/**
 * Follows the frames as SQLite does: up to the first whose salts or checksum are not those of the log. Frames are written in
 * order, and each transaction is on the disk before the next one begins: so when a whole one and a further frame of this
 * log come after that, it was there once.
 */
function follow(file: number, size: number): LogState {
  const head = Buffer.alloc(headBytes)
  readSync(file, head, 0, headBytes, 0)
  const isBig = head.readUInt32BE(0) === magics.big
  const page = head.readUInt32BE(8)
  let sums = add([0, 0], head.subarray(0, 24), isBig)
  const isHead = (isBig || head.readUInt32BE(0) === magics.little) && areAt(head, 24, sums)
  if (!isHead || page < pageBytes.least || page > pageBytes.most) {
    // Nothing is written behind a head that is not on the disk.
    return { unfinishedFrames: 0, problem: size > headBytes ? 'its head is damaged' : undefined }
  }
  const salts: Sums = [head.readUInt32BE(16), head.readUInt32BE(20)]
  let [number, bad, unfinished] = [0, 0, 0]
  let isWhole = false
  for (const frame of framesOf(file, frameHeadBytes + page)) {
    number += 1
    const isOurs = areAt(frame, 8, salts)
    const isCommit = frame.readUInt32BE(4) !== 0
    if (bad === 0) {
      sums = add(add(sums, frame.subarray(0, 8), isBig), frame.subarray(frameHeadBytes), isBig)
      if (isOurs && areAt(frame, 16, sums)) {
        unfinished = isCommit ? 0 : unfinished + 1
        continue
      }
      bad = number
    } else if (isOurs && isWhole) {
      return { unfinishedFrames: 0, problem: `its frame ${bad} is damaged, and more was written after that` }
    }
    if (isOurs) unfinished += 1
    isWhole ||= isOurs && isCommit
  }
  return { unfinishedFrames: unfinished, problem: undefined }
}

/** What the log beside a database has in it; undefined where there is none, or an empty one. Throws what the file system does. */
export function readLog(path: string): LogState | undefined {
  let file: number
  try {
    file = openSync(`${path}-wal`, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    const { size } = fstatSync(file)
    return size < headBytes ? undefined : follow(file, size)
  } finally {
    closeSync(file)
  }
}
