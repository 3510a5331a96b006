/** The runner is shown at work: jest runs planted files with it, in a process of its own. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Plain JavaScript outside the compiled tree, so its shape is said here. */
interface Reporter {
  closingLine(results: object, flaky: readonly string[]): string
}

const root = fileURLToPath(new URL('../../../', import.meta.url))
const file = (name: string): string => join(root, 'spec/runner', name)
const { closingLine } = (await import(file('closing-reporter.mjs'))) as Reporter
const { pureSpecs } = (await import(file('pure.mjs'))) as { pureSpecs: (folder: string) => readonly string[] }

let folder = ''
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-runner-')))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs `jest`, with these files as its specs, to its end. */
async function jest(specs: Readonly<Record<string, string>>): Promise<{ code: number; out: string }> {
  for (const [name, text] of Object.entries(specs)) writeFileSync(join(folder, `${name}.spec.cjs`), text)
  const project = {
    rootDir: folder,
    testMatch: ['**/*.spec.cjs'],
    transform: {},
    // Long enough for a process to begin on a machine that has other work.
    runner: [file('runner.mjs'), { stillMs: 10_000 }],
  }
  const config = { rootDir: folder, maxWorkers: 4, projects: [project], reporters: [file('closing-reporter.mjs')] }
  writeFileSync(join(folder, 'jest.config.json'), JSON.stringify(config))
  const argv = [join(root, 'node_modules/jest/bin/jest.js'), '--config', join(folder, 'jest.config.json')]
  const child = spawn(process.execPath, argv, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  child.stdout.on('data', chunk => (out += String(chunk)))
  child.stderr.on('data', chunk => (out += String(chunk)))
  const [code] = (await once(child, 'close')) as [number]
  return { code, out }
}

/** A spec that does this the first time, and passes from then on. */
const onlyOnce = (name: string, text: string): string => `
  const fs = require('node:fs')
  test('tries', () => {
    const mark = ${JSON.stringify(join(folder, name))}
    if (fs.existsSync(mark)) return
    fs.writeFileSync(mark, '')
    ${text}
  })`

const crash = `process.kill(process.pid, 'SIGSEGV'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`

describe('the runner', () => {
  it('outlives files that crash and stand still, runs again what failed, and leaves no process behind', async () => {
    const pidFile = join(folder, 'pid')
    const { code, out } = await jest({
      fine: `test('passes', () => undefined)`,
      wrong: `test('is wrong', () => { throw new Error('always') })`,
      crashing: `test('crashes', () => { ${crash} })`,
      still: onlyOnce('still', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'),
      shaky: onlyOnce('shaky', `throw new Error('this time')`),
      leaving: `test('leaves a process', () => {
        const { pid } = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => 0, 9e5)'])
        require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(pid))
      })`,
    })
    const closing = out.trimEnd().split('\n').slice(-3)
    expect(closing.slice(0, 2).toSorted()).toEqual([
      'FLAKY shaky.spec.cjs: tries: Error: this time',
      'FLAKY still.spec.cjs: it stood still for 10 s and was killed, in "tries"',
    ])
    expect(closing[2]).toBe('4 passed, 2 failed, 0 skipped')
    expect(out).toContain('FAILED crashing.spec.cjs, which will be run once more at the end')
    expect(out).toContain('its process ended (SIGSEGV)')
    expect(code).toBe(1)
    expect(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 0)).toThrow('ESRCH')
  })

  it('fails a run with three flaky files', async () => {
    const { code, out } = await jest({
      ...Object.fromEntries(
        ['wrong', 'crashing', 'still', 'leaving'].map(name => [name, `test('passes', () => undefined)`]),
      ),
      shaky: onlyOnce('a', `throw new Error('a')`),
      shakier: onlyOnce('b', `throw new Error('b')`),
      shakiest: onlyOnce('c', `throw new Error('c')`),
    })
    expect(out.trimEnd().split('\n').at(-1)).toBe('8 passed, 3 failed, 0 skipped')
    expect(code).toBe(1)
  })
})

describe('the closing reporter', () => {
  it('counts flaky files as failed when there are more than two', () => {
    const results = {
      numPassedTests: 3,
      numFailedTests: 1,
      numRuntimeErrorTestSuites: 1,
      numPendingTests: 2,
      numTodoTests: 0,
    }
    expect(closingLine(results, ['FLAKY a: x', 'FLAKY b: y'])).toBe('3 passed, 2 failed, 2 skipped')
    expect(closingLine(results, ['FLAKY a: x', 'FLAKY b: y', 'FLAKY c: z'])).toBe('3 passed, 5 failed, 2 skipped')
  })
})

describe('pure specs', () => {
  it('are those that reach nothing native by whatever they import', () => {
    const own = join(root, 'dist/spec/')
    const pure = pureSpecs(own).map(path => path.slice(own.length))
    expect(pure).toContain('protocol/mux/step.spec.js')
    expect(pure).not.toContain('adapters/tcp.node.spec.js')
    // Through app.js only.
    expect(pure).not.toContain('hub/limits.spec.js')
    expect(pure).not.toContain('runner/runner.spec.js')
  })
})
