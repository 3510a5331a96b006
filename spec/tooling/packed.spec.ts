/** The package as somebody else has it, outside the repository: what it exports, and the examples until they end by themselves. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { docExamples } from '../support/doc-examples.node.js'
import { describeIf, findChromium } from '../support/requires.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'lighthouse-examples-'))

/** Every entry of a node_modules, those of scopes one by one. */
function packagesIn(modules: string): readonly string[] {
  return readdirSync(modules)
    .filter(name => !name.startsWith('.'))
    .flatMap(name => (name.startsWith('@') ? readdirSync(join(modules, name)).map(part => `${name}/${part}`) : [name]))
}

/** An empty project with the packed package in it, and what that needs, which is not downloaded again. */
beforeAll(async () => {
  const modules = join(folder, 'node_modules')
  const own = join(modules, 'lighthouse-peer')
  mkdirSync(own, { recursive: true })
  const arguments_ = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const { stdout } = await run('npm', arguments_, { cwd: root })
  const [{ filename }] = Object.values(JSON.parse(stdout) as object) as [{ readonly filename: string }]
  await run('tar', ['-xzf', join(folder, filename), '-C', own, '--strip-components=1'])
  for (const name of packagesIn(join(root, 'node_modules'))) {
    if (name.startsWith('@')) mkdirSync(join(modules, name.split('/')[0]!), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction')
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const name of ['examples', 'spec/types']) cpSync(join(root, name), join(folder, name), { recursive: true })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a program prints until it ends by itself, in lines; how it failed comes first. */
async function outputOf(...args: readonly string[]): Promise<readonly string[]> {
  const env = { ...process.env, LIGHTHOUSE_CHROMIUM: findChromium() }
  const ended = run(process.execPath, args, { cwd: folder, env, timeout: 60_000 })
  const { failure, stderr, stdout } = await ended.then(
    output => ({ ...output, failure: '' }),
    (error: { code?: unknown; signal?: unknown; stderr: string; stdout: string }) => ({
      ...error,
      failure: `it ended with ${String(error.signal ?? error.code)}\n`,
    }),
  )
  return `${failure}${stderr}${stdout}`.trimEnd().split('\n')
}

describe('the examples', () => {
  it('carry the requests for a service over one TCP connection', async () => {
    expect(await outputOf('examples/tcp.mjs')).toEqual(['/a', '/b', '/c'].map(path => `${path}: 1000003 bytes`))
  })

  it('embed a hub and two peers, one of which answers with what it makes up', async () => {
    expect(await outputOf('examples/embed.mjs')).toEqual(['The squares of 1 to 5 are 1, 4, 9, 16, 25.'])
  })
})

describe('the doc comments', () => {
  const examples = docExamples(join(root, 'src'))

  it('have an example for everything that can be called', async () => {
    const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object }
    const names = Object.keys(entries).filter(entry => !entry.endsWith('.json'))
    const code = `
      const isCallable = value => typeof value === 'function' || (typeof value === 'object' && Object.values(value).some(part => typeof part === 'function'))
      const modules = await Promise.all(${JSON.stringify(names)}.map(entry => import('lighthouse-peer' + entry.slice(1))))
      const callable = modules.flatMap(all => Object.keys(all).filter(name => isCallable(all[name])))
      console.log(JSON.stringify([...new Set(callable)]))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: folder })
    const callable = JSON.parse(stdout) as readonly string[]
    expect(callable.length).toBeGreaterThan(20)
    expect(callable.filter(name => !examples.some(example => example.name === name))).toEqual([])
  })

  it('have examples that print what they say, and end by themselves', async () => {
    const printed$ = from(examples).pipe(
      mergeMap(async ({ name, code, prints }) => {
        const path = join(folder, 'spec/types', `${name}.mjs`)
        writeFileSync(path, (await transform(code, { loader: 'ts', target: 'es2022' })).code)
        return { name, printed: await outputOf(path), prints }
      }, 3),
      toArray(),
    )
    const wrong = (await lastValueFrom(printed$)).filter(
      ({ printed, prints }) => printed.join('\n') !== prints.join('\n'),
    )
    expect(wrong).toEqual([])
  })
})

describe('the types', () => {
  it('are what somebody who imports the package relies on, in the examples too', async () => {
    const types = join(folder, 'spec/types')
    for (const { name, code } of docExamples(join(root, 'src'))) writeFileSync(join(types, `${name}.ts`), code)
    expect(await outputOf(join(root, 'node_modules/typescript/bin/tsc'), '-p', 'spec/types')).toEqual([''])
  })
})

describeIf(findChromium(), 'needs Chromium')('the example in a browser', () => {
  it('carries three answers between two pages, each whole', async () => {
    const printed = await outputOf('examples/browser/main.mjs')
    expect(printed.slice(0, 3).toSorted()).toEqual([
      'stream 3: 3000000 bytes, 0 of them wrong',
      'stream 5: 10 bytes, 0 of them wrong',
      'stream 7: 5000000 bytes, 0 of them wrong',
    ])
    expect(printed.slice(3)).toEqual(['done'])
  })
})
