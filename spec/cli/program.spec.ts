import { describe, expect, it } from '@jest/globals'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { throwError } from 'rxjs'
import { run } from '../../src/cli/program.js'
import type { HubClient } from '../../src/ports.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()

describe('the command line', () => {
  it.each([
    ['an unknown command', ['dance']],
    ['an unknown option', ['status', '--loud']],
    ['a superfluous argument', ['status', 'now']],
    ['a port base that is no number', ['up', '--port-base', '4e3']],
    ['a port base whose block has no room', ['up', '--port-base', '65525']],
    ['a negative port base', ['up', '--port-base=-1']],
    ['a demo whose second block has no room', ['demo', '--port-base', '65500']],
    ['an unknown WebRTC implementation', ['up', '--engine', 'best']],
    ['an unknown log level', ['up', '--log-level', 'loud']],
    ['a missing value', ['register', '--hub']],
    ['a registration without a hub', ['register', '--nickname', 'alice']],
    ['a registration without a nickname', ['register', '--hub', '127.0.0.1']],
    ['a nickname that is none', ['register', '--hub', '127.0.0.1', '--nickname', 'Alice1']],
    ['plain http across a network', ['register', '--hub', 'http://hub.example', '--nickname', 'alice']],
    ['a missing folder', ['up', '--share', './nowhere']],
    ['a hub port that is none', ['hub', '--port', '65536']],
    ['a database of another kind', ['hub', '--database', 'file.db']],
    ['a STUN server that is none', ['hub', '--stun', 'http://stun.example']],
    ['a TURN server that is none', ['hub', '--turn', 'http://turn.example', '--turn-secret', 'x']],
    ['TURN without its secret', ['hub', '--turn', 'turn.example']],
    ['a secret without TURN', ['hub', '--turn-secret', 'x']],
  ])('answers %s with exit code 2, one line and no stack', async (_what, argv) => {
    const cwd = temporary()
    const io = fakeIo(cwd)
    expect(await run([...argv, '--home', cwd], io)).toBe(2)
    expect(io.out()).toBe('')
    expect(io.err()).toMatch(/^error: [^\n]+\n$/)
    expect(io.err()).not.toMatch(/\n\s+at /)
  })

  it('says the same in JSON on stdout', async () => {
    const io = fakeIo(temporary())
    expect(await run(['dance', '--json'], io)).toBe(2)
    expect(io.messages()).toEqual([{ error: { code: 'usage', message: expect.stringContaining('dance') } }])
    expect(io.err()).toBe('')
  })

  it('prints the help and exit code 2 when called with nothing', async () => {
    const io = fakeIo(temporary())
    expect(await run([], io)).toBe(2)
    expect(io.err()).toContain('Exit codes:')
  })

  it.each([
    'demo',
    'hub',
    'register',
    'up',
    'doctor',
    'status',
    'coins',
    'get',
    'forgive',
    'invite',
    'trust',
    'forget',
    'ledger',
    'stop',
  ])('teaches %s', async name => {
    const io = fakeIo(temporary())
    expect(await run([name, '--help'], io)).toBe(0)
    expect(io.out()).toContain(`$ lighthouse-peer ${name}`)
    expect(io.out()).toContain('--home <dir>')
    for (const flag of io.out().match(/^ {2}--(?!help|version)[a-z-]+/gm) ?? []) {
      const variable = `LIGHTHOUSE_${flag.trim().slice(2).replaceAll('-', '_').toUpperCase()}`
      expect(io.out()).toContain(variable)
    }
  })

  it('prints the version', async () => {
    const io = fakeIo(temporary())
    expect(await run(['--version'], io)).toBe(0)
    expect(io.out()).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('takes every option from the environment that the command line does not set', async () => {
    const down: HubClient['health$'] = () => throwError(() => new LighthouseError('hub-unreachable', 'down'))
    const asked: string[] = []
    const hubClient = (hub: URL): HubClient => {
      asked.push(hub.origin)
      const nothing = down as never
      return {
        health$: down,
        head$: nothing,
        ledger$: nothing,
        register$: nothing,
        resolve$: nothing,
        balance$: nothing,
      }
    }
    const env = { LIGHTHOUSE_HUB: '127.0.0.1:4001', LIGHTHOUSE_NICKNAME: 'alice', LIGHTHOUSE_JSON: '1' }
    const io = fakeIo(temporary(), { env: { ...env, LIGHTHOUSE_HOME: 'h' }, parts: { hubClient } })
    expect(await run(['register'], io)).toBe(4)
    expect(io.messages()).toEqual([{ error: { code: 'hub-unreachable', message: 'down' } }])
    expect(await run(['register', '--hub', '127.0.0.1:4002'], io)).toBe(4)
    expect(asked).toEqual(['http://127.0.0.1:4001', 'http://127.0.0.1:4002'])
  })

  it.each([
    ['LIGHTHOUSE_PORT_BASE', 'many'],
    ['LIGHTHOUSE_JSON', 'perhaps'],
    ['LIGHTHOUSE_LOG_LEVEL', 'loud'],
  ])('names the variable %s when it is wrong', async (name, value) => {
    const io = fakeIo(temporary(), { env: { [name]: value } })
    expect(await run(['status'], io)).toBe(2)
    expect(io.err()).toContain(name)
  })

  it('treats 0 and an empty value as no', async () => {
    const io = fakeIo(temporary(), { env: { LIGHTHOUSE_JSON: '0', LIGHTHOUSE_PORT_BASE: '' } })
    expect(await run(['status', '--home', io.cwd], io)).toBe(1)
    expect(io.out()).toBe('')
    expect(io.err()).toContain('lighthouse-peer up')
  })

  it.each(['status', 'coins', 'stop', 'forgive bob'])('says that no peer is running: %s', async command => {
    const io = fakeIo(temporary())
    expect(await run([...command.split(' '), '--home', io.cwd, '--json'], io)).toBe(1)
    expect(io.messages()).toEqual([{ error: { code: 'not-running', message: expect.any(String) } }])
  })

  it('asks nobody for a registration without a terminal', async () => {
    const io = fakeIo(temporary())
    expect(await run(['up', '--home', io.cwd], io)).toBe(3)
    expect(io.err()).toContain('lighthouse-peer register --hub URL --nickname NAME')
    expect(io.questions).toEqual([])
  })

  it('gives the command that makes a metadata.json private again', async () => {
    const cwd = temporary()
    writeFileSync(join(cwd, 'metadata.json'), '{}')
    chmodSync(join(cwd, 'metadata.json'), 0o644)
    const io = fakeIo(cwd)
    expect(await run(['up'], io)).toBe(3)
    expect(io.err()).toContain(`chmod 600 "${join(cwd, 'metadata.json')}"`)
  })

  it('shows control characters instead of obeying them', async () => {
    const io = fakeIo(temporary())
    expect(await run(['up', '--share', '\u001b[2Jx\u202e\n'], io)).toBe(2)
    expect(io.err()).toContain('\\u{1b}[2Jx\\u{202e}')
    expect(io.err()).not.toContain('\u001b')
  })

  it('colours only a terminal whose user did not decline', async () => {
    const paint = async (terminal: boolean, env: Record<string, string>): Promise<boolean> => {
      const io = fakeIo(temporary(), { terminal, env })
      await run(['status', '--home', io.cwd], io)
      return io.err().includes('\u001b[')
    }
    expect(await paint(true, {})).toBe(true)
    expect(await paint(false, {})).toBe(false)
    expect(await paint(true, { NO_COLOR: '1' })).toBe(false)
  })
})
