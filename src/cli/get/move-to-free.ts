import { link, lstat, rename, unlink } from 'node:fs/promises'

/** How file systems without hard links refuse one. */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** What the system calls a failure. */
export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

/** Gives a file its name unless there is one of that name already: false then. */
export async function moveToFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    await unlink(from)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!noLinks.has(codeOf(error))) throw error
    const isThere = await lstat(to).then(
      () => true,
      () => false,
    )
    if (!isThere) await rename(from, to)
    return !isThere
  }
}
