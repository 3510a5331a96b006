/**
 * What a terminal, a pipe and a machine do to the command line: real processes, loopback only.
 */
import { afterEach, describe, expect, it } from '@jest/globals'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { filter, firstValueFrom, map, timer } from 'rxjs'
import { type CliProcess, cliProcesses, isListening } from '../cli/support/cli-process.js'
import { temporaryFolders } from '../cli/support/temporary.js'
import { describeIf, findProgram } from '../support/requires.js'

const temporary = temporaryFolders()
const cli = cliProcesses()
const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** Runs a command on a terminal of its own. */
const terminal = findProgram(['script'])
const others: ChildProcess[] = []
afterEach(async () => {
  for (const child of others.splice(0)) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
})

const isReady = ({ type }: Record<string, unknown>): boolean => type === 'ready'

/** Waits for a file with something in it. The test's time limit bounds it. */
const content = (path: string): Promise<string> =>
  firstValueFrom(
    timer(0, 20).pipe(
      filter(() => existsSync(path)),
      map(() => readFileSync(path, 'utf8')),
      filter(text => text.endsWith('\n')),
    ),
  )

async function startHub(cwd: string): Promise<{ readonly hub: CliProcess; readonly url: string }> {
  const hub = cli(['hub', '--json', '--log-level', 'info', '--port', '0', '--home', join(cwd, 'hub')], cwd)
  const { url } = await hub.message(isReady)
  return { hub, url: String(url) }
}

async function register(cwd: string, hub: string): Promise<string> {
  const home = join(cwd, 'alice')
  await cli(['register', '--hub', hub, '--nickname', 'alice', '--home', home], cwd).ended
  return home
}

interface Daemon {
  readonly process: CliProcess
  /** An address of its own that answers while it runs. */
  readonly url: string
  /** Makes it write something. */
  readonly provoke: () => Promise<unknown>
  /** What it leaves where it keeps its state. */
  readonly left: () => readonly string[]
}

const daemons: Readonly<Record<string, (cwd: string) => Promise<Daemon>>> = {
  async hub(cwd) {
    const { hub, url } = await startHub(cwd)
    const provoke = (): Promise<unknown> => register(cwd, url)
    return { process: hub, url: `${url}/v1/health`, provoke, left: () => readdirSync(join(cwd, 'hub')) }
  },
  async up(cwd) {
    const { url } = await startHub(cwd)
    const home = await register(cwd, url)
    const up = cli(['up', '--json', '--port-base', '0', '--home', home], cwd)
    const { addresses } = await up.message(isReady)
    const left = (): readonly string[] => readdirSync(home).filter(name => /running|-wal|-shm/.test(name))
    // That it is signed in, which comes later.
    const provoke = (): Promise<unknown> => Promise.resolve()
    return { process: up, url: (addresses as { proxy: string }).proxy, provoke, left }
  },
  async demo(cwd) {
    const demo = cli(['demo', '--json', '--port-base', '0'], cwd, { TMPDIR: cwd })
    const { alice, folder } = await demo.message(isReady)
    return { process: demo, url: String(alice), provoke: () => fetch(String(folder)), left: () => readdirSync(cwd) }
  },
}

/** It has seen what was done to it before, and answers still. */
async function expectAlive(url: string): Promise<void> {
  for (let times = 0; times < 5; times++) expect((await fetch(url)).status).toBe(200)
}

describe.each([
  ['hub', ['hub.db', 'hub.db.fingerprint']],
  ['up', []],
  ['demo', []],
] as const)('%s', (name, left) => {
  it('goes on when the reader of its output is gone and a terminal hangs up, and ends as ever', async () => {
    const { process, url, provoke, left: found } = await daemons[name]!(temporary())
    process.stopReading()
    process.signal('SIGHUP')
    await provoke()
    await expectAlive(url)
    process.signal('SIGTERM')
    // Programs that end others may ask more than once.
    process.signal('SIGTERM')
    process.signal('SIGHUP')
    expect((await process.ended).code).toBe(0)
    expect(await isListening(url)).toBe(false)
    expect(found()).toEqual(left)
  })
})

describeIf(process.platform === 'linux' && terminal, 'needs script, which gives a program a terminal')(
  'on a terminal',
  () => {
    /** Runs a hub on a terminal of its own, as the shell line does; resolves once it listens. */
    async function onTerminal(
      cwd: string,
      line: string,
    ): Promise<{ readonly url: string; readonly pid: number; readonly close: () => void }> {
      const hub = `'${process.execPath}' '${main}' hub --json --port 0 --home '${join(cwd, 'hub')}'`
      const script = spawn(terminal!, ['-qfec', line.replace('HUB', hub), '/dev/null'], {
        cwd,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      others.push(script)
      for await (const text of createInterface({ input: script.stdout })) {
        if (!text.startsWith('{')) continue
        const { url, pid } = JSON.parse(text) as { readonly url: string; readonly pid: number }
        return { url: `${url}/v1/health`, pid, close: () => void script.kill('SIGKILL') }
      }
      throw new Error('no hub came up')
    }

    it('ends cleanly when the terminal is closed, although two signals arrive', async () => {
      const cwd = temporary()
      // An interactive shell hands the signal on like this.
      const line = `HUB & hub=$!; trap 'kill -HUP $hub; kill -HUP $hub' HUP; wait $hub; wait $hub; echo $? > code`
      const { url, close } = await onTerminal(cwd, line)
      close()
      expect(await content(join(cwd, 'code'))).toBe('0\n')
      expect(await isListening(url)).toBe(false)
      expect(readdirSync(join(cwd, 'hub'))).toEqual(['hub.db', 'hub.db.fingerprint'])
    })

    it.each([
      // Its output goes where a terminal's is not; it is shown here all the same.
      ['nohup', 'touch nohup.out; tail -f nohup.out & nohup HUB; echo $? > code'],
      ["trap '' HUP", "trap '' HUP; HUB; echo $? > code"],
    ])('goes on without it after %s', async (_how, line) => {
      const cwd = temporary()
      const { url, pid, close } = await onTerminal(cwd, `trap : HUP; (${line}) & wait; wait`)
      close()
      process.kill(pid, 'SIGHUP')
      await expectAlive(url)
      process.kill(pid, 'SIGTERM')
      expect(await content(join(cwd, 'code'))).toBe('0\n')
      expect(readdirSync(join(cwd, 'hub'))).toEqual(['hub.db', 'hub.db.fingerprint'])
    })
  },
)

describe('short commands', () => {
  it('end quietly when their reader has enough', async () => {
    const cwd = temporary()
    await startHub(cwd).then(({ hub }) => (hub.signal('SIGTERM'), hub.ended))
    for (const argv of [['--help'], ['ledger', 'export', `sqlite:${join(cwd, 'hub', 'hub.db')}`]]) {
      const command = cli(argv, cwd)
      command.stopReading()
      const { code, err } = await command.ended
      expect([argv[0], code === 0 || code === 1, err]).toEqual([argv[0], true, ''])
    }
  })

  const hasFull = existsSync('/dev/full')
  ;(hasFull ? it : it.skip)('say that a result could not be written', async () => {
    const cwd = temporary()
    await startHub(cwd).then(({ hub }) => (hub.signal('SIGTERM'), hub.ended))
    for (const argv of [['hub', 'invite'], ['ledger', 'export', 'sqlite:hub/hub.db'], ['--help']]) {
      const child = spawn(process.execPath, [main, ...argv, '--home', join(cwd, 'hub')], {
        cwd,
        stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
      })
      others.push(child)
      let err = ''
      child.stderr!.on('data', (chunk: Buffer) => (err += String(chunk)))
      await once(child, 'close')
      expect([argv, child.exitCode, err]).toEqual([argv, 1, expect.stringMatching(/^error: the disk is full/m)])
    }
  })
})

describe('a user without a home directory', () => {
  /** What libuv says without $HOME and without an entry in the password file. */
  const homeless = `
    import os from 'node:os'
    import { syncBuiltinESMExports } from 'node:module'
    const fail = () => { throw Object.assign(new Error('no such user'), { code: 'ENOENT' }) }
    Object.assign(os, { homedir: fail, userInfo: fail })
    syncBuiltinESMExports()`

  it('runs everything with --home, and explains what to do without', async () => {
    const cwd = temporary()
    const preload = join(cwd, 'homeless.mjs')
    writeFileSync(preload, homeless)
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(preload).href}`, TMPDIR: cwd }
    const hub = cli(['hub', '--json', '--port', '0', '--home', 'hub'], cwd, env)
    const { url } = await hub.message(isReady)
    const run = (...argv: readonly string[]): CliProcess['ended'] => cli(argv, cwd, env).ended
    const home = ['--home', 'alice']
    expect(await run('register', '--hub', String(url), '--nickname', 'alice', ...home)).toMatchObject({ code: 0 })
    const up = cli(['up', '--json', '--port-base', '0', ...home], cwd, env)
    await up.message(({ type, state }) => type === 'hub' && (state as { type: string }).type === 'authenticated')
    const asked = [['status'], ['coins'], ['ledger', 'verify'], ['ledger', 'export']]
    const codes = await Promise.all(asked.map(async argv => (await run(...argv, ...home)).code))
    expect(codes).toEqual([0, 0, 0, 0])
    expect(await run('stop', ...home)).toMatchObject({ code: 0 })
    expect((await up.ended).code).toBe(0)
    expect(await run('hub', 'invite', '--home', 'hub')).toMatchObject({ code: 0 })
    expect(await run('ledger', 'export', 'sqlite:none.db')).toMatchObject({ code: 2 })
    const lost = await run('status')
    expect(lost).toMatchObject({ code: 2, err: expect.stringMatching(/^error: .*--home DIR or LIGHTHOUSE_HOME\.$/m) })
    expect(lost.err).not.toMatch(/\n\s+at /)
    const demo = cli(['demo', '--json', '--port-base', '0'], cwd, env)
    await demo.message(isReady)
    demo.signal('SIGINT')
    expect((await demo.ended).code).toBe(0)
  })
})
