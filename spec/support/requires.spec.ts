import { describe, expect, it } from '@jest/globals'
import {
  describeIf,
  findChromium,
  findCoturn,
  findGo,
  findPostgres,
  findProgram,
  findRedis,
  hasChromium,
  hasGoSmux,
  isExecutable,
  mustHaveAll,
  SKIP_MARK,
  verdict,
} from './requires.js'

describe('requirements of specs', () => {
  it('run what is met, whatever the environment', () => {
    expect(verdict(true, {})).toBe('run')
    expect(verdict(true, { CI: 'true' })).toBe('run')
  })

  it('skip what is missing on a desk, and fail it in continuous integration', () => {
    expect(verdict(false, {})).toBe('skip')
    expect(verdict(false, { CI: 'false' })).toBe('skip')
    expect(verdict(false, { CI: 'true' })).toBe('fail')
    expect(verdict(false, { LIGHTHOUSE_REQUIRE_ALL: '1' })).toBe('fail')
    expect(mustHaveAll({ LIGHTHOUSE_REQUIRE_ALL: '0' })).toBe(false)
  })

  it('find a program in the order of its names, then of the folders', () => {
    const present = new Set(['/b/chromium', '/a/google-chrome'])
    const found = (path: string): boolean => present.has(path)
    expect(findProgram(['chromium', 'google-chrome'], '/a:/b', found)).toBe('/b/chromium')
    expect(findProgram(['google-chrome'], '/a::/b', found)).toBe('/a/google-chrome')
    expect(findProgram(['firefox'], '/a:/b', found)).toBeUndefined()
  })

  it('take only executable files for programs', () => {
    expect(isExecutable(process.execPath)).toBe(true)
    expect(isExecutable('/')).toBe(false)
    expect(isExecutable('/no/such/program')).toBe(false)
  })

  it('answer for every tool, present or not', () => {
    expect(hasChromium()).toBe(findChromium() !== undefined)
    expect(!hasGoSmux() || findGo() !== undefined).toBe(true)
    for (const path of [findPostgres(), findRedis(), findCoturn()]) expect(path ?? '/').toMatch(/^\//)
  })

  it('mark a reason so that the closing reporter can print it', async () => {
    // Through a variable: the reporter is plain JavaScript outside the compiled tree.
    const address = new URL('../../../spec/runner/closing-reporter.mjs', import.meta.url).href
    const reporter = (await import(address)) as {
      closingLine: (results: unknown) => string
      skipReasons: (results: unknown) => string[]
    }
    const test = { status: 'pending', ancestorTitles: ['outer', `against Go${SKIP_MARK}needs Go`] }
    const results = {
      numPassedTests: 3,
      numFailedTests: 1,
      numRuntimeErrorTestSuites: 1,
      numPendingTests: 2,
      numTodoTests: 0,
      testResults: [{ testResults: [test, test, { status: 'passed', ancestorTitles: ['outer'] }] }],
    }
    expect(reporter.skipReasons(results)).toEqual(['skipped: against Go: needs Go'])
    expect(reporter.closingLine(results)).toBe('3 passed, 2 failed, 2 skipped')
  })
})

describeIf(true, 'never shown')('a suite whose requirement is met', () => {
  it('runs', () => {
    expect(SKIP_MARK).toContain('skipped')
  })
})
