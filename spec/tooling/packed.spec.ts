/** The package as somebody else has it, outside the repository: what it exports, and the examples until they end by themselves. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
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
  for (const name of ['examples', 'spec/types']) cpSync(join(root, name), join(folder, name), { recursive: true })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What an example prints, in lines. Rejects when it fails. */
async function outputOf(file: string): Promise<readonly string[]> {
  const env = { ...process.env, LIGHTHOUSE_CHROMIUM: findChromium() }
  const { stdout, stderr } = await run(process.execPath, [join('examples', file)], {
    cwd: folder,
    env,
    timeout: 60_000,
  })
  return `${stderr}${stdout}`.trimEnd().split('\n')
}

describe('the examples', () => {
  it('carry the requests for a service over one TCP connection', async () => {
    expect(await outputOf('tcp.mjs')).toEqual(['/a', '/b', '/c'].map(path => `${path}: 1000003 bytes`))
  })

  it('embed a hub and two peers, one of which answers with what it makes up', async () => {
    expect(await outputOf('embed.mjs')).toEqual(['The squares of 1 to 5 are 1, 4, 9, 16, 25.'])
  })
})

describe('the types', () => {
  it('are what somebody who imports the package relies on', async () => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const compiled = run(process.execPath, [compiler, '-p', 'spec/types'], { cwd: folder })
    await expect(compiled.catch(({ stdout }: { readonly stdout: string }) => stdout)).resolves.toMatchObject({
      stdout: '',
    })
  })
})

describeIf(findChromium(), 'needs Chromium')('the example in a browser', () => {
  it('carries three answers between two pages, each whole', async () => {
    const printed = await outputOf('browser/main.mjs')
    expect(printed.slice(0, 3).toSorted()).toEqual([
      'stream 3: 3000000 bytes, 0 of them wrong',
      'stream 5: 10 bytes, 0 of them wrong',
      'stream 7: 5000000 bytes, 0 of them wrong',
    ])
    expect(printed.slice(3)).toEqual(['done'])
  })
})
