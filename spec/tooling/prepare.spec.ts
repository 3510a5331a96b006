/** How `npm start` and `npm test` find out what is missing. The installation itself is proved by every fresh clone. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** The scripts are plain JavaScript outside the compiled tree, so their shapes are said here. */
const load = async <T>(name: string): Promise<T> =>
  (await import(new URL(`../../../scripts/lib/${name}`, import.meta.url).href)) as T
const { dependenciesFit } = await load<{ dependenciesFit: (root: string) => boolean }>('dependencies.mjs')
const { withLock } = await load<{ withLock: <T>(path: string, work: () => Promise<T>) => Promise<T> }>('lock.mjs')
const outputs = await load<{
  sourceStamp: (root: string) => string
  isBuilt: (root: string) => boolean
  forgetBuild: (root: string) => void
  rememberBuild: (root: string, stamp: string) => void
  removeOrphans: (root: string) => void
}>('outputs.mjs')

let root = ''
const write = (file: string, content: string | object): void => {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), typeof content === 'string' ? content : JSON.stringify(content))
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lighthouse-prepare-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

describe('dependenciesFit', () => {
  const rxjs = { version: '7.8.2', integrity: 'sha512-a' }
  const wanted = { '': { name: 'x' }, 'node_modules/rxjs': rxjs, 'node_modules/mac': { version: '1', optional: true } }
  const installed = 'node_modules/.package-lock.json'

  it('is false without node_modules', () => {
    write('package-lock.json', { packages: wanted })
    expect(dependenciesFit(root)).toBe(false)
  })

  it('is true when all is there but what belongs to another platform', () => {
    write('package-lock.json', { packages: wanted })
    write(installed, { packages: { 'node_modules/rxjs': rxjs } })
    expect(dependenciesFit(root)).toBe(true)
  })

  it.each([
    ['an older version', { 'node_modules/rxjs': { ...rxjs, version: '7.8.1' } }],
    ['other content', { 'node_modules/rxjs': { ...rxjs, integrity: 'sha512-b' } }],
    ['nothing', {}],
    ['something that nobody wants any more', { 'node_modules/rxjs': rxjs, 'node_modules/old': rxjs }],
  ])('is false when node_modules holds %s', (_case, packages) => {
    write('package-lock.json', { packages: wanted })
    write(installed, { packages })
    expect(dependenciesFit(root)).toBe(false)
  })

  it('says what is wrong when there is no lock file', () => {
    expect(() => dependenciesFit(root)).toThrow('package-lock.json is missing or unreadable')
  })
})

describe('the record of a build', () => {
  /** A tree that has just been compiled. */
  const built = (): void => {
    for (const name of ['tsconfig.json', 'package.json', 'package-lock.json']) write(name, '{}')
    write('src/a.ts', 'export const a = 1\n')
    write('spec/a.spec.ts', '')
    write('dist/src/a.js', '')
    write('dist/spec/a.spec.js', '')
    write('dist/.tsbuildinfo', '{}')
    outputs.rememberBuild(root, outputs.sourceStamp(root))
  }
  const edits: readonly (readonly [string, () => void])[] = [
    ['a source was edited', () => write('src/a.ts', 'export const a = 22\n')],
    ['a source became older, as by a checkout', () => utimesSync(join(root, 'src/a.ts'), 1, 1)],
    ['a source was added', () => write('src/b.ts', '')],
    ['a source was removed', () => rmSync(join(root, 'spec/a.spec.ts'))],
    ['the settings changed', () => write('tsconfig.json', '{ }')],
    ['the output was removed', () => rmSync(join(root, 'dist/src'), { recursive: true })],
  ]

  it('fits until something changes', () => {
    built()
    expect(outputs.isBuilt(root)).toBe(true)
  })

  it.each(edits)('fits no more when %s', (_case, edit) => {
    built()
    edit()
    expect(outputs.isBuilt(root)).toBe(false)
  })

  it('is forgotten before a build, so that a failed one is not taken for good', () => {
    built()
    outputs.forgetBuild(root)
    expect(outputs.isBuilt(root)).toBe(false)
    expect(existsSync(join(root, 'dist/.tsbuildinfo'))).toBe(true)
  })

  it("drops tsc's own record when some of its output is gone", () => {
    built()
    rmSync(join(root, 'dist/src/a.js'))
    outputs.forgetBuild(root)
    expect(existsSync(join(root, 'dist/.tsbuildinfo'))).toBe(false)
  })

  it('takes the output of removed sources along', () => {
    built()
    for (const ending of ['js', 'js.map', 'd.ts']) write(`dist/spec/gone.spec.${ending}`, '')
    outputs.removeOrphans(root)
    for (const ending of ['js', 'js.map', 'd.ts']) {
      expect(existsSync(join(root, `dist/spec/gone.spec.${ending}`))).toBe(false)
    }
    expect(existsSync(join(root, 'dist/spec/a.spec.js'))).toBe(true)
  })
})

describe('withLock', () => {
  it('lets one work at a time and leaves nothing behind', async () => {
    const path = join(root, 'lock')
    let inside = 0
    let most = 0
    const work = async (): Promise<void> => {
      inside += 1
      most = Math.max(most, inside)
      await new Promise(resolve => setImmediate(resolve))
      inside -= 1
    }
    await Promise.all([withLock(path, work), withLock(path, work), withLock(path, work)])
    expect(most).toBe(1)
    expect(existsSync(path)).toBe(false)
  })

  it('takes over from a process that is gone', async () => {
    const path = join(root, 'lock')
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    writeFileSync(path, String(pid))
    expect(await withLock(path, async () => readFileSync(path, 'utf8'))).toBe(String(process.pid))
    expect(existsSync(path)).toBe(false)
  })

  it('is free again after a failure', async () => {
    const path = join(root, 'lock')
    await expect(withLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(existsSync(path)).toBe(false)
  })
})
