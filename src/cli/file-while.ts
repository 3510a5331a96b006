import { readFileSync, unlinkSync } from 'node:fs'
import { Observable } from 'rxjs'
import { isMissing } from '../adapters/store/private-file.node.js'
import { toLighthouseError } from '../protocol/errors.js'
import { toFailure } from './failure.js'
import type { Output } from './output.js'

/** A file that announces a running process. */
export interface OwnFile {
  readonly path: string
  /** Random text in it by which it is known to be ours. */
  readonly token: string
  readonly write: () => void
}

/** Another process may have written its own in the meantime. */
function removeOwn({ path, token }: OwnFile): void {
  try {
    if (readFileSync(path, 'utf8').includes(token)) unlinkSync(path)
  } catch (error) {
    if (!isMissing(error)) throw toLighthouseError('store-failed', error, `cannot remove "${path}"`)
  }
}

/**
 * Writes a file when it is subscribed to and removes it when that ends, but never somebody else's. Emits nothing. Errors with
 * what `write` throws; a file that cannot be removed is reported as a notice.
 */
export function fileWhile$(file: OwnFile, output: Output): Observable<never> {
  return new Observable(subscriber => {
    subscriber.add(() => {
      try {
        removeOwn(file)
      } catch (error) {
        output.notice(toFailure(error).message)
      }
    })
    file.write()
  })
}
