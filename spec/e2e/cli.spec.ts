/**
 * The command line as people meet it: real processes, a real hub, loopback only.
 */
import { afterEach, describe, expect, it } from '@jest/globals'
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { exhaustMap, filter, firstValueFrom, map, timer } from 'rxjs'
import { type CliProcess, cliProcesses, isListening } from '../cli/support/cli-process.js'
import { temporaryFolders } from '../cli/support/temporary.js'

const temporary = temporaryFolders()
const cli = cliProcesses()
const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function startHub(cwd: string): Promise<{ readonly hub: CliProcess; readonly url: string }> {
  const hub = cli(['hub', '--json', '--port', '0', '--home', join(cwd, 'hub')], cwd)
  const { url } = await hub.message(({ type }) => type === 'ready')
  return { hub, url: String(url) }
}

/** A port that is in use and low enough for a block of ports, and a demo's second one, to begin there. */
async function takePort(): Promise<number> {
  const blocker = createServer().listen(0, '127.0.0.1')
  closers.push(() => blocker.close())
  await once(blocker, 'listening')
  const { port } = blocker.address() as AddressInfo
  return port <= 65_400 ? port : takePort()
}

/** Has the usual port of a hub taken, if nobody has it already, such as another demo. */
function takeHubPort(): Promise<unknown> {
  const blocker = createServer().listen(3000, '127.0.0.1')
  closers.push(() => blocker.close())
  return once(blocker, 'listening').catch(() => undefined)
}

/** Resolves with true when nobody listens there any more. The test's own time limit bounds it. */
async function isFree(url: string): Promise<boolean> {
  return firstValueFrom(
    timer(0, 50).pipe(
      exhaustMap(() => isListening(url)),
      filter(listening => !listening),
      map(listening => !listening),
    ),
  )
}

const isReady = ({ type }: Record<string, unknown>): boolean => type === 'ready'
const isSignedIn = ({ type, state }: Record<string, unknown>): boolean =>
  type === 'hub' && (state as { type: string }).type === 'authenticated'
const proxyOf = (ready: Record<string, unknown>): string => (ready.addresses as { proxy: string }).proxy

describe('the command line in processes', () => {
  it('registers, runs, shows its state, and stops', async () => {
    const cwd = temporary()
    const { hub, url } = await startHub(cwd)
    const home = ['--home', join(cwd, 'alice')]
    expect((await cli(['register', '--hub', url, '--nickname', 'alice', ...home], cwd).ended).code).toBe(0)
    const metadata = join(cwd, 'alice', 'metadata.json')
    expect(statSync(metadata).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(metadata, 'utf8'))).toMatchObject({ nickname: 'alice', host: url })
    expect(readdirSync(join(cwd, 'alice'))).toEqual(['known_peers.json', 'metadata.json'])

    mkdirSync(join(cwd, 'data'))
    const up = cli(['up', '--json', '--port-base', '0', ...home], cwd)
    const proxy = proxyOf(await up.message(isReady))
    await up.message(isSignedIn)
    expect((await fetch(proxy)).status).toBe(200)

    const status = await cli(['status', '--json', ...home], cwd).ended
    expect(status).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(status.out)).toMatchObject({ nickname: 'alice', hub: { type: 'authenticated' }, connections: [] })
    expect(await cli(['coins', ...home], cwd).ended).toMatchObject({ code: 0, out: '100.000000\n' })

    const second = await cli(['up', '--json', '--port-base', '0', ...home], cwd).ended
    expect(second.code).toBe(1)
    expect(second.out).toContain(String(up.pid))

    expect(await cli(['stop', ...home], cwd).ended).toMatchObject({
      code: 0,
      out: expect.stringContaining(String(up.pid)),
    })
    expect((await up.ended).code).toBe(0)
    expect(await isListening(proxy)).toBe(false)
    expect(readdirSync(join(cwd, 'alice'))).not.toContain('running.json')
    expect((await cli(['status', ...home], cwd).ended).code).toBe(1)

    hub.signal('SIGTERM')
    expect((await hub.ended).code).toBe(0)
    expect(
      (await cli(['register', '--hub', url, '--nickname', 'bob', '--home', join(cwd, 'bob')], cwd).ended).code,
    ).toBe(4)
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('ends cleanly with %s, and takes over after kill -9', async signal => {
    const cwd = temporary()
    const { url } = await startHub(cwd)
    const home = ['--home', join(cwd, 'alice')]
    await cli(['register', '--hub', url, '--nickname', 'alice', ...home], cwd).ended
    const killed = cli(['up', '--json', '--port-base', '0', ...home], cwd)
    await killed.message(isReady)
    killed.signal('SIGKILL')
    await killed.ended
    expect(readdirSync(join(cwd, 'alice'))).toContain('running.json')
    expect((await cli(['status', ...home], cwd).ended).code).toBe(1)

    const up = cli(['up', '--json', '--port-base', '0', ...home], cwd)
    const proxy = proxyOf(await up.message(isReady))
    up.signal(signal)
    expect(await up.ended).toMatchObject({ code: 0, err: '' })
    expect(await isListening(proxy)).toBe(false)
    expect(readdirSync(join(cwd, 'alice'))).not.toContain('running.json')
  })

  it('names the port that is in use', async () => {
    const cwd = temporary()
    const { url } = await startHub(cwd)
    const home = ['--home', join(cwd, 'alice')]
    await cli(['register', '--hub', url, '--nickname', 'alice', ...home], cwd).ended
    const port = await takePort()
    const up = await cli(['up', '--port-base', String(port), ...home], cwd).ended
    expect(up.code).toBe(1)
    expect(up.err).toMatch(new RegExp(`^error: .*${port}.*--port-base\\.$`, 'm'))
    expect(up.err.match(/\bStop\b/g)).toHaveLength(1)
    const second = await cli(['hub', '--port', String(port), '--home', join(cwd, 'second')], cwd).ended
    expect(second).toMatchObject({ code: 1, err: expect.stringMatching(new RegExp(`${port}.*--port\\.$`, 'm')) })
    expect(second.err.match(/\bStop\b/g)).toHaveLength(1)
  })

  it('ends with the exit code for what is wrong, in one sentence', async () => {
    const cwd = temporary()
    writeFileSync(join(cwd, 'closed'), '')
    const table: readonly (readonly [number, readonly string[]])[] = [
      [0, ['--help']],
      [2, []],
      [2, ['dance']],
      [2, ['up', '--port-base', 'x']],
      [2, ['up', '--share', 'missing']],
      [2, ['register', '--hub', '127.0.0.1:1', '--nickname', 'Alice']],
      [3, ['up']],
      [1, ['stop']],
      [1, ['hub', '--port', '0', '--database', 'sqlite:closed/hub.db']],
    ]
    const ends = table.map(([, argv]) => cli([...argv, '--home', join(cwd, 'home')], cwd).ended)
    for (const [index, { code, err }] of (await Promise.all(ends)).entries()) {
      expect([table[index]![1], code]).toEqual([table[index]![1], table[index]![0]])
      expect(err).not.toMatch(/^\s+at /m)
    }
  })
})

describe('the demo', () => {
  it('runs until Ctrl-C and leaves no port and no file', async () => {
    const cwd = temporary()
    const demo = cli(['demo', '--json', '--port-base', '0'], cwd, { TMPDIR: cwd })
    const { alice, bob, hub, folder, film } = (await demo.message(isReady)) as Record<string, string>
    expect(film).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/proxy\/bob\/.+\.mp4$/)
    expect(folder).toBe(`${alice}proxy/bob/`)
    expect((await fetch(alice!)).status).toBe(200)
    expect(readdirSync(cwd)).toEqual([expect.stringMatching(/^lighthouse-demo-/)])
    demo.signal('SIGINT')
    expect(await demo.ended).toMatchObject({ code: 0, err: '' })
    for (const url of [alice!, bob!, hub!]) expect(await isListening(url)).toBe(false)
    expect(readdirSync(cwd)).toEqual([])
  })

  it('takes the next port for its hub when somebody has the usual one', async () => {
    const cwd = temporary()
    await takeHubPort()
    const demo = cli(['demo', '--json', '--port-base', '0'], cwd, { TMPDIR: cwd })
    const port = Number(new URL(String((await demo.message(isReady)).hub)).port)
    expect([port > 3000, port < 3020]).toEqual([true, true])
    demo.signal('SIGINT')
    expect((await demo.ended).code).toBe(0)
  })

  it('ends its programs when it is killed', async () => {
    const cwd = temporary()
    const demo = cli(['demo', '--json', '--port-base', '0'], cwd, { TMPDIR: cwd })
    const { alice, bob, hub } = (await demo.message(isReady)) as Record<string, string>
    demo.signal('SIGKILL')
    await demo.ended
    for (const url of [alice!, bob!, hub!]) expect(await isFree(url)).toBe(true)
  })

  it('ends with Ctrl-C while it is starting', async () => {
    const cwd = temporary()
    const demo = cli(['demo', '--port-base', '0'], cwd, { TMPDIR: cwd })
    await firstValueFrom(
      timer(0, 20).pipe(filter(() => readdirSync(cwd).some(name => readdirSync(join(cwd, name)).includes('hub')))),
    )
    demo.signal('SIGINT')
    expect((await demo.ended).code).toBe(0)
    expect(readdirSync(cwd)).toEqual([])
  })

  it('names the program that died', async () => {
    const cwd = temporary()
    const demo = cli(['demo', '--json', '--port-base', '0'], cwd, { TMPDIR: cwd })
    await demo.message(isReady)
    const [home] = readdirSync(cwd)
    const { pid } = JSON.parse(readFileSync(join(cwd, home!, 'bob', 'running.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
    const { code, out } = await demo.ended
    expect(code).toBe(1)
    expect(out).toMatch(/"demo-failed".*bob ended \(SIGKILL\)/)
    expect(readdirSync(cwd)).toEqual([])
  })

  it('says which port is in use', async () => {
    const cwd = temporary()
    await takeHubPort()
    const port = await takePort()
    const demo = await cli(['demo', '--port-base', String(port)], cwd, { TMPDIR: cwd }).ended
    expect(demo.code).toBe(1)
    expect(demo.err).toMatch(/^Port 3000 is in use: the hub is at http:\/\/127\.0\.0\.1:30[01]\d\.$/m)
    // The one that is held, or one of the block that somebody else happens to hold.
    const named = Number(/^error: .*\bport (\d+)/im.exec(demo.err)?.[1])
    expect([named >= port, named < port + 64]).toEqual([true, true])
    expect(readdirSync(cwd)).toEqual([])
  })
})
