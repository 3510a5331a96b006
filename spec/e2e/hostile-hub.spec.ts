/**
 * A hub that does not do what it should, against whole peers: it puts itself between them, gives out other keys, and writes
 * its ledger as it likes.
 */
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { filter, firstValueFrom, map, ReplaySubject, type Subscription, switchMap } from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../src/adapters/hub/http-client.js'
import { loadEngines } from '../../src/adapters/webrtc/load.node.js'
import { createPeer$, type Peer, type PeerEvent, type PeerOptions, portBlock } from '../../src/index.js'
import type { RtcPort } from '../../src/ports.js'
import { canonicalJson, type Json } from '../../src/protocol/json.js'
import { descriptionText, headText, registerText } from '../../src/protocol/signaling/signed-texts.js'
import { createMemoryTrust } from '../../src/streams/signaling/trust.js'
import { type CliProgram, startCli } from '../support/cluster.node.js'
import { type HostileHub, hostileHub$ } from '../support/hostile-hub.node.js'
import { type Keys, newKeys } from '../support/ledger.js'
import { download, readText, writePattern } from '../support/transfer.node.js'
import { type Impostor, impostor } from './support/impostor.js'
import { forwarder } from './support/tcp-forwarder.node.js'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

let engine: RtcPort
beforeAll(async () => {
  engine = (await loadEngines()).rtc
})

async function startHub(keys?: Keys): Promise<HostileHub & { readonly subscription: Subscription }> {
  const hub$ = new ReplaySubject<HostileHub>(1)
  const subscription = hostileHub$(keys).subscribe(hub$)
  cleanups.push(() => subscription.unsubscribe())
  return Object.assign(await firstValueFrom(hub$), { subscription })
}

/** The same implementation, and what left through its channels. */
function counted(rtc: RtcPort): RtcPort & { sentBytes: number } {
  const port = {
    name: rtc.name,
    sentBytes: 0,
    connect$: (options: Parameters<RtcPort['connect$']>[0]) =>
      rtc.connect$(options).pipe(
        map(event => {
          if (event.type !== 'open') return event
          const { channel } = event
          const send = (message: Uint8Array): void => {
            port.sentBytes += message.length
            channel.send(message)
          }
          return { ...event, channel: { ...channel, send } }
        }),
      ),
  }
  return port
}

async function register(hub: HostileHub, nickname: string): Promise<Keys> {
  const keys = newKeys()
  const signature = nodeCrypto.sign(keys.privKey, registerText(nickname, keys.pubKey))
  const request = { nickname, pubKey: keys.pubKey, signature }
  await firstValueFrom(fetchHubClient(hub.url).register$(request), { defaultValue: undefined })
  return keys
}

/** A whole peer in this process, signed in. */
async function startPeer(host: string, nickname: string, keys: Keys, options: Partial<PeerOptions> = {}) {
  const peer$ = new ReplaySubject<Peer>(1)
  const event$ = new ReplaySubject<PeerEvent>(100)
  const rtc = counted(engine)
  const started$ = createPeer$({ identity: { ...keys, nickname, host }, ports: portBlock(0), rtc, ...options })
  const subscription = started$.subscribe(peer$)
  cleanups.push(() => subscription.unsubscribe())
  subscription.add(peer$.pipe(switchMap(peer => peer.event$)).subscribe(event$))
  const peer = await firstValueFrom(peer$)
  await firstValueFrom(peer.state$.pipe(filter(({ type }) => type === 'authenticated')))
  return { peer, event$, rtc, keys, subscription }
}

type Running = Awaited<ReturnType<typeof startPeer>>

/** Alice, and bob who shares a web server that counts who comes. */
async function scene(options: Partial<PeerOptions> = {}) {
  const hub = await startHub()
  const shared = { visitors: 0 }
  const server = createServer((_, response) => response.end('of bob')).on('connection', () => (shared.visitors += 1))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  cleanups.push(() => server.close())
  const { port } = server.address() as AddressInfo
  const keys = { alice: await register(hub, 'alice'), bob: await register(hub, 'bob') }
  const bob = await startPeer(hub.url, 'bob', keys.bob, { share: { type: 'tcp', host: '127.0.0.1', port } })
  const alice = await startPeer(hub.url, 'alice', keys.alice, options)
  return { hub, alice, bob, shared }
}

type Signed = Record<string, any>

function resigned(hub: HostileHub, signal: Signed, keys: Keys): string {
  const { type, session, from, to, payload } = signal
  const fields = {
    hubKey: hub.keys.pubKey,
    session,
    from,
    to,
    payloadDigest: nodeCrypto.sha256(canonicalJson(payload as Json)),
  }
  return nodeCrypto.sign(keys.privKey, descriptionText(type, fields))
}

/** What the hub can put for a signature that it cannot make. */
const forgeries: readonly (readonly [
  string,
  (hub: HostileHub, signal: Signed, earlier: Signed | undefined) => Signed,
])[] = [
  ['as it was', (_hub, signal) => signal],
  ['by the hub', (hub, signal) => ({ ...signal, signature: resigned(hub, signal, hub.keys) })],
  ['of nobody', (_hub, signal) => ({ ...signal, signature: Buffer.alloc(64).toString('base64') })],
  ['of an earlier one', (_hub, signal, earlier) => ({ ...signal, signature: earlier?.signature ?? signal.signature })],
]

/** How often each is tried: `security.md` promises all of them. */
const tryCount = 100

/** Each forgery in turn. */
const tries = Array.from({ length: tryCount }, (_, index) => forgeries[index % forgeries.length]![1])

/**
 * What bob answers the victim reaches it with the hub's own description in it, signed as `forge` has it, and the hub's own
 * candidates. Without `forge` bob is not even asked.
 */
function answerFor(hub: HostileHub, victim: string, forge?: (signal: Signed) => Signed): Impostor {
  let session = ''
  let from = ''
  const toVictim = (signal: Signed): void => void hub.peers.get(victim)?.emit('signal', signal)
  const middle = impostor(engine, false, payload => {
    const { type, ...rest } = payload as Signed
    toVictim({ type, session, from, to: victim, payload: rest })
  })
  cleanups.push(() => middle.close())
  const answerInstead = (signal: Signed, signed: (signal: Signed) => Signed): undefined =>
    void middle.description.then(({ sdp }) =>
      toVictim(signed({ ...signal, payload: { ...signal.payload, sdp: nodeCrypto.packSdp(sdp) } })),
    )
  hub.twist = signal => {
    if (signal.from === victim && signal.type === 'offer') {
      ;[session, from] = [signal.session, signal.to]
      middle.take({ type: 'offer', sdp: nodeCrypto.unpackSdp(signal.payload.sdp)! })
      return forge === undefined
        ? answerInstead({ ...signal, type: 'answer', from, to: victim }, answer => answer)
        : signal
    }
    if (signal.from === victim && signal.type === 'candidate') {
      middle.take({ type: 'candidate', ...signal.payload })
      return undefined
    }
    if (signal.to === victim && signal.type === 'answer' && forge !== undefined) return answerInstead(signal, forge)
    return signal.to === victim && signal.type === 'candidate' ? undefined : signal
  }
  return middle
}

/** The hub offers itself in the place of whoever offers; `answers` counts what comes back to it. */
async function offerFor(hub: HostileHub, forge: (signal: Signed) => Signed) {
  const heard = { answers: 0 }
  const middle = impostor(engine, true, () => undefined)
  cleanups.push(() => middle.close())
  const { sdp } = await middle.description
  hub.twist = signal => {
    if (signal.type === 'answer') heard.answers += 1
    if (signal.type !== 'offer') return signal.type === 'bye' ? signal : undefined
    return forge({ ...signal, payload: { ...signal.payload, sdp: nodeCrypto.packSdp(sdp) } })
  }
  return { middle, heard }
}

const connect = ({ peer }: Running, nickname: string): Promise<unknown> => firstValueFrom(peer.connect$(nickname))

describe('a hub that puts itself between two peers', () => {
  it('would get through to one that checks no signature', async () => {
    const { hub, alice } = await scene({ crypto: { ...nodeCrypto, verify: () => true } })
    const middle = answerFor(hub, alice.keys.pubKey)
    await connect(alice, 'bob')
    await middle.open
    expect(middle.isOpen()).toBe(true)
  })

  it('with an answer of its own is refused 100 times of 100, and no byte leaves', async () => {
    const { hub, alice, bob, shared } = await scene()
    let earlier: Signed | undefined
    for (const forge of tries) {
      const middle = answerFor(hub, alice.keys.pubKey, signal => {
        const forged = forge(hub, signal, earlier)
        earlier ??= signal
        return forged
      })
      await expect(connect(alice, 'bob')).rejects.toMatchObject({
        code: 'bad-signature',
        message: expect.stringMatching(
          /answer is not signed by the key of the peer .* the hub, or somebody in between/,
        ),
      })
      expect(middle.isOpen()).toBe(false)
      middle.close()
    }
    expect([alice.rtc.sentBytes, bob.rtc.sentBytes, shared.visitors]).toEqual([0, 0, 0])
  })

  it('with an offer of its own is refused 100 times of 100, and no byte leaves', async () => {
    const { hub, alice, bob, shared } = await scene()
    const refusal$ = bob.event$.pipe(filter(event => event.type === 'ended'))
    let earlier: Signed | undefined
    for (const [index, forge] of tries.entries()) {
      const { middle, heard } = await offerFor(hub, signal => {
        const forged = forge(hub, signal, earlier)
        earlier ??= signal
        return forged
      })
      // Bob hangs up, and alice is told.
      await expect(connect(alice, 'bob')).rejects.toMatchObject({ code: 'peer-refused' })
      const refusals = await firstValueFrom(refusal$.pipe(filter((_, count) => count === index)))
      expect(refusals).toMatchObject({
        with: alice.keys.pubKey,
        reason: {
          code: 'bad-signature',
          message: expect.stringMatching(/offer is not signed by .* the hub, or somebody/),
        },
      })
      expect([heard.answers, middle.isOpen()]).toEqual([0, false])
      middle.close()
    }
    expect([alice.rtc.sentBytes, bob.rtc.sentBytes, shared.visitors]).toEqual([0, 0, 0])
  })
})

describe('a hub that gives out another key', () => {
  it('for a known nickname is refused before anything is sent', async () => {
    const trust = createMemoryTrust()
    const { hub, alice, bob, shared } = await scene({ trust })
    await connect(alice, 'bob')
    alice.subscription.unsubscribe()
    const again = await startPeer(hub.url, 'alice', alice.keys, { trust })
    const mallory = await register(hub, 'mallory')
    hub.resolve = () => mallory.pubKey
    let said = 0
    hub.twist = signal => {
      said += 1
      return signal
    }
    for (let count = 0; count < tryCount; count += 1) {
      await expect(connect(again, 'bob')).rejects.toMatchObject({
        code: 'key-changed',
        message: `the key of "bob" has changed: its fingerprint was ${fingerprintOf(bob.keys.pubKey)}, and is now ${fingerprintOf(mallory.pubKey)}`,
        details: { next: expect.stringContaining('run: lighthouse-peer trust bob') },
      })
    }
    expect([said, again.rtc.sentBytes, shared.visitors]).toEqual([0, 0, 0])
  })

  it('as its own gets no signature of a peer that knows it', async () => {
    const [hub, other] = [await startHub(), await startHub()]
    const front = await forwarder([hub.url, other.url])
    cleanups.push(() => front.close())
    const alice = await startPeer(front.url, 'alice', await register(hub, 'alice'))
    // Whoever has the hub's address now has not its key.
    hub.subscription.unsubscribe()
    const stopped = await firstValueFrom(alice.peer.state$.pipe(filter(({ type }) => type === 'stopped')))
    expect(stopped).toMatchObject({
      code: 'key-changed',
      message: `the key of the hub ${front.url} has changed: its fingerprint was ${fingerprintOf(hub.keys.pubKey)}, and is now ${fingerprintOf(other.keys.pubKey)}`,
    })
    expect(other.peers.size).toBe(0)
  })
})

it('a hub that shows two peers different ledgers is caught by both as soon as they connect', async () => {
  const keys = newKeys()
  // One hub with two faces, each of which holds for itself.
  const faces = [await startHub(keys), await startHub(keys)] as const
  for (const [index, face] of faces.entries()) {
    const other = faces[1 - index]!
    face.resolve = () => bob.keys.pubKey
    face.twist = signal => void other.peers.get(String(signal.to))?.emit('signal', signal)
  }
  const server = createServer((_, response) => response.end('of bob'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  cleanups.push(() => server.close())
  const { port } = server.address() as AddressInfo
  const alice = await startPeer(faces[0].url, 'alice', await register(faces[0], 'alice'))
  const bob: Running = await startPeer(faces[1].url, 'bob', await register(faces[1], 'bob'), {
    share: { type: 'tcp', host: '127.0.0.1', port },
  })
  const told = [alice, bob].map(({ event$ }) => firstValueFrom(event$.pipe(filter(({ type }) => type === 'evidence'))))
  await connect(alice, 'bob')
  for (const evidence of await Promise.all(told)) {
    const texts = faces.map(({ ledger }) => headText(1, ledger.entries[0]!.hash))
    expect(evidence).toMatchObject({
      kind: 'fork',
      hub: keys.pubKey,
      message: 'the hub has forked its ledger: it signed two different blocks 1 as its head',
      statements: expect.arrayContaining(texts.map(text => expect.objectContaining({ text }))),
    })
  }
})

describe('a hub that writes its ledger as it likes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-hostile-'))
  const programs = new Set<CliProgram>()
  afterAll(async () => {
    await Promise.all([...programs].map(program => program.end('SIGKILL')))
    rmSync(folder, { recursive: true, force: true })
  })

  function run(...argv: readonly string[]): CliProgram {
    const program = startCli(argv, folder)
    programs.add(program)
    return program
  }

  /** The command line, signed in; its home, and the address of its proxy. */
  async function up(hub: HostileHub, nickname: string) {
    const home = mkdtempSync(join(folder, `${nickname}-`))
    const share = join(home, 'share')
    mkdirSync(share)
    writePattern(join(share, 'song.bin'), 3_000_000)
    await run('register', '--hub', hub.url, '--nickname', nickname, '--home', home, '--json').ended
    const program = run('up', '--json', '--no-open', '--port-base', '0', '--home', home, '--share', share)
    const { addresses } = (await program.line(({ type }) => type === 'ready')) as { addresses?: { proxy: string } }
    await program.line(({ state }) => (state as { type?: string } | undefined)?.type === 'authenticated')
    return { program, home, proxy: new URL('/', addresses!.proxy).href }
  }

  it.each<[string, string | undefined, RegExp, (hub: HostileHub) => void]>([
    ['drops a settlement', 'missing', /another block in that place/, hub => (hub.dropsSettlements = true)],
    ['credits itself', undefined, /grants coins to the hub itself/, hub => hub.ledger.grant(hub.keys.pubKey)],
  ])('and %s is caught by "ledger verify --mine" beside a peer that runs', async (_how, kind, rule, cheat) => {
    const hub = await startHub()
    const [alice, bob] = await Promise.all([up(hub, 'alice'), up(hub, 'bob')])
    await readText(`${alice.proxy}proxy/bob/`)
    cheat(hub)
    expect(await download(`${alice.proxy}proxy/bob/song.bin`)).toMatchObject({ bytes: 3_000_000 })
    // More than the credit window was sent, so bob has seen settlements, and alice was told of each before him.
    for (const { home } of [bob, alice]) {
      const verify = run('ledger', 'verify', '--mine', '--home', home)
      expect(await verify.ended).toEqual({ code: 7, err: expect.stringMatching(rule) })
      const kept = readdirSync(home).filter(name => name.startsWith('evidence-'))
      expect(kept.map(name => JSON.parse(readFileSync(join(home, name), 'utf8')) as object)).toEqual(
        kind === undefined ? [] : [expect.objectContaining({ kind, hub: hub.keys.pubKey })],
      )
    }
  })

  it('and settles more than was signed for is caught by a peer that runs, which says so and keeps the evidence', async () => {
    const hub = await startHub()
    const [alice, bob] = await Promise.all([up(hub, 'alice'), up(hub, 'bob')])
    await readText(`${alice.proxy}proxy/bob/`)
    hub.overcharges = true
    expect(await download(`${alice.proxy}proxy/bob/song.bin`)).toMatchObject({ bytes: 3_000_000 })
    const { message, path } = await alice.program.line(({ type }) => type === 'evidence')
    expect(message).toMatch(/the highest receipt that you keep of it is for/)
    const kept = JSON.parse(readFileSync(String(path), 'utf8')) as object
    expect(kept).toMatchObject({ kind: 'forged', hub: hub.keys.pubKey, statements: [{}, {}] })
    expect(bob.program.lines(({ type }) => type === 'evidence')).toEqual([])
  })
})
