/** What deploy/ and docs/OPERATING.md tell operators to type exists: commands, options, variables, files, metrics. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { exitCodeOf } from '../../src/cli/exit-codes.js'
import { turnAddresses } from '../../src/cli/ice-options.js'
import { run } from '../../src/cli/program.js'
import { createHub$, type Hub } from '../../src/hub/app.js'
import { parseIceUrl } from '../../src/protocol/signaling/ice-url.js'
import { fakeIo } from '../cli/support/fake-io.js'

/** Above dist, or whatever folder the specs were compiled into. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
const guide = 'docs/OPERATING.md'
const files = [...readdirSync(join(root, 'deploy')).map(name => `deploy/${name}`), guide]
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const everything = files.map(read).join('\n')

/** Distinct matches of the first group, or of the whole. */
function found(pattern: RegExp, text: string): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(match => match[1] ?? match[0]))].toSorted()
}

/** The help of a command, an empty text when there is no such command. */
async function help(command: readonly string[]): Promise<string> {
  const io = fakeIo(root)
  const code = await run([...command, '--help'], io)
  const text = io.out()
  return code === 0 && text.includes(`Usage: ${['lighthouse-peer', ...command].join(' ')} [`) ? text : ''
}

const optionsOf = (text: string): readonly string[] => found(/^ +(?:-\w, )?(--[a-z][a-z-]*)/gm, text)

/** Every `lighthouse-peer …` that is shown, in whatever way it is started, without a comment behind it. */
const shown = found(/(?:lighthouse-peer|main\.js|--rm cli) ((?:hub|ledger|up|register)\b[^#`|>"\n]*)/g, everything).map(
  line => line.trim().split(/\s+/),
)

/** The words in front that are commands: `hub invite --count 5` has two. */
function commandOf(words: readonly string[]): readonly string[] {
  const second = words[1]
  const isPair = second !== undefined && /^(invite|verify|export)$/.test(second)
  return isPair ? words.slice(0, 2) : words.slice(0, 1)
}

const commands = ['hub', 'ledger', 'up', 'register'].map(name => [name])

describe('commands', () => {
  it('are found at all', () => {
    expect(shown.length).toBeGreaterThan(4)
  })

  it.each(shown.map(words => [words.join(' '), words] as const))('%s', async (_line, words) => {
    const text = await help(commandOf(words))
    expect(text).not.toBe('')
    const used = words.filter(word => word.startsWith('--')).map(word => word.replace(/=.*$/, ''))
    expect(optionsOf(text)).toEqual(expect.arrayContaining(used))
  })
})

describe('options and variables', () => {
  let all = ''
  beforeAll(async () => {
    const texts = await Promise.all([...commands, ...shown.map(commandOf)].map(help))
    all = texts.join('\n')
  })

  it('that stand alone in the text are ours', () => {
    const mentioned = found(/`(--[a-z][a-z-]*)[^`]*`/g, read(guide))
    expect(mentioned.length).toBeGreaterThan(3)
    expect(optionsOf(all)).toEqual(expect.arrayContaining([...mentioned]))
  })

  it('LIGHTHOUSE_… are named by the help', () => {
    const used = found(/\bLIGHTHOUSE_[A-Z_]+/g, everything)
    expect(used.length).toBeGreaterThan(8)
    expect(found(/\bLIGHTHOUSE_[A-Z_]+/g, all)).toEqual(expect.arrayContaining([...used]))
  })

  it('of the example are accepted as they stand, but for the secrets that it leaves out', () => {
    const values = found(/^#?(LIGHTHOUSE_[A-Z_]+=.*)$/gm, read('deploy/lighthouse-hub.env.example'))
    expect(values.filter(value => /["'\s]/.test(value))).toEqual([])
  })
})

describe('files', () => {
  it.each(found(/\]\(([^)#:]+)\)/g, read(guide)))('%s, to which the guide links, exists', link => {
    expect(existsSync(join(root, dirname(guide), link))).toBe(true)
  })

  it.each(found(/\bdeploy\/[A-Za-z][\w.-]*\w/g, everything))('%s exists', path => {
    expect(existsSync(join(root, path))).toBe(true)
  })

  it('that the image is made of exist, and reach the builder', () => {
    const copied = [...read('deploy/Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(match =>
      match[1]!.split(' '),
    )
    expect(copied.length).toBeGreaterThan(5)
    expect(copied.filter(path => !existsSync(join(root, path)))).toEqual([])
    const admitted = found(/^!(.+)$/gm, read('deploy/Dockerfile.dockerignore'))
    expect(admitted).toEqual([...new Set(copied)].toSorted())
  })

  it('that compose mounts exist', () => {
    const mounted = found(/'(\.\/[^':]+):/g, read('deploy/compose.yaml'))
    expect(mounted).toEqual(['./coturn.conf', './coturn.sh', './nginx.conf'])
    expect(mounted.filter(path => !existsSync(join(root, 'deploy', path)))).toEqual([])
  })

  it('that systemd starts is the package’s own command', () => {
    const { bin } = JSON.parse(read('package.json')) as { bin: Record<string, string> }
    expect(read('deploy/lighthouse-hub.service')).toContain(`/opt/lighthouse-peer/${bin['lighthouse-peer']} hub\n`)
    expect(read('deploy/compose.yaml')).toContain(`node ${bin['lighthouse-peer']} `)
  })
})

describe('the unit', () => {
  const unit = read('deploy/lighthouse-hub.service')

  it('tries again for as long as it takes, and not at all with settings that are refused', () => {
    expect(unit).toMatch(/^\[Unit\][^[]*^StartLimitIntervalSec=0$/ms)
    expect(unit).toMatch(/^Restart=on-failure$/m)
    expect(Number(/^RestartSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThanOrEqual(5)
    expect(/^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1]).toBe(String(exitCodeOf('invalid-option')))
    for (const passing of ['store-failed', 'port-in-use', 'address-unavailable'] as const) {
      expect(exitCodeOf(passing)).toBe(1)
    }
  })
})

describe('the proxy', () => {
  it('closes an idle connection before the hub does', async () => {
    const seconds = Number(/^ *keepalive_timeout (\d+)s;/m.exec(read('deploy/nginx.conf'))?.[1])
    expect(seconds * 1_000).toBeLessThan(createServer().keepAliveTimeout)
  })

  it('sees the clients of IPv6 as they are', () => {
    expect(read('deploy/compose.yaml')).toMatch(/^ {2}front:\n(?: {4}#.*\n)*? {4}enable_ipv6: true$/m)
  })
})

describe('coturn', () => {
  const config = read('deploy/coturn.conf')
  const service = /^ {2}turn:\n(?:(?: {4}.*)?\n)+/m.exec(read('deploy/compose.yaml'))![0]

  /** What `turnserver` would be started with. */
  function started(environment: NodeJS.ProcessEnv): { readonly argv: string; readonly config: string } | string {
    const folder = mkdtempSync(join(tmpdir(), 'lighthouse-coturn-'))
    try {
      const stub = join(folder, 'turnserver')
      writeFileSync(stub, '#!/bin/sh\necho "$@"\ncat "$2"\n', { mode: 0o700 })
      const env = { ...environment, PATH: `${folder}:${process.env['PATH']}`, TMPDIR: folder }
      const { status, stdout, stderr } = spawnSync('sh', [join(root, 'deploy/coturn.sh'), '--verbose'], { env })
      if (status !== 0) return stderr.toString()
      const [argv = '', ...lines] = stdout.toString().split('\n')
      return { argv, config: lines.join('\n') }
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  it('gets the one secret that the hub reads, and no process list shows it', () => {
    const run = started({ LIGHTHOUSE_TURN_SECRET: 'a secret' })
    if (typeof run === 'string') throw new Error(run)
    expect(run.argv).toMatch(/^-c \S+ --verbose$/)
    expect(found(/^static-auth-secret=(.*)$/gm, run.config)).toEqual(['a secret'])
    expect(run.config.startsWith(config)).toBe(true)
    expect(config).not.toContain('static-auth-secret')
  })

  it('does not start without', () => {
    expect(started({})).toContain('LIGHTHOUSE_TURN_SECRET')
  })

  it('listens where a host after --turn says', () => {
    const ports = new Set(turnAddresses('turn.example').map(url => parseIceUrl(url)!.port))
    expect(found(/^(?:tls-)?listening-port=(\d+)$/gm, config).map(Number)).toEqual([...ports])
  })

  it('sets no bandwidth aside: every relay would take its largest from it', () => {
    expect(config).not.toMatch(/^bps-capacity/m)
  })

  it('is in compose with the hubs’ file of settings, on the machine’s own network', () => {
    expect(service).toContain('network_mode: host\n')
    const [ours, ...hubs] = [service, read('deploy/compose.yaml')].map(text => /env_file: (.+)/.exec(text)![1])
    expect(hubs).toEqual([ours])
    for (const file of found(/^(?:cert|pkey)=(.+)$/gm, config)) expect(service).toContain(`target: ${file}\n`)
    expect(service).toContain('entrypoint: [sh, /etc/coturn/coturn.sh]\n')
  })
})

describe('backups', () => {
  it('are made for the owner alone', () => {
    const lines = read(guide).split('\n')
    const dumps = lines.filter(line => /pg_dump --|"VACUUM INTO/.test(line))
    expect(dumps).toHaveLength(2)
    for (const line of dumps) expect(line).toMatch(/^\(umask 077; /)
  })
})

describe('a running hub', () => {
  const hub$ = new ReplaySubject<Hub>(1)
  let running: Subscription
  const get = async (path: string): Promise<Response> => fetch(new URL(path, (await firstValueFrom(hub$)).url))

  beforeAll(() => {
    running = createHub$({ port: 0, database: ':memory:' }).subscribe(hub$)
  })

  afterAll(() => running.unsubscribe())

  it('has the metrics that the guide explains, and the guide explains all', async () => {
    const names = found(/^# TYPE (lighthouse_\w+)/gm, await (await get('/metrics')).text())
    expect(names.length).toBeGreaterThan(3)
    expect(found(/\blighthouse_hub_\w+/g, read(guide))).toEqual(names)
  })

  it.each(found(/\/(?:v1\/)?(?:health|ledger|metrics)\b/g, everything))('has %s', async path => {
    expect((await get(path)).status).toBe(200)
  })
})
