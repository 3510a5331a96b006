/**
 * Files that only their owner may read: keys, remembered keys, the control token. Written whole or not at all.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { cutToBytes } from '../../protocol/bytes.js'
import { LighthouseError, type ErrorCode, toLighthouseError } from '../../protocol/errors.js'

/** Largest private file in bytes. Ten thousand remembered keys fit; a device or a wrong path does not fill the memory. */
const maxFileBytes = 4 * 1024 * 1024

/** Longest name in bytes that common file systems take. */
const maxNameBytes = 255

/** Windows keeps access rights in lists that a mode does not show. */
const hasModes = process.platform !== 'win32'

/** Whether a call failed because there is no such file. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ENOENT'
}

/**
 * Makes the folder with mode 0700 where it is missing. One that others may look into or write to, or that belongs to another
 * user, is refused with `code`: what is made in it later could be read, or replaced. Its mode is not changed without asking,
 * since it may be the current folder, where others need it.
 */
export function ensurePrivateFolder(path: string, code: ErrorCode): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const { mode, uid } = statSync(path)
    const self = process.getuid?.()
    if (self !== undefined && self !== 0 && uid !== self) {
      throw new LighthouseError(
        code,
        `the folder "${path}" belongs to another user. Choose one of your own with --home`,
      )
    }
    if (hasModes && (mode & 0o077) !== 0) {
      throw new LighthouseError(
        code,
        `others on this machine may look into "${path}", where keys are kept. Run: chmod 700 "${path}". ` +
          'If they need that folder, move the files that Lighthouse keeps there to another one, and name it with --home',
      )
    }
  } catch (error) {
    throw toLighthouseError(code, error, `cannot use the folder "${path}"`)
  }
}

/**
 * Reads a file that only its owner may read; undefined when there is none. Throws `code` when others may read or write
 * it, when it belongs to somebody else, or when it is no ordinary file.
 */
export function readPrivateFile(path: string, code: ErrorCode): string | undefined {
  let file: number
  try {
    // A pipe must not hold us until somebody writes to it.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw toLighthouseError(code, error, `cannot read "${path}"`)
  }
  try {
    const { mode, uid, size } = fstatSync(file)
    const refuse = (reason: string): never => {
      throw new LighthouseError(code, reason)
    }
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) refuse(`"${path}" is not a file`)
    if (size > maxFileBytes) refuse(`"${path}" is too large`)
    const self = process.getuid?.()
    if (self !== undefined && self !== 0 && uid !== self) refuse(`"${path}" belongs to another user`)
    if (hasModes && (mode & 0o077) !== 0) {
      refuse(`others on this machine may read "${path}". Run: chmod 600 "${path}"`)
    }
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw toLighthouseError(code, error, `cannot read "${path}"`)
  } finally {
    closeSync(file)
  }
}

function syncFolder(path: string): void {
  if (!hasModes) return
  const folder = openSync(dirname(path), constants.O_RDONLY)
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function writeTemporary(path: string, text: string): string {
  const ending = `.${randomBytes(6).toString('hex')}.tmp`
  // Beside a file whose name is as long as names may be.
  const temporary = join(dirname(path), `${cutToBytes(basename(path), maxNameBytes - ending.length)}${ending}`)
  const file = openSync(temporary, 'wx', 0o600)
  try {
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    return temporary
  } catch (error) {
    unlinkSync(temporary)
    throw error
  }
}

/** Replaces a file as one step, with mode 0600: after a crash there is the old text or the new one. Throws `code`. */
export function writePrivateFile(path: string, text: string, code: ErrorCode): void {
  try {
    const temporary = writeTemporary(path, text)
    try {
      renameSync(temporary, path)
    } catch (error) {
      unlinkSync(temporary)
      throw error
    }
    syncFolder(path)
  } catch (error) {
    throw toLighthouseError(code, error, `cannot write "${path}"`)
  }
}

/** The same, but only where there is no such file: false, and nothing changed, when there is one. */
export function createPrivateFile(path: string, text: string, code: ErrorCode): boolean {
  try {
    const temporary = writeTemporary(path, text)
    try {
      linkSync(temporary, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    } finally {
      unlinkSync(temporary)
    }
    syncFolder(path)
    return true
  } catch (error) {
    throw toLighthouseError(code, error, `cannot write "${path}"`)
  }
}
