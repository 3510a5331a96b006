import { LighthouseError } from '../protocol/errors.js'
import { CommandFailure } from './failure.js'

/** What went wrong with the disk below `path`, in words and with what to do. Ours pass unchanged. */
export function diskFailure(error: unknown, path: string): Error {
  if (error instanceof CommandFailure || error instanceof LighthouseError) return error
  const { code, message } = error as NodeJS.ErrnoException
  return new LighthouseError('store-failed', describe(code, message, path), {}, { cause: error })
}

function describe(code: string | undefined, message: string, path: string): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full: there is no room for "${path}"`
    case 'EFBIG':
      return `"${path}" is larger than its file system or your limits allow`
    case 'ENAMETOOLONG':
      return `the file system does not take a name as long as "${path}". Choose a shorter one with -o FILE`
    default:
      return `cannot write "${path}": ${message}`
  }
}
