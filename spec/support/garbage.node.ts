import { setImmediate } from 'node:timers/promises'

/** More than one: what a finalizer lets go of is collected by a later one. */
const collections = 5

/** Collects all that nobody holds, over several turns of the event loop. The process needs `--expose-gc`. */
export async function collectGarbage(): Promise<void> {
  if (globalThis.gc === undefined) throw new Error('Run this process with --expose-gc')
  for (let count = 0; count < collections; count++) {
    await setImmediate()
    globalThis.gc()
  }
  await setImmediate()
}
