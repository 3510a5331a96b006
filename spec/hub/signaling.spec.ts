import { describe, expect, it } from '@jest/globals'
import { createHmac } from 'node:crypto'
import { VirtualTimeScheduler } from 'rxjs'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { hubChallengeText, headText } from '../../src/protocol/signaling/signed-texts.js'
import {
  answer,
  type Challenge,
  description,
  newAccount,
  next,
  openSession,
  openSocket,
  register,
  send,
  session,
  settle,
  signedReceipt,
  signIn,
  startHub,
} from './support.js'

async function challengeOf(hub: Parameters<typeof openSocket>[0], pubKey: string) {
  const socket = openSocket(hub, { pub_key: pubKey })
  const refused = next(socket, 'refused')
  const closed = next(socket, 'disconnect')
  const [challenge, acknowledge] = await next(socket, 'challenge')
  return {
    socket,
    challenge: challenge as Challenge,
    acknowledge: acknowledge as (text: unknown) => void,
    refused,
    closed,
  }
}

describe('signing in', () => {
  it('challenges with 2,048 fresh bits that the hub signed, then welcomes', async () => {
    const hub = await startHub({ iceServers: [{ urls: 'stun:127.0.0.1:3478' }] })
    const alice = await register(hub, 'alice')
    const first = await challengeOf(hub, alice.pubKey)
    const second = await challengeOf(hub, alice.pubKey)
    expect(Buffer.from(first.challenge.challenge, 'base64url')).toHaveLength(256)
    expect(first.challenge.challenge).not.toBe(second.challenge.challenge)
    expect(first.challenge.hub_key).toBe(hub.hubKey)
    const text = hubChallengeText(first.challenge.challenge, alice.pubKey)
    expect(nodeCrypto.verify(hub.hubKey, text, first.challenge.signature)).toBe(true)

    const { welcome } = await signIn(hub, alice)
    expect(welcome).toMatchObject({
      coins: '100.000000',
      ice_servers: [{ urls: 'stun:127.0.0.1:3478' }],
      head: { seq: 1 },
    })
    const { seq, hash, signature } = welcome.head
    expect(nodeCrypto.verify(hub.hubKey, headText(seq, hash), signature)).toBe(true)
  })

  it('takes over from nobody where it is asked to, and says to the owner of the key alone that it is signed in', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const ifFree = { pub_key: alice.pubKey, if_free: true }
    const first = openSocket(hub, ifFree)
    const welcomed = next(first, 'authenticated')
    const [offered, prove] = await next(first, 'challenge')
    expect(offered).toMatchObject({ if_free: true })
    prove(answer(alice, offered as Challenge))
    expect((await welcomed)[0]).toMatchObject({ coins: '100.000000' })

    const second = openSocket(hub, ifFree)
    const refused = next(second, 'refused')
    const [challenge, acknowledge] = await next(second, 'challenge')
    acknowledge(answer(alice, challenge as Challenge))
    expect((await refused)[0]).toEqual({
      code: 'session-replaced',
      message: 'A peer with this key is signed in already.',
    })
    expect(first.connected).toBe(true)

    const stranger = openSocket(hub, ifFree)
    const turnedAway = next(stranger, 'refused')
    const [asked, reply] = await next(stranger, 'challenge')
    reply(answer(newAccount('mallory'), asked as Challenge))
    expect((await turnedAway)[0]).toMatchObject({ code: 'not-authenticated' })
  })

  it('works over polling too', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    expect((await signIn(hub, alice, ['polling'])).welcome.coins).toBe('100.000000')
  })

  it('refuses a captured login at another socket', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const honest = await challengeOf(hub, alice.pubKey)
    const captured = answer(alice, honest.challenge)
    const thief = await challengeOf(hub, alice.pubKey)
    thief.acknowledge(captured)
    expect((await thief.refused)[0]).toMatchObject({ code: 'not-authenticated' })
    await thief.closed
    const authenticated = next(honest.socket, 'authenticated')
    honest.acknowledge(captured)
    expect((await authenticated)[0].coins).toBe('100.000000')
  })

  it('refuses a login made for another hub', async () => {
    const [hub, other] = [await startHub(), await startHub()]
    const alice = await register(hub, 'alice')
    const { challenge, acknowledge, refused } = await challengeOf(hub, alice.pubKey)
    acknowledge(answer(alice, { ...challenge, hub_key: other.hubKey }))
    expect((await refused)[0]).toMatchObject({ code: 'not-authenticated' })
  })

  it.each([
    ['another key', (challenge: Challenge) => answer(newAccount('mallory'), challenge)],
    ['no text', () => 7],
    ['nothing', () => undefined],
    ['an object', () => ({ toString: 'x' })],
    ['short base64', () => 'AAAA'],
  ])('refuses an answer that is %s', async (_name, forge) => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const { challenge, acknowledge, refused, closed } = await challengeOf(hub, alice.pubKey)
    acknowledge(forge(challenge))
    expect((await refused)[0]).toMatchObject({ code: 'not-authenticated' })
    await closed
  })

  it.each([
    ['no key', {}],
    ['a malformed key', { pub_key: 'x' }],
    ['a key that is an object', { pub_key: { a: 1 } }],
    ['a key that nobody registered', { pub_key: newAccount('nobody').pubKey }],
  ])('refuses %s before any challenge', async (_name, auth) => {
    const hub = await startHub()
    const socket = openSocket(hub, auth)
    const closed = next(socket, 'disconnect')
    const [body] = await next(socket, 'refused')
    expect(body).toMatchObject({ code: 'not-authenticated', message: expect.stringMatching(/[a-z]/) })
    await closed
  })

  it('closes a socket that has not answered for 10 s', async () => {
    const scheduler = new VirtualTimeScheduler()
    // The hub has a timer for tomorrow, too.
    scheduler.maxFrames = 10_000
    const hub = await startHub({ scheduler })
    const alice = await register(hub, 'alice')
    const { acknowledge, challenge, refused, closed } = await challengeOf(hub, alice.pubKey)
    scheduler.flush()
    expect(scheduler.now()).toBe(10_000)
    acknowledge(answer(alice, challenge))
    expect((await refused)[0]).toMatchObject({ code: 'unavailable', message: expect.stringContaining('10 s') })
    await closed
  })

  it('gives TURN credentials that expire', async () => {
    const turn = { urls: ['turn:127.0.0.1:3478'], secret: 'shared', ttlSeconds: 60 }
    const hub = await startHub({ turn })
    const alice = await register(hub, 'alice')
    const before = Math.floor(Date.now() / 1000)
    const [server] = (await signIn(hub, alice)).welcome.ice_servers
    const expiry = Number(server.username.split(':')[0])
    expect(expiry).toBeGreaterThanOrEqual(before + 60)
    expect(server.credential).toBe(createHmac('sha1', 'shared').update(server.username).digest('base64'))
  })

  it('keeps one live session a key: the older is told and disconnected, the newer gets the signals', async () => {
    const hub = await startHub()
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const older = await signIn(hub, bob)
    const told = Promise.all([next(older.socket, 'replaced'), next(older.socket, 'disconnect')])
    const newer = await signIn(hub, bob)
    const [[replaced], [reason]] = await told
    expect(replaced.message).toMatch(/elsewhere/)
    expect(reason).toBe('io server disconnect')
    const received = next(newer.socket, 'signal')
    const { socket } = await signIn(hub, alice)
    expect(await send(socket, description('offer', hub, alice, bob))).toEqual({ delivered: true })
    expect((await received)[0].from).toBe(alice.pubKey)
  })
})

describe('signals', () => {
  async function pair(options: Parameters<typeof startHub>[0] = {}) {
    const hub = await startHub(options)
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const [a, b] = [await signIn(hub, alice), await signIn(hub, bob)]
    return { hub, alice, bob, atAlice: a.socket, atBob: b.socket }
  }

  it('forwards offers, answers, candidates and byes, with the payload as it was sent', async () => {
    const { hub, alice, bob, atAlice, atBob } = await pair()
    const candidate = {
      ...{ type: 'candidate', session, from: alice.pubKey, to: bob.pubKey },
      payload: { candidate: 'candidate:1 1 udp 1 127.0.0.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0 },
    }
    const bye = { type: 'bye', session, from: alice.pubKey, to: bob.pubKey, payload: { reason: 'done' } }
    for (const signal of [description('offer', hub, alice, bob), candidate, bye]) {
      const received = next(atBob, 'signal')
      expect(await send(atAlice, signal)).toEqual({ delivered: true })
      expect(await received).toEqual([signal])
    }
    const reply = description('answer', hub, bob, alice)
    const received = next(atAlice, 'signal')
    expect(await send(atBob, reply)).toEqual({ delivered: true })
    expect(await received).toEqual([reply])
  })

  it('keeps their order, although an offer waits for the store and a candidate does not', async () => {
    const { hub, alice, bob, atAlice, atBob } = await pair()
    const received: string[] = []
    atBob.on('signal', ({ type }) => received.push(type))
    const bye = { type: 'bye', session, from: alice.pubKey, to: bob.pubKey, payload: { reason: '' } }
    await Promise.all([send(atAlice, description('offer', hub, alice, bob)), send(atAlice, bye)])
    await send(atBob, { ...bye, from: bob.pubKey, to: alice.pubKey })
    expect(received).toEqual(['offer', 'bye'])
  })

  it('says at once that a peer is offline, or that nobody has the key', async () => {
    const { hub, alice, bob, atAlice, atBob } = await pair()
    const carol = newAccount('carol')
    expect(await send(atAlice, description('offer', hub, alice, carol))).toMatchObject({
      error: { code: 'unknown-peer' },
    })
    atBob.disconnect()
    const waiting = async (): Promise<unknown> => {
      const ack = await send(atAlice, description('offer', hub, alice, bob))
      return ack.delivered === true ? waiting() : ack
    }
    expect(await waiting()).toMatchObject({ error: { code: 'offline', message: expect.stringMatching(/[a-z]/) } })
  })

  it('wants a coin for an offer and nothing for an answer', async () => {
    const hub = await startHub({ initialCoins: 1 })
    const [alice, bob, carol] = [await register(hub, 'alice'), await register(hub, 'bob'), await register(hub, 'carol')]
    const [atAlice, atBob, atCarol] = await Promise.all([alice, bob, carol].map(async one => signIn(hub, one)))
    // Bob pays all he has to Carol, and can still answer Alice.
    await openSession(hub, { consumer: bob, seeder: carol, atConsumer: atBob!.socket, atSeeder: atCarol!.socket })
    await settle(atBob!.socket, signedReceipt(hub, bob, carol, 1_000_000))
    const other = { session: 'session-of-a-spec-0002' }
    expect(await send(atBob!.socket, description('offer', hub, bob, alice, undefined, other))).toMatchObject({
      error: { code: 'no-coins' },
    })
    expect(await send(atAlice!.socket, description('offer', hub, alice, bob, undefined, other))).toEqual({
      delivered: true,
    })
    const received = next(atAlice!.socket, 'signal')
    expect(await send(atBob!.socket, description('answer', hub, bob, alice, undefined, other))).toEqual({
      delivered: true,
    })
    await received
  })

  it('takes exactly one coin as enough', async () => {
    const { hub, alice, bob, atAlice } = await pair({ initialCoins: 1 })
    expect(await send(atAlice, description('offer', hub, alice, bob))).toEqual({ delivered: true })
  })

  it('refuses who speaks for another, or to itself', async () => {
    const { hub, alice, bob, atAlice, atBob } = await pair()
    let heard = 0
    atBob.on('signal', () => (heard += 1))
    const carol = await register(hub, 'carol')
    for (const signal of [description('offer', hub, carol, bob), description('offer', hub, alice, alice)]) {
      expect(await send(atAlice, signal)).toMatchObject({ error: { code: 'malformed' } })
    }
    expect(heard).toBe(0)
  })

  it('measures the JSON text: 65,536 bytes pass, one more does not', async () => {
    const { hub, alice, bob, atAlice } = await pair()
    const sized = (bytes: number) => {
      const empty = description('offer', hub, alice, bob, { sdp: '' })
      const room = bytes - Buffer.byteLength(JSON.stringify(empty))
      return description('offer', hub, alice, bob, { sdp: 'A'.repeat(room) })
    }
    expect(await send(atAlice, sized(65_536))).toEqual({ delivered: true })
    expect(await send(atAlice, sized(65_537))).toMatchObject({ error: { code: 'malformed' } })
    // Few characters, many bytes.
    const wide = { ...description('offer', hub, alice, bob), note: '€'.repeat(22_000) }
    expect(await send(atAlice, wide)).toMatchObject({ error: { code: 'malformed' } })
  })

  it('limits how many come at once, by key: connecting again gains nothing', async () => {
    const clock = { now: () => 0 }
    const { hub, alice, bob, atAlice, atBob } = await pair({
      rateLimits: { signalBurst: 3, signalsPerSecond: 1 },
      clock,
    })
    const acks = await Promise.all([1, 2, 3, 4].map(() => send(atAlice, description('offer', hub, alice, bob))))
    expect(acks.slice(0, 3)).toEqual([1, 2, 3].map(() => ({ delivered: true })))
    expect(acks[3]).toMatchObject({ error: { code: 'rate-limited' } })
    const again = await signIn(hub, alice)
    expect(await send(again.socket, description('offer', hub, alice, bob))).toMatchObject({
      error: { code: 'rate-limited' },
    })
    expect(await send(atBob, description('answer', hub, bob, alice))).toEqual({ delivered: true })
  })

  it('hears nothing from a socket before it has signed in', async () => {
    const { hub, alice, bob, atBob } = await pair()
    let heard = 0
    atBob.on('signal', () => (heard += 1))
    const { socket } = await challengeOf(hub, alice.pubKey)
    socket.emit('signal', description('offer', hub, alice, bob))
    const { socket: signedIn } = await signIn(hub, alice)
    await send(signedIn, description('offer', hub, alice, bob))
    await send(atBob, description('answer', hub, bob, alice))
    expect(heard).toBe(1)
  })
})
