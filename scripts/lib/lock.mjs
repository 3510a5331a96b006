/** One process at a time, by a file that names its holder. */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** How often a waiting process looks again: short beside the seconds that the work takes. */
const POLL_MS = 100
/** After this long a waiting process says why it waits. */
const PATIENCE_MS = 3_000

/** Runs `work` while holding the lock file; waits for another holder that lives, takes over from one that does not. */
export async function withLock(path, work) {
  const begun = performance.now()
  let told = false
  while (!acquire(path)) {
    const holder = holderOf(path)
    if (holder !== undefined && !isAlive(holder)) {
      release(path, holder)
      continue
    }
    if (!told && performance.now() - begun > PATIENCE_MS) {
      process.stderr.write(`Waiting for process ${holder}, which is preparing this folder (${path}) …\n`)
      told = true
    }
    await delay(POLL_MS)
  }
  try {
    return await work()
  } finally {
    release(path, process.pid)
  }
}

/** Made complete under a name of its own, then linked: nobody ever sees a lock without its holder. */
function acquire(path) {
  const own = `${path}.${process.pid}`
  writeFileSync(own, String(process.pid))
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

function holderOf(path) {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Removes the lock only while it is still that holder's. */
function release(path, holder) {
  if (holderOf(path) === holder) rmSync(path, { force: true })
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
