import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Observable } from 'rxjs'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import { isMissing } from './private-file.node.js'

/** A peer that writes all the time moves its log into the file every thousand pages or so: one of these attempts fits between. */
const attempts = 20

/** The head of a write-ahead log changes whenever the log begins anew. */
const logHeadBytes = 32

/** What tells that the file was not written to, and its log not begun anew. */
function mark(path: string): string {
  const { size, mtimeNs } = statSync(path, { bigint: true })
  try {
    return `${size} ${mtimeNs} ${readFileSync(`${path}-wal`).subarray(0, logHeadBytes).toString('hex')}`
  } catch (error) {
    if (!isMissing(error)) throw error
    return `${size} ${mtimeNs}`
  }
}

function copy(path: string, target: string): boolean {
  const before = mark(path)
  copyFileSync(path, target)
  try {
    copyFileSync(`${path}-wal`, `${target}-wal`)
  } catch (error) {
    if (!isMissing(error)) throw error
    rmSync(`${target}-wal`, { force: true })
  }
  return mark(path) === before
}

/**
 * A copy of a receipt book as it is at one moment, also while a running peer has the file locked: the file and its log, taken
 * while neither was begun anew in between. In a private folder beside the book; emits the copy's path on subscription and
 * never completes, and unsubscribing removes it. Emits undefined where there is no book. Errors with `store-failed`.
 */
export function receiptSnapshot$(path: string): Observable<string | undefined> {
  return new Observable(subscriber => {
    try {
      const folder = mkdtempSync(join(dirname(path), '.receipts-'))
      subscriber.add(() => rmSync(folder, { recursive: true, force: true }))
      const target = join(folder, basename(path))
      for (let left = attempts; left > 0; left -= 1) {
        if (copy(path, target)) return subscriber.next(target)
      }
      subscriber.error(
        new LighthouseError('store-failed', `"${path}" is being written to all the time. Try again in a moment`),
      )
    } catch (error) {
      if (isMissing(error)) return subscriber.next(undefined)
      subscriber.error(toLighthouseError('store-failed', error, `cannot copy "${path}"`))
    }
  })
}
