import { constants } from 'node:fs'

/** Errors for a path that mean only that there is nothing to serve. */
const absent = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'EINVAL', 'ENXIO', 'ENODEV'])

/** Whether an error of the file system means no more than that nothing is there for us. */
export function isAbsent(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  return code !== undefined && absent.has(code)
}

/**
 * Never waits for the other end of a pipe, never follows a link that took the place of what was checked, never becomes
 * a terminal's owner. What a platform does not have is undefined there and counts as 0.
 */
export const readFlags =
  constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0) | (constants.O_NOCTTY ?? 0)
