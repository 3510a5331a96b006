/**
 * A jest reporter that says which files took longest, which were flaky and why suites were skipped, and closes with one line
 * that a program can read: `N passed, N failed, N skipped`, counting tests. A file that could not run counts as one that
 * failed, and so does each flaky one when there are more than a few.
 * Plain JavaScript, since jest loads it before anything is compiled.
 */

import { writeSync } from 'node:fs'
import { relative } from 'node:path'

/** The same as in requires.ts. */
const SKIP_MARK = ' ⏭ skipped: '

/** How many flaky files a run may have. They are defects all the same, and mended next. */
const maxFlaky = 2

/** How many of the slowest files are listed. */
const maxSlowest = 20

/** `skipped: <suite>: <reason>`, once for each suite that `describeIf` left out. */
export function skipReasons(results) {
  const lines = new Set()
  for (const file of results.testResults) {
    for (const test of file.testResults) {
      const title = test.ancestorTitles.find(ancestor => ancestor.includes(SKIP_MARK))
      if (title === undefined || test.status !== 'pending') continue
      const [suite, reason] = title.split(SKIP_MARK)
      lines.add(`skipped: ${suite}: ${reason}`)
    }
  }
  return [...lines]
}

/** `FLAKY <path>: <reason>` for each file that failed and passed when it was run again. */
export function flakyLines(results, rootDir) {
  return results.testResults
    .filter(({ flaky }) => flaky !== undefined)
    .map(({ testFilePath, flaky }) => `FLAKY ${relative(rootDir, testFilePath)}: ${flaky}`)
}

/** A table of the slowest files: how long each took, and the CPU time of it and of the processes that it started. */
export function slowestFiles(results, rootDir) {
  const seconds = ms => (ms === undefined ? '' : (ms / 1_000).toFixed(1)).padStart(8)
  const rows = results.testResults
    .filter(({ perfStats }) => perfStats.runtime > 0)
    .toSorted((a, b) => b.perfStats.runtime - a.perfStats.runtime)
    .slice(0, maxSlowest)
    .map(
      ({ perfStats, cpuMs, testFilePath }) =>
        seconds(perfStats.runtime) + seconds(cpuMs) + `  ${relative(rootDir, testFilePath)}`,
    )
  return rows.length < 2 ? [] : ['   time s   CPU s  slowest files', ...rows]
}

const hasTooManyFlaky = flaky => flaky.length > maxFlaky

/** The closing line. */
export function closingLine(results, flaky = []) {
  const failed =
    results.numFailedTests + results.numRuntimeErrorTestSuites + (hasTooManyFlaky(flaky) ? flaky.length : 0)
  const skipped = results.numPendingTests + results.numTodoTests
  return `${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`
}

/** What jest instantiates. Jest wants a default export. */
export default class ClosingReporter {
  #rootDir
  #lines = []
  #flaky = []

  constructor({ rootDir }) {
    this.#rootDir = rootDir
    // Jest puts its own summary behind every other reporter, so the last lines are written when the process ends.
    process.once('exit', () => {
      // Not through process.stdout, which --forceExit has closed by then.
      if (this.#lines.length > 0) writeSync(1, `\n${this.#lines.join('\n')}\n`)
    })
  }

  onRunComplete(_contexts, results) {
    this.#flaky = flakyLines(results, this.#rootDir)
    this.#lines = [
      ...slowestFiles(results, this.#rootDir),
      ...skipReasons(results),
      ...this.#flaky,
      closingLine(results, this.#flaky),
    ]
  }

  /** Jest fails a run whose reporter has an error. */
  getLastError() {
    return hasTooManyFlaky(this.#flaky) ? new Error(`${this.#flaky.length} flaky files`) : undefined
  }
}
