/** What takes long to make and is never changed is made once for a run of specs, by the first that needs it. */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'

/** Plain JavaScript outside the compiled tree, so its shape is said here. */
const { withLock } = (await import(new URL('../../../scripts/lib/lock.mjs', import.meta.url).href)) as {
  withLock: <T>(path: string, work: () => Promise<T>) => Promise<T>
}

/** Where a run keeps it until its end; the runner of the specs says so. */
export const runFolder: string | undefined = process.env['LIGHTHOUSE_RUN_FOLDER']

/** Its path in the folder of the run. `make` puts a file or folder at the path that it is given. */
export async function madeOnce(folder: string, name: string, make: (path: string) => Promise<void>): Promise<string> {
  const path = join(folder, name)
  await withLock(`${path}.lock`, async () => {
    if (existsSync(path)) return
    // Under its name only when it is whole.
    const unfinished = `${path}.unfinished`
    await make(unfinished)
    renameSync(unfinished, path)
  })
  return path
}
