/** A process for spec files, which may crash or stand still without harm to the run. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { killGroup } from './kill-group.mjs'

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url))

/**
 * `run(request, onEvent)` runs one file, one after the other, and resolves with `{ result, cpuMs }`. It rejects when the file
 * cannot be run, when the process ends on the way, and when it is killed because its thread did not move for `stillMs` or
 * the file was not over after `fileMs`.
 */
export class SpecProcess {
  #child
  #exited
  #limits
  #answer = () => undefined
  #onEvent = () => undefined
  #beat = () => undefined

  constructor(setup, limits, env) {
    this.#limits = limits
    // In a group of its own, so that it can be ended with everything that a spec started.
    this.#child = fork(worker, { detached: true, env: { ...process.env, ...env }, serialization: 'json' })
    this.#exited = new Promise(resolve => {
      this.#child.once('exit', (code, signal) => {
        killGroup(this.#child)
        this.#answer({ error: { message: `its process ended (${signal ?? `exit code ${code}`})` } })
        resolve()
      })
    })
    // It is gone before it was told something: the end says why.
    this.#child.on('error', () => undefined)
    this.#child.on('message', message => {
      this.#beat()
      // What jest sends for a spec is a pair of its own mark and the event.
      if (Array.isArray(message)) this.#onEvent(...message[1])
      else if (message.beat === undefined) this.#answer(message)
    })
    this.#child.send({ setup })
  }

  /** False once it cannot run another file. */
  get isAlive() {
    return this.#child.connected
  }

  async run(file, onEvent) {
    let last = 'before its first test'
    let still
    const limit = (ms, what) =>
      setTimeout(() => {
        this.#answer({ error: { message: `${what} for ${ms / 1_000} s and was killed, ${last}` } })
        killGroup(this.#child)
      }, ms)
    const whole = limit(this.#limits.fileMs, 'it ran')
    this.#beat = () => {
      clearTimeout(still)
      still = limit(this.#limits.stillMs, 'it stood still')
    }
    this.#beat()
    this.#onEvent = (name, data) => {
      if (name === 'test-case-start') last = `in "${data[1].fullName}"`
      if (name === 'test-case-result') last = `after "${data[1].fullName}"`
      onEvent(name, data)
    }
    try {
      const { result, cpuMs, error } = await new Promise(resolve => {
        this.#answer = resolve
        this.#child.send({ file })
      })
      if (error !== undefined) throw { ...error, stack: error.stack ?? error.message }
      return { result, cpuMs }
    } finally {
      this.#beat = () => undefined
      this.#answer = () => undefined
      clearTimeout(still)
      clearTimeout(whole)
    }
  }

  /** Resolves when nothing is left of it. */
  end() {
    killGroup(this.#child)
    return this.#exited
  }
}
