/**
 * A jest runner for both projects of jest.config.mjs. The `pure` specs go through one process, one after the other; each
 * `native` one has a process of its own, several at once. A file that crashes its process or stands still costs itself and
 * not the run. A file that fails is run once more by itself at the end; when it passes then, its result is marked `flaky`.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { SpecProcess } from './spec-process.mjs'

/** When a file is given up. Large sizes keep a thread busy for longer. */
const patience = process.env.LIGHTHOUSE_FULL === '1' ? 10 : 1
const defaultLimits = { stillMs: 120_000 * patience, fileMs: 600_000 * patience }

/** More files than this that fail are no accident, and need no second run to be believed. */
const maxSecondRuns = 8

const hasFailed = ({ error, result }) =>
  error !== undefined || result.numFailingTests > 0 || Boolean(result.testExecError)

const colors = new RegExp(`${String.fromCodePoint(27)}\\[[\\d;]*m`, 'g')

/** What a file failed with, in one line. */
function reasonOf({ error, result }) {
  const test = result?.testResults.find(({ status }) => status === 'failed')
  const text = test?.failureMessages[0] ?? result?.testExecError?.message ?? error.message
  const line = text
    .replaceAll(colors, '')
    .split('\n')
    .find(part => part.trim() !== '')
  return test === undefined ? line : `${test.fullName}: ${line}`
}

/** For what is made once, and for whatever specs put into the temporary folder: a file that is killed takes nothing away. */
function runFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-run-'))
  mkdirSync(join(folder, 'tmp'))
  // Other users may pass: PostgreSQL does not run as root.
  for (const path of [folder, join(folder, 'tmp')]) chmodSync(path, 0o711)
  return folder
}

const environmentIn = folder => ({ LIGHTHOUSE_RUN_FOLDER: folder, TMPDIR: join(folder, 'tmp') })

/** Jest wants a default export. */
export default class SpecRunner {
  supportsEventEmitters = true
  #globalConfig
  #context
  #limits
  #listeners = new Map()

  /** `options` may have the limits `stillMs` and `fileMs`. */
  constructor(globalConfig, context, options = {}) {
    this.#globalConfig = globalConfig
    // As sets do not survive on the way to another process.
    this.#context = Object.fromEntries(Object.entries(context).map(([name, set]) => [name, set && [...set]]))
    this.#limits = { ...defaultLimits, ...options }
  }

  on(name, listener) {
    this.#listeners.set(name, listener)
    return () => this.#listeners.delete(name)
  }

  async runTests(tests, watcher, { serial }) {
    const folder = runFolder()
    try {
      await this.#runIn(folder, tests, watcher, serial)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  async #runIn(folder, tests, watcher, serial) {
    const setup = { serializableResolvers: this.#resolvers(tests) }
    const start = () => new SpecProcess(setup, this.#limits, environmentIn(folder))
    const failures = []
    const lane = async (queue, isShared) => {
      let one
      for (let test = queue.shift(); test !== undefined && !watcher.isInterrupted(); test = queue.shift()) {
        one ??= start()
        await this.#emit('test-file-start', [test])
        const outcome = await this.#outcome(test, one)
        // What was run by itself already is not run again.
        if (hasFailed(outcome) && tests.length > 1) failures.push(this.#note(test, outcome))
        else await this.#report(test, outcome)
        if (isShared && one.isAlive) continue
        await one.end()
        one = undefined
      }
      await one?.end()
    }
    const pure = tests.filter(test => test.context.config.displayName?.name === 'pure')
    const native = tests.filter(test => !pure.includes(test))
    if (serial) {
      await lane(pure, true)
      await lane(native, false)
    } else {
      const lanes = Array.from({ length: this.#globalConfig.maxWorkers }, () => lane(native, false))
      await Promise.all([lane(pure, true), ...lanes])
    }
    for (const failure of failures) await this.#settle(failure, start, failures.length <= maxSecondRuns)
  }

  /** Says at once what failed, as the result comes at the end. */
  #note(test, outcome) {
    const text = outcome.result?.failureMessage ?? outcome.error.stack
    const path = relative(this.#globalConfig.rootDir, test.path)
    process.stderr.write(`FAILED ${path}, which will be run once more at the end\n\n${text}\n`)
    return { test, outcome }
  }

  /** Reports a failure, after a second run as what that one makes of it. */
  async #settle({ test, outcome }, start, isRunAgain) {
    if (!isRunAgain) return this.#report(test, outcome)
    const one = start()
    const second = await this.#outcome(test, one)
    await one.end()
    if (!hasFailed(second)) second.result.flaky = reasonOf(outcome)
    return this.#report(test, second)
  }

  async #outcome(test, one) {
    const file = {
      config: test.context.config,
      context: this.#context,
      globalConfig: this.#globalConfig,
      path: test.path,
    }
    try {
      const { result, cpuMs } = await one.run(file, (name, data) => void this.#emit(name, data))
      return { result: { ...result, cpuMs } }
    } catch (error) {
      return { error }
    }
  }

  #report(test, { result, error }) {
    return error === undefined
      ? this.#emit('test-file-success', [test, result])
      : this.#emit('test-file-failure', [test, error])
  }

  #emit(name, data) {
    return this.#listeners.get(name)?.(data)
  }

  /** What a process needs to know of the files that are there, once for each project. */
  #resolvers(tests) {
    const contexts = new Map(tests.map(({ context }) => [context.config.id, context]))
    return [...contexts.values()].map(({ config, moduleMap }) => ({
      config,
      serializableModuleMap: moduleMap.toJSON(),
    }))
  }
}
