/** The checks of the project's own rules are shown to fail: each is run on a small tree with one planted violation. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folders: string[] = []

/** A temporary folder with these files. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'lighthouse-checks-'))
  folders.push(root)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Exit code and complaints of one of the scripts. */
function check(script: string, folder: string): { code: number | null; complaints: string } {
  const path = fileURLToPath(new URL(`../../../scripts/${script}`, import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [path, folder], { encoding: 'utf8' })
  return { code: status, complaints: stderr }
}

describe('check-rings', () => {
  const sound = {
    'protocol/frame.ts': 'export const header = 8\n',
    'operators/frame.ts': "import { map } from 'rxjs'\nimport { header } from '../protocol/frame.js'\n",
    'ports.ts': "import type { Observable } from 'rxjs'\n",
    'streams/session.ts': "import type { Port } from '../ports.js'\nimport { frame } from '../operators/frame.js'\n",
    'adapters/tcp.node.ts': "import net from 'node:net'\nimport type { Port } from '../ports.js'\n",
    'adapters/web.node.ts': "import express from 'express'\nimport helmet from 'helmet'\n",
    'hub/protocol/table.ts': "import { header } from '../../protocol/frame.js'\n",
    'hub/adapters/store.ts': "import pg from 'pg'\nimport fs from 'node:fs'\nexport const pid = process.pid\n",
    'hub/app.ts': "import { pid } from './adapters/store.js'\n",
    'app.ts': "import { tcp } from './adapters/tcp.node.js'\nexport * from './ports.js'\n",
    'cli/main.ts': "import { createPeer$ } from '../app.js'\nprocess.exitCode = 1\n",
  }

  it('lets a sound tree pass', () => {
    expect(check('check-rings.mjs', tree(sound))).toEqual({ code: 0, complaints: '' })
  })

  it.each([
    ['protocol imports rxjs', 'protocol/x.ts', "import { of } from 'rxjs'\n", 'package rxjs'],
    ['protocol imports Node', 'protocol/x.ts', "import { createHash } from 'node:crypto'\n", 'node:crypto'],
    ['protocol imports Node without its prefix', 'protocol/x.ts', "import { createHash } from 'crypto'\n", 'crypto'],
    ['protocol uses a global of Node', 'protocol/x.ts', 'export const x = Buffer.alloc(1)\n', 'Buffer'],
    ['an operator imports a port', 'operators/x.ts', "import type { Port } from '../ports.js'\n", 'ports.ts'],
    [
      'an operator exports from a stream',
      'operators/x.ts',
      "export { a } from '../streams/session.js'\n",
      'session.ts',
    ],
    ['a stream imports an adapter', 'streams/x.ts', "import { tcp } from '../adapters/tcp.node.js'\n", 'tcp.node.ts'],
    ['a stream imports a library', 'streams/x.ts', "import { io } from 'socket.io-client'\n", 'socket.io-client'],
    ['a type hides in an expression', 'streams/x.ts', "export type T = import('express').Express\n", 'express'],
    ['an import runs over lines', 'streams/x.ts', "import {\n  a, // note\n  type B,\n} from 'express'\n", 'express'],
    ['an adapter has two libraries', 'adapters/x.node.ts', "import 'express'\nimport 'pino'\n", 'one outside library'],
    ['an adapter hides that it needs Node', 'adapters/x.ts', "import net from 'node:net'\n", 'x.node.ts'],
    ['an adapter imports a stream', 'adapters/x.ts', "import { a } from '../streams/session.js'\n", 'session.ts'],
    ['an adapter reads the environment', 'adapters/x.node.ts', 'export const x = process.env\n', 'process.env'],
    ['the hub ends the process', 'hub/adapters/x.ts', 'process.exit(1)\n', 'process.exit'],
    ['a stream mentions process', 'streams/x.ts', 'export const x = process.pid\n', 'process'],
    ['somebody imports the command line', 'hub/app.ts', "import { main } from '../cli/main.js'\n", 'cli/main.ts'],
    ['the peer imports the hub', 'app.ts', "import { pid } from './hub/app.js'\n", 'hub/app.ts'],
    ['an import leads out of the sources', 'protocol/x.ts', "import a from '../../spec/a.js'\n", '../spec/a.ts'],
    ['a file belongs to no ring', 'util/x.ts', 'export const x = 1\n', 'no ring'],
    ['two files import each other', 'protocol/frame.ts', "import type { A } from './frame.js'\n", 'circle'],
    ['two files export one name', 'protocol/x.ts', 'export interface header {}\n', 'header: exported by'],
  ])('complains when %s', (_case, file, text, complaint) => {
    const { code, complaints } = check('check-rings.mjs', tree({ ...sound, [file]: text }))
    expect(code).toBe(1)
    expect(complaints).toContain(complaint)
    expect(complaints.trim().split('\n')).toHaveLength(1)
  })

  it('counts a name once that others export from its file', () => {
    const text = "export { header } from '../protocol/frame.js'\nexport type { Frame } from '../protocol/frame.js'\n"
    expect(check('check-rings.mjs', tree({ ...sound, 'operators/index.ts': text })).code).toBe(0)
  })

  it('takes no example in a comment for an import', () => {
    const text = "/**\n * import { of } from 'rxjs'\n */\n// import 'express'\nexport const a = 'process.env'\n"
    expect(check('check-rings.mjs', tree({ ...sound, 'protocol/x.ts': text })).code).toBe(0)
  })
})

describe('check-lock', () => {
  const lockTree = (packages: object, allowScripts: object = {}): string =>
    tree({
      'package-lock.json': JSON.stringify({ packages: { '': {}, ...packages } }),
      'package.json': JSON.stringify({ allowScripts }),
    })
  const integrity = 'sha512-x'

  it('lets a sound lock pass, nested packages too', () => {
    const packages = {
      'node_modules/a': {
        integrity,
        optionalDependencies: { '@a/linux': '1', 'b-linux': '1' },
        hasInstallScript: true,
      },
      'node_modules/a/node_modules/@a/linux': { integrity },
      'node_modules/b-linux': { integrity },
    }
    expect(check('check-lock.mjs', lockTree(packages, { a: false }))).toEqual({ code: 0, complaints: '' })
  })

  it('requires no check of a folder of the repository, and for what is installed there', () => {
    const packages = { 'node_modules/docs': { resolved: 'scripts/docs', link: true }, 'scripts/docs': {} }
    expect(check('check-lock.mjs', lockTree(packages))).toEqual({ code: 0, complaints: '' })
    const nested = { ...packages, 'scripts/docs/node_modules/a': {} }
    expect(check('check-lock.mjs', lockTree(nested)).complaints).toBe('scripts/docs/node_modules/a: has no integrity\n')
  })

  it.each([
    [
      'a platform binary is missing',
      { integrity, optionalDependencies: { '@a/mac': '1' } },
      '@a/mac is not in the lock',
    ],
    ['an address is recorded', { integrity, resolved: 'https://registry.invalid/a.tgz' }, 'download address'],
    ['nothing vouches for the content', {}, 'no integrity'],
    ['nobody decided about a script', { integrity, hasInstallScript: true }, 'allowScripts'],
  ])('complains when %s', (_case, entry, complaint) => {
    const { code, complaints } = check('check-lock.mjs', lockTree({ 'node_modules/a': entry }))
    expect(code).toBe(1)
    expect(complaints).toContain(complaint)
  })
})
