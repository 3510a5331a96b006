import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { openInside } from '../../../src/adapters/share/safe-path.node.js'
import { KeptFiles } from '../../../src/adapters/share/kept-files.node.js'
import { ask, exchangeRaw } from '../../support/http-client.node.js'
import { describeIf, findProgram } from '../../support/requires.js'
import { type SharedFolder, shareFolder } from '../../support/shared-folder.node.js'

const secret = 'the secret beside the folder'
let share: SharedFolder
let pipeServer: Server

beforeAll(async () => {
  share = await shareFolder(async (root, outside) => {
    await writeFile(join(outside, 'secret.txt'), secret)
    await mkdir(join(outside, 'sub'))
    await mkdir(join(root, 'inner'))
    await mkdir(join(root, '.git'))
    await writeFile(join(root, '.git', 'config'), secret)
    await writeFile(join(root, '.env'), secret)
    await writeFile(join(root, 'inner', 'a.txt'), 'inside')
    await writeFile(join(root, 'nfd-e\u0301.txt'), 'decomposed')
    await writeFile(join(root, 'nfc-\u00e9.txt'), 'composed')
    await writeFile(join(root, 'back\\slash.txt'), 'backslash')
    await symlink('inner/a.txt', join(root, 'link-in.txt'))
    await symlink('inner', join(root, 'link-in'))
    await symlink(join(root, 'inner', 'a.txt'), join(root, 'link-absolute.txt'))
    await symlink('../outside/secret.txt', join(root, 'link-out.txt'))
    await symlink('../outside', join(root, 'link-out'))
    await symlink('inner/../../outside/secret.txt', join(root, 'link-crooked.txt'))
    await symlink('.git', join(root, 'link-hidden'))
    await symlink('.env', join(root, 'link-env'))
    await symlink('loop', join(root, 'loop'))
    await symlink('/dev/zero', join(root, 'link-device'))
    await symlink('/proc/self/environ', join(root, 'link-proc'))
    await symlink('..', join(root, 'link-up'))
  })
  pipeServer = createServer().listen(join(share.root, 'socket'))
  await once(pipeServer, 'listening')
})
afterAll(async () => {
  await new Promise(resolve => pipeServer.close(resolve))
  share.stop()
})

describe('paths', () => {
  it.each([
    ['/inner/a.txt', 'inside'],
    ['/inner/%61.txt', 'inside'],
    ['/link-in.txt', 'inside'],
    ['/link-in/a.txt', 'inside'],
    ['/link-absolute.txt', 'inside'],
    ['/nfd-e%CC%81.txt', 'decomposed'],
    ['/nfd-%C3%A9.txt', 'decomposed'],
    ['/nfc-%C3%A9.txt', 'composed'],
    ['/nfc-e%CC%81.txt', 'composed'],
    ['/inner/a.txt?x=../..', 'inside'],
    ['//inner/a.txt', 'inside'],
    ['/inner///a.txt', 'inside'],
    ['/back%5Cslash.txt', 'backslash'],
    ['/back\\slash.txt', 'backslash'],
  ])('%s is there', async (path, text) => {
    expect(await ask({ port: share.port, path })).toMatchObject({ status: 200, text })
  })

  it.each([
    '/../outside/secret.txt',
    '/inner/../../outside/secret.txt',
    '/%2e%2e/outside/secret.txt',
    '/%2e%2e%2foutside%2fsecret.txt',
    '/..%2foutside/secret.txt',
    '/inner/..%2f..%2foutside%2fsecret.txt',
    '/..%5coutside%5csecret.txt',
    '/..\\outside\\secret.txt',
    '/%252e%252e/outside/secret.txt',
    '/%c0%ae%c0%ae/outside/secret.txt',
    '/..;/outside/secret.txt',
    '/inner/a.txt%00',
    '/inner/a.txt%00.jpg',
    '/inner//../../outside/secret.txt',
    '/./inner/a.txt',
    '/etc/passwd',
    '//etc/passwd',
    '/link-out.txt',
    '/link-out',
    '/link-out/',
    '/link-out/secret.txt',
    '/link-crooked.txt',
    '/link-up/',
    '/link-up/outside/secret.txt',
    '/link-hidden/config',
    '/link-env',
    '/link-device',
    '/link-proc',
    '/loop',
    '/loop/x',
    '/.env',
    '/%2Eenv',
    '/.git/config',
    '/socket',
    '/inner/a.txt/',
    '/inner/a.txt/b',
    `/${'a'.repeat(300)}`,
    `/${'a/'.repeat(3000)}`,
    '/%',
    '/%ff%fe',
    '/%zz',
  ])('%s is not', async path => {
    const { status, text } = await ask({ port: share.port, path })
    expect([400, 404]).toContain(status)
    expect(text).not.toContain(secret)
  })

  it.each([
    '*',
    'inner/a.txt',
    '?',
    '#',
    '..',
    `/\u0001/../../outside/secret.txt`,
    '/inner\\..\\..\\outside\\secret.txt',
  ])('the raw target %j gives nothing away', async target => {
    const text = await exchangeRaw(
      share.port,
      `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${share.port}\r\nConnection: close\r\n\r\n`,
    )
    expect(text).toMatch(/^HTTP\/1\.1 (400|404) /)
    expect(text).not.toContain(secret)
  })

  it('lists nothing that is not there for others', async () => {
    const { text } = await ask({ port: share.port, headers: { accept: 'application/json' } })
    const names = (JSON.parse(text) as { entries: { name: string }[] }).entries.map(({ name }) => name)
    expect(names).toEqual([
      'inner',
      'link-in',
      'back\\slash.txt',
      'link-absolute.txt',
      'link-in.txt',
      'nfc-\u00e9.txt',
      'nfd-e\u0301.txt',
    ])
  })

  it('gives nothing away on any of thousands of crooked paths', async () => {
    const piece = fc.constantFrom(
      ...['..', '.', '/', '//', '\\', '%2e', '%2f', '%5c', '%00', '%252e', '%c0%ae', ';', '?', '#', '%', '~'],
      ...['inner', 'outside', 'secret.txt', 'a.txt', 'link-in', 'link-out', 'link-up', 'link-hidden', '.git', 'config'],
      ...['etc', 'passwd', 'proc', 'self', 'environ', 'loop', 'share', encodeURIComponent(share.root)],
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 10 }), async pieces => {
        const { status, text } = await ask({ port: share.port, path: `/${pieces.join('')}` })
        return [200, 302, 400, 404].includes(status) && !text.includes(secret) && !text.includes('root:')
      }),
      { numRuns: 3000 },
    )
  })
})

describeIf(findProgram(['mkfifo']), 'needs mkfifo')('a pipe', () => {
  it('is neither waited for nor listed', async () => {
    execFileSync(findProgram(['mkfifo'])!, [join(share.root, 'inner', 'pipe')])
    expect(await ask({ port: share.port, path: '/inner/pipe' })).toMatchObject({ status: 404 })
    expect((await ask({ port: share.port, path: '/inner/' })).text).not.toContain('pipe')
  })
})

/**
 * Exchanges, as fast as a thread can, a file for a link to the secret and a folder for a link to the outside, in both
 * ways that leave the shortest gap. Counts in `state[0]`, ends when `state[1]` is set.
 */
const exchanger = `
const { workerData: { root, outside, state } } = require('node:worker_threads')
const fs = require('node:fs')
const at = name => root + '/race/' + name
while (Atomics.load(state, 1) === 0) {
  fs.symlinkSync(outside + '/secret.txt', at('tmp'))
  fs.renameSync(at('tmp'), at('file'))
  fs.writeFileSync(at('tmp'), 'inside')
  fs.renameSync(at('tmp'), at('file'))
  fs.renameSync(at('dir'), at('aside'))
  fs.symlinkSync(outside, at('dir'))
  fs.unlinkSync(at('dir'))
  fs.renameSync(at('aside'), at('dir'))
  Atomics.add(state, 0, 1)
}
`

describeIf(platform() !== 'win32', 'needs links without privileges')('exchanged links', () => {
  it('never lead out, however the moment is chosen', async () => {
    const race = join(share.root, 'race')
    await mkdir(join(race, 'dir'), { recursive: true })
    await writeFile(join(race, 'dir', 'secret.txt'), 'inside')
    await writeFile(join(race, 'file'), 'inside')
    const state = new Int32Array(new SharedArrayBuffer(8))
    const worker = new Worker(exchanger, {
      eval: true,
      workerData: { root: share.root, outside: share.outside, state },
    })
    const ended = once(worker, 'exit')
    while (Atomics.load(state, 0) === 0) await setImmediate()
    const found = { inside: 0, absent: 0, outside: 0 }
    const root = { path: share.root, kept: new KeptFiles(share.root, undefined) }
    for (let attempt = 0; attempt < 2000; attempt++) {
      const entry = await openInside(root, attempt % 2 === 0 ? ['race', 'file'] : ['race', 'dir', 'secret.txt'])
      const text = entry === undefined ? 'absent' : (await entry.handle.readFile('utf8')).trim()
      await entry?.handle.close()
      found[text === secret ? 'outside' : text === 'absent' ? 'absent' : 'inside']++
      if (attempt % 20 === 0) {
        const { text: body } = await ask({ port: share.port, path: '/race/dir/secret.txt' })
        if (body.includes(secret)) found.outside++
      }
    }
    Atomics.store(state, 1, 1)
    await ended
    expect(found.outside).toBe(0)
    expect(found.inside).toBeGreaterThan(0)
    expect(Atomics.load(state, 0)).toBeGreaterThan(10)
  })
})
