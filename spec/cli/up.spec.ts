import { describe, expect, it } from '@jest/globals'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  BehaviorSubject,
  NEVER,
  Observable,
  ReplaySubject,
  Subject,
  filter,
  firstValueFrom,
  map,
  throwError,
} from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { receiptStore$, receiptsPath } from '../../src/adapters/store/receipts/receipt-store.node.js'
import { commitPending, writePending } from '../../src/adapters/store/metadata-file.node.js'
import { type Peer, type PeerEvent, type PeerOptions, portBlock } from '../../src/index.js'
import { run } from '../../src/cli/program.js'
import { readRunFile, runPath, writeRunFile } from '../../src/cli/running.js'
import type { Parts } from '../../src/cli/io.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import type { HubState } from '../../src/protocol/peer/stats.js'
import { type FakeIo, fakeIo } from './support/fake-io.js'
import { httpServers } from './support/peer-home.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const serve = httpServers()

function registered(): string {
  const home = join(temporary(), 'home')
  const identity = { ...nodeCrypto.generateKeyPair(), nickname: 'alice', host: '127.0.0.1:3000' }
  writePending(home, identity)
  commitPending(home, identity)
  return home
}

/** A peer that listens nowhere and does what the spec says, and `lastly` when it ends. */
function fakePeer(lastly: (given: PeerOptions, event$: Subject<PeerEvent>) => void = () => undefined): {
  readonly parts: Partial<Parts>
  readonly options: PeerOptions[]
  readonly state$: BehaviorSubject<HubState>
  readonly stop$: Subject<void>
  readonly alive: () => boolean
} {
  const options: PeerOptions[] = []
  const state$ = new BehaviorSubject<HubState>({ type: 'connecting', attempt: 1 })
  const stop$ = new Subject<void>()
  const event$ = new Subject<PeerEvent>()
  let alive = 0
  const createPeer$ = (given: PeerOptions): Observable<Peer> =>
    new Observable(subscriber => {
      options.push(given)
      alive += 1
      subscriber.next({
        identity: { ...given.identity, fingerprint: fingerprintOf(given.identity.pubKey) },
        addresses: { proxy: 'http://127.0.0.1:1/', data: undefined },
        controlToken: given.controlToken!,
        state$,
        tunnels$: NEVER,
        coins$: new BehaviorSubject(100_000_000),
        stats$: NEVER,
        stopRequested$: stop$,
        event$,
        connect$: () => NEVER,
        forgive$: () => NEVER,
      })
      return () => {
        lastly(given, event$)
        alive -= 1
      }
    })
  const parts: Partial<Parts> = {
    peer: () => Promise.resolve({ createPeer$, portBlock }),
    loadRtc: name => Promise.resolve({ name, connect$: () => NEVER }),
  }
  return { parts, options, state$, stop$, alive: () => alive > 0 }
}

/** Starts `up` and resolves once it has said that it is ready. */
async function start(io: FakeIo, argv: readonly string[]): Promise<{ readonly code: Promise<number> }> {
  const said = new ReplaySubject<string>()
  io.written$.subscribe(said)
  const code = run(['up', ...argv], io)
  await firstValueFrom(said.pipe(filter(text => /ready|is up/.test(text))))
  return { code }
}

describe('up', () => {
  it('prints where everything is, keeps a private run file while it runs, and ends with Ctrl-C', async () => {
    const home = registered()
    const peer = fakePeer()
    const io = fakeIo(temporary(), { parts: peer.parts })
    mkdirSync(join(io.cwd, 'data'))
    const { code } = await start(io, ['--home', home, '--json', '--port-base', '5000', '--relay-only'])
    expect(peer.options[0]).toMatchObject({
      identity: { nickname: 'alice' },
      home,
      share: { type: 'folder', path: join(io.cwd, 'data') },
      ports: { proxy: 5000, data: 5011 },
      relayOnly: true,
    })
    // The library's own choice.
    expect(peer.options[0]).not.toHaveProperty('rtc')
    expect(peer.options[0]!.ports!.tunnels).toEqual([5001, 5002, 5003, 5004, 5005, 5006, 5007, 5008, 5009, 5010])
    expect(statSync(runPath(home)).mode & 0o777).toBe(0o600)
    expect(readRunFile(home)).toMatchObject({
      pid: process.pid,
      url: 'http://127.0.0.1:1/',
      controlToken: peer.options[0]!.controlToken,
    })
    peer.state$.next({ type: 'authenticated' })
    io.interrupt$.next()
    expect(await code).toBe(0)
    expect(peer.alive()).toBe(false)
    expect(readdirSync(home)).toEqual([
      'metadata.json',
      'receipts.sqlite',
      'receipts.sqlite.fingerprint',
      'receipts.sqlite.lock',
    ])
    expect(io.messages().map(({ type }) => type)).toEqual(['ready', 'hub', 'coins', 'hub'])
    expect(io.messages()[0]).toMatchObject({ nickname: 'alice', addresses: { proxy: 'http://127.0.0.1:1/' } })
    expect(io.opened).toEqual([])
    expect(io.out()).not.toContain(peer.options[0]!.controlToken)
  })

  it('misses receipts that are gone, with exit code 1, until it is started with --accept-new', async () => {
    const home = registered()
    const peer = fakePeer()
    const io = (): FakeIo => fakeIo(temporary(), { parts: peer.parts })
    const first = io()
    const { code } = await start(first, ['--home', home])
    first.interrupt$.next()
    expect(await code).toBe(0)
    rmSync(receiptsPath(home))
    const lost = io()
    expect(await run(['up', '--home', home], lost)).toBe(1)
    expect(lost.err()).toMatch(/receipts\.sqlite.* is missing.*--accept-new/)
    expect(existsSync(receiptsPath(home))).toBe(false)
    const anew = io()
    const again = await start(anew, ['--home', home, '--accept-new'])
    anew.interrupt$.next()
    expect(await again.code).toBe(0)
  })

  it('lets the system choose every port with base 0', async () => {
    const peer = fakePeer()
    const io = fakeIo(temporary(), { parts: peer.parts })
    const { code } = await start(io, ['--home', registered(), '--port-base', '0'])
    expect(peer.options[0]).toMatchObject({ ports: { proxy: 0, data: 0 } })
    expect(peer.options[0]).not.toHaveProperty('share')
    expect(io.err()).toContain('nothing is shared')
    peer.stop$.next()
    expect(await code).toBe(0)
    expect(peer.alive()).toBe(false)
  })

  it.each<[string, readonly string[], Readonly<Record<string, string>>, string | undefined]>([
    ['--engine wrtc', ['--engine', 'wrtc'], {}, 'wrtc'],
    ['LIGHTHOUSE_ENGINE', [], { LIGHTHOUSE_ENGINE: 'node-datachannel' }, 'node-datachannel'],
    ['--engine auto', ['--engine', 'auto'], {}, undefined],
  ])('takes the WebRTC implementation from %s', async (_what, argv, env, name) => {
    const peer = fakePeer()
    const io = fakeIo(temporary(), { parts: peer.parts, env })
    const { code } = await start(io, ['--home', registered(), ...argv])
    expect(peer.options[0]!.rtc?.name).toBe(name)
    peer.stop$.next()
    expect(await code).toBe(0)
  })

  it.each(['Ctrl-C', 'stop'])(
    'closes the receipts after the peer, and logs what that could not keep: %s',
    async how => {
      const session = 's'.repeat(22)
      const peer = fakePeer(({ receipts, identity }, event$) => {
        receipts!.open({ session, seeder: 'bob', consumer: identity.pubKey })
        event$.next({ type: 'receipts-failed', reason: new LighthouseError('store-failed', 'the disk is full') })
      })
      const home = registered()
      const io = fakeIo(temporary(), { parts: peer.parts })
      const { code } = await start(io, ['--home', home])
      if (how === 'stop') peer.stop$.next()
      else io.interrupt$.next()
      expect(await code).toBe(0)
      expect(io.err()).toContain('the disk is full')
      const store = await firstValueFrom(
        receiptStore$(receiptsPath(home), peer.options[0]!.identity.pubKey).pipe(
          map(receipts => receipts.session(session)),
        ),
      )
      expect(store).toMatchObject({ seeder: 'bob' })
    },
  )

  it.each([
    ['', true],
    ['--no-open', false],
  ])('opens the dashboard on a terminal unless told not to: %s', async (flag, opens) => {
    const peer = fakePeer()
    const io = fakeIo(temporary(), { parts: peer.parts, terminal: true })
    const { code } = await start(io, ['--home', registered(), ...(flag === '' ? [] : [flag])])
    io.interrupt$.next()
    await code
    expect(io.opened).toEqual(opens ? ['http://127.0.0.1:1/'] : [])
  })

  it.each([
    ['session-replaced', 3],
    ['not-authenticated', 3],
    ['key-changed', 7],
  ] as const)('ends when the hub is lost for good: %s', async (reason, exit) => {
    const home = registered()
    const peer = fakePeer()
    const io = fakeIo(temporary(), { parts: peer.parts })
    const { code } = await start(io, ['--home', home])
    peer.state$.next({ type: 'stopped', code: reason, message: 'over' })
    expect(await code).toBe(exit)
    expect(peer.alive()).toBe(false)
    expect(readRunFile(home)).toBeUndefined()
  })

  it('goes on while the hub cannot be reached, and says so', async () => {
    const peer = fakePeer()
    const io = fakeIo(temporary(), { parts: peer.parts })
    const { code } = await start(io, ['--home', registered()])
    peer.state$.next({ type: 'waiting', retryInMs: 1500, code: 'hub-unreachable', message: 'refused' })
    expect(io.err()).toContain('retrying in 2 s')
    expect(peer.alive()).toBe(true)
    io.interrupt$.next()
    expect(await code).toBe(0)
  })

  it('names the process that runs the same home', async () => {
    const home = registered()
    const stats = JSON.stringify({ nickname: 'alice', connections: [] })
    const url = `http://127.0.0.1:${await serve((_req, res) => res.end(stats))}/`
    const other = { pid: process.ppid, url, controlToken: 'token', startedAt: new Date().toISOString() }
    writeRunFile(home, other)
    const io = fakeIo(temporary(), { parts: fakePeer().parts })
    expect(await run(['up', '--home', home], io)).toBe(1)
    expect(io.err()).toContain(`process ${process.ppid}`)
    expect(readRunFile(home)).toEqual(other)
  })

  it.each([
    ['the same process id, as in another container', process.pid],
    ['a process id that is nobody here', 2 ** 30],
  ])('takes nothing away from a peer with %s', async (_what, pid) => {
    const home = registered()
    const first = fakeIo(temporary(), { parts: fakePeer().parts, pid })
    const { code } = await start(first, ['--home', home])
    const before = readRunFile(home)
    const second = fakeIo(temporary(), { parts: fakePeer().parts })
    expect(await run(['up', '--home', home, '--json'], second)).toBe(1)
    expect(second.messages().at(-1)).toMatchObject({
      error: { code: 'already-running', message: expect.stringContaining(`process ${pid}`) },
    })
    expect([before?.pid, readRunFile(home)]).toEqual([pid, before])
    first.interrupt$.next()
    expect(await code).toBe(0)
    expect(readRunFile(home)).toBeUndefined()
  })

  it('removes no run file but its own', async () => {
    const home = registered()
    const io = fakeIo(temporary(), { parts: fakePeer().parts })
    const { code } = await start(io, ['--home', home])
    const other = { pid: process.pid, url: null, controlToken: 'of-another', startedAt: new Date().toISOString() }
    writeRunFile(home, other)
    io.interrupt$.next()
    expect(await code).toBe(0)
    expect(readRunFile(home)).toEqual(other)
  })

  it.each([
    ['a process that is gone', { pid: 2 ** 30, url: 'http://127.0.0.1:9/' }],
    ['a process that is another by now', { pid: process.ppid, url: 'http://127.0.0.1:9/' }],
    ['a start long ago', { pid: process.ppid, url: null }],
    ['a life before with the same process id', { pid: process.pid, url: null }],
  ])('takes over what %s left behind', async (_what, left) => {
    const home = registered()
    const startedAt = left.pid === process.pid ? new Date().toISOString() : '2000-01-01T00:00:00Z'
    writeRunFile(home, { ...left, controlToken: 'token', startedAt })
    const peer = fakePeer()
    const io = fakeIo(temporary(), { parts: peer.parts })
    const { code } = await start(io, ['--home', home])
    expect(readRunFile(home)?.controlToken).toBe(peer.options[0]!.controlToken)
    io.interrupt$.next()
    expect(await code).toBe(0)
  })

  it('says which port is in use and leaves no run file', async () => {
    const home = registered()
    const text = 'Port 42000 is taken. Stop the program that holds it, or choose others with --port-base.'
    const taken = throwError(() => new LighthouseError('port-in-use', text))
    const io = fakeIo(temporary(), {
      parts: { ...fakePeer().parts, peer: () => Promise.resolve({ createPeer$: () => taken, portBlock }) },
    })
    expect(await run(['up', '--home', home], io)).toBe(1)
    expect(io.err()).toContain(`error: ${text}\n`)
    expect(readRunFile(home)).toBeUndefined()
    expect(readFileSync(join(home, 'metadata.json'), 'utf8')).toContain('alice')
  })

  it('asks for hub and nickname on a terminal, and gives up with the person', async () => {
    const io = fakeIo(temporary(), { interactive: true, answers: ['127.0.0.1:3000'] })
    expect(await run(['up', '--home', join(io.cwd, 'home')], io)).toBe(3)
    const [hub, nickname] = io.questions
    expect(hub!.complain('http://hub.example')).toContain('https')
    expect(hub!.complain('hub.example')).toBeUndefined()
    expect(nickname!.complain('Alice')).toContain('a to z')
    expect(nickname!.complain('alice')).toBeUndefined()
  })
})
