/**
 * A jest reporter that says why suites were skipped, and closes with one line that a program can read:
 * `N passed, N failed, N skipped`, counting tests. A file that could not run counts as one that failed.
 * Plain JavaScript, since jest loads it before anything is compiled.
 */

import { writeSync } from 'node:fs'

/** The same as in requires.ts. */
const SKIP_MARK = ' ⏭ skipped: '

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

/** The closing line. */
export function closingLine(results) {
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites
  const skipped = results.numPendingTests + results.numTodoTests
  return `${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`
}

/** What jest instantiates. Jest wants a default export. */
export default class ClosingReporter {
  #lines = []

  constructor() {
    // Jest puts its own summary behind every other reporter, so the last line is written when the process ends.
    process.once('exit', () => {
      // Not through process.stdout, which --forceExit has closed by then.
      if (this.#lines.length > 0) writeSync(1, `\n${this.#lines.join('\n')}\n`)
    })
  }

  onRunComplete(_contexts, results) {
    this.#lines = [...skipReasons(results), closingLine(results)]
  }
}
