import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import type { Database } from '../../../src/adapters/sqlite-library.node.js'
import { readLog } from '../../../src/hub/adapters/write-ahead-log.js'

const pageBytes = 4_096
const frameBytes = pageBytes + 24

describe('readLog', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lighthouse-spec-'))
    path = join(folder, 'killed.db')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  /** A database with three transactions in its log, as a killed process leaves it. Returns the log. */
  function killed(work: (database: Database) => void = () => undefined): Buffer {
    const database = new DatabaseSync(join(folder, 'open.db'))
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (text)')
    work(database)
    for (const text of ['one', 'two']) database.prepare('INSERT INTO t VALUES (?)').run(text.repeat(2_000))
    copyFileSync(join(folder, 'open.db'), path)
    copyFileSync(join(folder, 'open.db-wal'), `${path}-wal`)
    database.close()
    return readFileSync(`${path}-wal`)
  }

  const framesOf = (log: Buffer): number => (log.length - 32) / frameBytes
  const isCommit = (log: Buffer, frame: number): boolean => log.readUInt32BE(32 + (frame - 1) * frameBytes + 4) !== 0

  it('is undefined without a log, and finds nothing in one that a kill left', () => {
    expect(readLog(path)).toBeUndefined()
    const log = killed()
    expect(framesOf(log)).toBeGreaterThanOrEqual(6)
    expect(readLog(path)).toEqual({ unfinishedFrames: 0, problem: undefined })
  })

  it('finds nothing in what a kill cut off, wherever it did', () => {
    const log = killed()
    for (let length = 0; length <= log.length; length += 499) {
      writeFileSync(`${path}-wal`, log.subarray(0, length))
      expect(readLog(path)?.problem).toBeUndefined()
    }
  })

  it('finds nothing in a log that began anew over an older one, also where its last frame was not written to its end', () => {
    const log = killed(database => {
      for (let row = 0; row < 20; row += 1) database.prepare('INSERT INTO t VALUES (?)').run('old'.repeat(2_000))
      database.exec('PRAGMA wal_checkpoint(RESTART)')
    })
    expect(framesOf(log)).toBeGreaterThan(20)
    expect(readLog(path)).toEqual({ unfinishedFrames: 0, problem: undefined })
    const last = Array.from({ length: framesOf(log) }, (_, index) => index + 1).findLast(
      frame => log.readUInt32BE(32 + (frame - 1) * frameBytes + 8) === log.readUInt32BE(16) && isCommit(log, frame),
    )!
    log.fill(0, 32 + (last - 1) * frameBytes + 3_000, 32 + last * frameBytes)
    writeFileSync(`${path}-wal`, log)
    expect(readLog(path)?.problem).toBeUndefined()
    expect(readLog(path)?.unfinishedFrames).toBeGreaterThan(0)
  })

  it('finds each changed byte before the last transaction, and says of that one how much does not count', () => {
    const log = killed()
    const commits = Array.from({ length: framesOf(log) }, (_, index) => index + 1).filter(frame => isCommit(log, frame))
    const lastBegins = 32 + commits.at(-2)! * frameBytes
    // The last word of a frame's head would do without its last one, so none is left out.
    for (let at = 0; at < log.length; at += at < 64 ? 1 : 61) {
      const changed = Buffer.from(log)
      changed[at]! ^= 16
      writeFileSync(`${path}-wal`, changed)
      const { problem, unfinishedFrames } = readLog(path)!
      if (at < 32) expect([at, problem]).toEqual([at, 'its head is damaged'])
      else if (at < lastBegins) {
        const frame = Math.floor((at - 32) / frameBytes) + 1
        expect([at, problem]).toEqual([at, `its frame ${frame} is damaged, and more was written after that`])
      } else expect([at, problem, unfinishedFrames > 0]).toEqual([at, undefined, true])
    }
  })
})
