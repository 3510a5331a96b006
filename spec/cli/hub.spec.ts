import { describe, expect, it } from '@jest/globals'
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { EMPTY, filter, firstValueFrom, startWith } from 'rxjs'
import { fetchHubClient } from '../../src/adapters/hub/http-client.js'
import type { Parts } from '../../src/cli/io.js'
import { run } from '../../src/cli/program.js'
import type { HubOptions } from '../../src/hub/app.js'
import { type FakeIo, fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const parts = { hub: () => import('../../src/hub/app.js'), hubClient: (hub: URL) => fetchHubClient(hub) }

/** Runs a hub in the folder until `stop`; resolves once it is ready. */
async function startHub(folder: string, ...argv: string[]) {
  const io = fakeIo(folder, { parts })
  const ended = run(['hub', '--port', '0', '--home', folder, '--json', ...argv], io)
  await firstValueFrom(
    io.written$.pipe(
      startWith(''),
      filter(() => io.out().includes('"ready"')),
    ),
  )
  const stop = async (): Promise<number> => {
    io.interrupt$.next()
    return ended
  }
  return { io, stop, url: String(io.messages()[0]?.url) }
}

async function invite(folder: string, ...argv: string[]): Promise<FakeIo & { readonly codes: readonly string[] }> {
  const io = fakeIo(folder, { parts })
  expect(await run(['hub', 'invite', '--home', folder, '--json', ...argv], io)).toBe(0)
  return Object.assign(io, { codes: io.messages()[0]?.invites as string[] })
}

function register(folder: string, url: string, nickname: string, ...argv: string[]): Promise<number> {
  return run(
    ['register', '--hub', url, '--nickname', nickname, '--home', join(folder, nickname), ...argv],
    fakeIo(folder, { parts }),
  )
}

describe('hub invite', () => {
  it('works while the hub has the database to itself, and while there is none', async () => {
    const folder = temporary()
    const before = await invite(folder, '--count', '2')
    expect(before.codes).toHaveLength(2)
    const hub = await startHub(folder, '--registration', 'invite')
    const during = await invite(folder)
    expect(await register(folder, hub.url, 'alice')).toBe(1)
    expect(await register(folder, hub.url, 'alice', '--invite', during.codes[0]!)).toBe(0)
    expect(await register(folder, hub.url, 'bob', '--invite', during.codes[0]!)).toBe(1)
    expect(await register(folder, hub.url, 'bob', '--invite', ` ${before.codes[0]!}`)).toBe(0)
    expect(await hub.stop()).toBe(0)
    expect((await invite(folder)).codes).toHaveLength(1)
  })

  it("has a file for it that is the owner's alone and goes with the hub", async () => {
    const folder = temporary()
    const path = join(folder, 'hub.db.control')
    const hub = await startHub(folder)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    // A second hub is turned away, and leaves the first one's file alone.
    expect(await run(['hub', '--port', '0', '--home', folder], fakeIo(folder, { parts }))).toBe(1)
    const { controlToken } = JSON.parse(readFileSync(path, 'utf8')) as { controlToken: string }
    expect(Buffer.from(controlToken, 'base64url')).toHaveLength(32)
    expect(hub.io.out()).not.toContain(controlToken)
    chmodSync(path, 0o644)
    const io = fakeIo(folder, { parts })
    expect(await run(['hub', 'invite', '--home', folder], io)).toBe(1)
    expect(io.err()).toContain('chmod 600')
    expect(await hub.stop()).toBe(0)
    expect(existsSync(path)).toBe(false)
  })

  it('removes no file of another hub', async () => {
    const folder = temporary()
    const path = join(folder, 'hub.db.control')
    const hub = await startHub(folder)
    writeFileSync(path, 'of another')
    expect(await hub.stop()).toBe(0)
    expect(readFileSync(path, 'utf8')).toBe('of another')
  })

  it.each(['nobody', 'somebody else', 'nonsense'])(
    'is not misled by the file of a hub that was killed: %s',
    async kind => {
      const folder = temporary()
      const server = createServer((_request, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      if (kind === 'nobody') server.close()
      const control = { url: `http://127.0.0.1:${port}`, controlToken: 't'.repeat(43) }
      const path = join(folder, 'hub.db.control')
      writeFileSync(path, kind === 'nonsense' ? '{"url":7}' : JSON.stringify(control), { mode: 0o600 })
      expect((await invite(folder)).codes).toHaveLength(1)
      server.close()
    },
  )

  it('prints the codes and nothing else on stdout', async () => {
    const folder = temporary()
    const io = fakeIo(folder, { parts })
    expect(await run(['hub', 'invite', '--home', folder, '--count', '3'], io)).toBe(0)
    expect(io.out()).toMatch(/^([\w-]{22}\n){3}$/)
    expect(io.err()).toContain('--invite CODE')
  })

  it('is taught', async () => {
    const io = fakeIo(temporary())
    expect(await run(['hub', 'invite', '--help'], io)).toBe(0)
    expect(io.out()).toContain('$ lighthouse-peer hub invite')
    expect(io.out()).toContain('LIGHTHOUSE_COUNT')
    expect(io.out()).not.toContain('--turn')
  })

  it.each([
    ['a count that is none', ['hub', 'invite', '--count', '0']],
    ['too many', ['hub', 'invite', '--count', '1001']],
    ['a policy that does not exist', ['hub', '--registration', 'ask']],
    ['a limit that does not exist', ['hub', '--limit', 'everything=1']],
    ['a limit of nothing', ['hub', '--limit', 'offers-per-minute=0']],
    ['a limit without a number', ['hub', '--limit', 'offers-per-minute']],
    ['no proxy', ['hub', '--trust-proxy', '0']],
    ['a proxy that is none', ['hub', '--trust-proxy', 'some where']],
    ['Redis beside SQLite', ['hub', '--redis', 'redis://127.0.0.1:1']],
    ['a database of another kind', ['hub', 'invite', '--database', 'file.db']],
  ])('answers %s with exit code 2 and one line', async (_what, argv) => {
    const folder = temporary()
    const io = fakeIo(folder, { parts })
    expect(await run([...argv, '--home', folder], io)).toBe(2)
    expect(io.err()).toMatch(/^error: [^\n]+\n$/)
  })
})

describe('hub', () => {
  it('takes limits from the command line and from the environment, several at once', async () => {
    const folder = temporary()
    const seen: object[] = []
    const fake: Awaited<ReturnType<Parts['hub']>> = {
      createHub$(options = {}) {
        seen.push(options)
        return EMPTY
      },
      createInvites$: () => EMPTY,
    }
    const env = { LIGHTHOUSE_LIMIT: 'offers-per-minute=600, offer-burst=5' }
    await run(['hub', '--home', folder], fakeIo(folder, { env, parts: { hub: async () => fake } }))
    const argv = ['--limit', 'sockets-per-address=9', '--limit', 'handshakes-per-minute=8', '--trust-proxy', '1']
    await run(['hub', '--home', folder, ...argv], fakeIo(folder, { env, parts: { hub: async () => fake } }))
    expect(seen).toMatchObject([
      { rateLimits: { offersPerMinute: 600, offerBurst: 5 } },
      { rateLimits: { socketsPerAddress: 9, handshakesPerMinute: 8 }, trustProxy: 1 },
    ])
  })

  it('says where it can be reached, and warns where others cannot', async () => {
    const folder = temporary()
    const here = await startHub(folder)
    const warning = expect.stringMatching(/^Only this machine/)
    expect(here.io.messages()[0]).toMatchObject({
      addresses: [],
      warnings: [warning, expect.stringContaining('--stun')],
    })
    await here.stop()
    const own = Object.values(networkInterfaces())
      .flatMap(list => list ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address)
    const everywhere = await startHub(folder, '--host', '0.0.0.0', '--turn', 'turn:t.example', '--turn-secret', 'x')
    const { addresses, withTls, url } = everywhere.io.messages()[0] as Record<string, string[]>
    const hosts = [...addresses!, ...withTls!].map(address => new URL(address).hostname)
    expect(hosts.toSorted()).toEqual(own.toSorted())
    expect((await fetch(`${String(url)}/v1/health`)).status).toBe(200)
    await everywhere.stop()
  })

  it('misses a database that is gone, with exit code 1, until it is started with --accept-new', async () => {
    const folder = temporary()
    const first = await startHub(folder)
    await first.stop()
    rmSync(join(folder, 'hub.db'))
    for (const argv of [
      ['hub', '--port', '0'],
      ['hub', 'invite'],
    ]) {
      const io = fakeIo(folder, { parts })
      expect(await run([...argv, '--home', folder], io)).toBe(1)
      expect(io.err()).toMatch(/hub\.db" is missing.*with the key (?:[0-9a-z]{4}-?){6} was.*--accept-new/)
    }
    const anew = await startHub(folder, '--accept-new')
    expect(anew.io.messages()[0]?.fingerprint).not.toBe(first.io.messages()[0]?.fingerprint)
    await anew.stop()
  })

  it('on PostgreSQL notes its key in the home, one for each database and whoever signs in to it', async () => {
    const seen: HubOptions[] = []
    const fake: Awaited<ReturnType<Parts['hub']>> = {
      createHub$(options = {}) {
        seen.push(options)
        return EMPTY
      },
      createInvites$: () => EMPTY,
    }
    const folder = temporary()
    const start = async (database: string, ...argv: string[]): Promise<string | undefined> => {
      const io = fakeIo(folder, { parts: { hub: async () => fake } })
      await run(['hub', '--home', folder, '--database', database, ...argv], io)
      return seen.at(-1)!.keyMarker
    }
    const one = await start('postgres://hub:old@db.example/one')
    expect(one).toMatch(new RegExp(`^${join(folder, 'hub-')}[0-9a-f]{16}\\.fingerprint$`))
    expect(await start('postgres://hub:new@db.example/one?password=new', '--accept-new')).toBe(one)
    expect(seen.map(({ acceptNew }) => acceptNew)).toEqual([undefined, true])
    expect(await start('postgres://hub@db.example/other')).not.toBe(one)
    expect(await start(`sqlite:${join(folder, 'x.db')}`)).toBeUndefined()
  })

  it('does not show the password of its database', async () => {
    const folder = temporary()
    const io = fakeIo(folder, { parts })
    const database = 'postgres://lighthouse:secret@127.0.0.1:1/lighthouse?password=secret'
    expect(await run(['hub', '--port', '0', '--home', folder, '--database', database], io)).toBe(1)
    expect(io.out() + io.err()).not.toContain('secret')
  })
})

describe('up, where the hub asks for an invitation', () => {
  it('asks the person for the code', async () => {
    const folder = temporary()
    const hub = await startHub(folder, '--registration', 'invite')
    const { codes } = await invite(folder)
    const stopped = async () => ({
      createPeer$: () => {
        throw new Error('as far as this spec goes')
      },
      portBlock: () => ({}),
    })
    const io = fakeIo(folder, {
      ...{ interactive: true, terminal: true, answers: [hub.url, 'alice', codes[0]!] },
      parts: { ...parts, peer: stopped as never, loadRtc: (async () => ({})) as never },
    })
    await run(['up', '--home', join(folder, 'alice'), '--share', folder], io)
    expect(io.questions.map(({ message }) => message)).toEqual([
      'Which hub?',
      'Your nickname?',
      'Your invitation code?',
    ])
    expect(io.out()).toContain('Registered as alice')
    await hub.stop()
  })
})
