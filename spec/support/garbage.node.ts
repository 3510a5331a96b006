import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** More than one: what a finalizer lets go of is collected by a later one. */
const collections = 5

/** Also where the process was started without `--expose-gc`. */
function collector(): () => unknown {
  if (globalThis.gc !== undefined) return globalThis.gc
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => unknown
}

/** Collects all that nobody holds, over several turns of the event loop. */
export async function collectGarbage(): Promise<void> {
  const collect = collector()
  for (let count = 0; count < collections; count++) {
    await setImmediate()
    collect()
  }
  await setImmediate()
}

/** What is held of objects and byte arrays. */
export async function heapBytes(): Promise<number> {
  await collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
