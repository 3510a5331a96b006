/**
 * Runs spec files with jest's own code, in a process that `spec-process.mjs` starts. Takes `{ setup }` once, then
 * `{ file }` for each; answers `{ result, cpuMs }` or `{ error }`, and says `{ beat }` all the while its thread is alive.
 * What a spec says of its tests passes as jest sends it.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { killGroup } from './kill-group.mjs'

const jestRunner = createRequire(import.meta.url).resolve('jest-runner')
const jestWorker = createRequire(jestRunner)('./testWorker.js')

/** How often the parent hears that this thread runs. */
const beatMs = 1_000

/** A clock tick of Linux, which counts CPU time in hundredths of a second whatever the kernel does inside. */
const tickMs = 10

/** CPU time of this process and of the processes that it started and that are over, where the system tells. */
function cpuMs() {
  try {
    // The name of the program stands in parentheses and may hold anything; utime, stime, cutime and cstime come 12th after it.
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * tickMs
  } catch {
    // Not Linux: its own at least.
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  }
}

let ready = Promise.resolve()

/** Not by `await`, which would put this file above those of a spec in the stack of what takes too long. */
function run(file) {
  const before = cpuMs()
  return ready
    .then(() => jestWorker.worker(file))
    .then(
      result => ({ result, cpuMs: cpuMs() - before }),
      error => ({ error }),
    )
}

/** The parent may be gone, which `disconnect` tells. */
const send = message => process.send(message, () => undefined)

process.on('message', ({ setup, file }) => {
  if (setup !== undefined) ready = jestWorker.setup(setup)
  if (file !== undefined) void run(file).then(send)
})
// The run is over, or was broken off: whatever a spec started goes too.
process.on('disconnect', () => killGroup(process))
setInterval(() => send({ beat: true }), beatMs).unref()
