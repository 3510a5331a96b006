import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask } from '../../support/http-client.node.js'
import { describeIf, findProgram } from '../../support/requires.js'
import { type SharedFolder, shareFolder } from '../../support/shared-folder.node.js'

interface Listing {
  readonly entries: readonly { readonly name: string }[]
  readonly leftOut?: Readonly<Record<string, number>>
  readonly next?: string
}

async function listing(port: number, path = '/'): Promise<Listing> {
  return JSON.parse((await ask({ port, path, headers: { accept: 'application/json' } })).text) as Listing
}

const onLinux = platform() === 'linux' && findProgram(['truncate'])

describeIf(onLinux, 'needs Linux, whose file systems take any bytes for a name')('what is not shown', () => {
  let share: SharedFolder
  let socket: Server

  beforeAll(async () => {
    share = await shareFolder(async (root, outside) => {
      await writeFile(join(outside, 'secret'), 'secret')
      await mkdir(join(root, 'plain'))
      await writeFile(join(root, 'plain', 'film.mp4'), 'film')
      await mkdir(join(root, '.git'))
      await writeFile(join(root, '.env'), '')
      await writeFile(Buffer.concat([Buffer.from(join(root, 'caf')), Buffer.from([0xe9])]), '')
      await symlink('nowhere', join(root, 'dangling'))
      await symlink('../outside/secret', join(root, 'out'))
      await symlink('.env', join(root, 'to hidden'))
      await symlink('plain/film.mp4', join(root, 'link.mp4'))
      for (const name of [
        'metadata.json',
        'hub.db',
        'evidence-x.json',
        'running.json',
        'back\\slash',
        '\ufffd',
        '\ufeffbom',
      ])
        await writeFile(join(root, name), name)
    })
    socket = createServer().listen(join(share.root, 'socket'))
    await once(socket, 'listening')
  })
  afterAll(async () => {
    await new Promise(resolve => socket.close(resolve))
    share.stop()
  })

  it('is counted by its reason, and all else is there under its name', async () => {
    const { entries, leftOut } = await listing(share.port)
    expect(leftOut).toEqual({ hidden: 2, encoding: 1, link: 3, special: 1 })
    const names = entries.map(({ name }) => name)
    expect(names.toSorted()).toEqual(
      [
        'plain',
        'link.mp4',
        'metadata.json',
        'hub.db',
        'evidence-x.json',
        'running.json',
        'back\\slash',
        '\ufffd',
        '\ufeffbom',
      ].toSorted(),
    )
    for (const name of names.slice(1)) {
      const { status, text } = await ask({ port: share.port, path: `/${encodeURIComponent(name)}` })
      expect([name, status, text]).toEqual([name, 200, name === 'link.mp4' ? 'film' : name])
    }
  })

  it('is shown to people, too', async () => {
    const { text } = await ask({ port: share.port, headers: { accept: 'text/html' } })
    expect(text).toContain(
      'Not shown: 1 with a name that is not UTF-8, 2 with a name that begins with a dot, 3 linked to something that is not shared, 1 neither a file nor a folder.',
    )
    expect((await ask({ port: share.port, path: '/plain/', headers: { accept: 'text/html' } })).text).not.toContain(
      'Not shown',
    )
    expect(await listing(share.port, '/plain/')).not.toHaveProperty('leftOut')
  })

  it('is counted once, on the first page', async () => {
    const many = join(share.root, 'many')
    await mkdir(many)
    await writeFile(join(many, '.hidden'), '')
    for (let index = 0; index <= 1_000; index++) writeFileSync(join(many, `${index}`), '')
    const first = await listing(share.port, '/many/')
    expect(first.leftOut).toEqual({ hidden: 1 })
    expect(await listing(share.port, `/many/${first.next!.slice(2)}`)).not.toHaveProperty('leftOut')
  })

  it('has a length that a number can say', async () => {
    const memory = await shareFolder(async root => {
      await writeFile(join(root, 'endless'), '')
      await truncate(join(root, 'endless'), Number.MAX_SAFE_INTEGER)
      await writeFile(join(root, 'beyond'), '')
    }, '/dev/shm')
    execFileSync(findProgram(['truncate'])!, ['-s', '9007199254740992', join(memory.root, 'beyond')])
    expect(await listing(memory.port)).toMatchObject({ entries: [{ name: 'endless' }], leftOut: { unreadable: 1 } })
    expect(await ask({ port: memory.port, path: '/endless', method: 'HEAD' })).toMatchObject({
      headers: { 'content-length': '9007199254740991' },
    })
    expect(await ask({ port: memory.port, path: '/beyond' })).toMatchObject({ status: 404 })
    memory.stop()
  })
})

describeIf(platform() !== 'win32', 'needs rights by mode')('what the peer itself may not read', () => {
  it('is not offered with a price, but counted', async () => {
    const root = mkdtempSync(join(tmpdir(), 'lighthouse-unreadable-'))
    chmodSync(root, 0o755)
    await writeFile(join(root, 'film.mp4'), 'film')
    await writeFile(join(root, 'secret.mp4'), 'secret')
    await mkdir(join(root, 'closed'))
    await mkdir(join(root, 'names only'))
    await writeFile(join(root, 'names only', 'film.mp4'), 'film')
    await chmod(join(root, 'secret.mp4'), 0)
    await chmod(join(root, 'closed'), 0)
    await chmod(join(root, 'names only'), 0o444)
    await symlink('secret.mp4', join(root, 'link'))
    const script = fileURLToPath(new URL('./unprivileged.process.js', import.meta.url))
    const server = spawn(process.execPath, [script, root], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(server, 'exit')
    const port = Number(String(await once(server.stdout, 'data')))
    const { entries, leftOut } = await listing(port)
    expect(entries.map(({ name }) => name)).toEqual(['film.mp4'])
    expect(leftOut).toEqual({ unreadable: 3, link: 1 })
    for (const path of ['/secret.mp4', '/closed/', '/names%20only/film.mp4', '/link']) {
      expect(await ask({ port, path })).toMatchObject({ status: 404 })
    }
    expect(await listing(port, '/names%20only/')).toMatchObject({ entries: [], leftOut: { unreadable: 1 } })
    expect(await ask({ port, path: '/film.mp4' })).toMatchObject({ status: 200, text: 'film' })
    server.stdin.end()
    await ended
    for (const name of ['closed', 'names only']) chmodSync(join(root, name), 0o755)
    rmSync(root, { recursive: true })
  })
})
