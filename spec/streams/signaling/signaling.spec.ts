import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, NEVER, type Observable, Subject } from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { SignalTransportEvent, TrustStore } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { settledText } from '../../../src/protocol/signaling/signed-texts.js'
import type { HubState } from '../../../src/protocol/peer/stats.js'
import {
  type HubConnection,
  type SignalingEvent,
  signaling$,
  signedIn$,
} from '../../../src/streams/signaling/signaling.js'
import { checkKey, createMemoryTrust } from '../../../src/streams/signaling/trust.js'
import { fakeHub, fakeTransport, newIdentity } from '../support/fake-transport.js'
import { virtualTime } from '../support/virtual-time.js'

const identity = newIdentity('alice')
const bob = newIdentity('bob')
const hubKeys = nodeCrypto.generateKeyPair()
const hub = fakeHub(hubKeys)
const lost = new LighthouseError('hub-unreachable', 'lost')

function start({
  trust = createMemoryTrust(),
  random = (): number => 0,
  host = identity.host,
  wanted$ = NEVER,
}: { trust?: TrustStore; random?: () => number; host?: string; wanted$?: Observable<unknown> } = {}) {
  const time = virtualTime()
  const transport = fakeTransport()
  const events: SignalingEvent[] = []
  const outcomes: unknown[] = []
  const subscription = signaling$({
    transport,
    identity: { ...identity, host },
    crypto: nodeCrypto,
    trust,
    scheduler: time.scheduler,
    random,
    wanted$,
  }).subscribe({
    next: event => events.push(event),
    error: error => outcomes.push(error),
    complete: () => outcomes.push('complete'),
  })
  const state = (): HubState | undefined =>
    events.flatMap(event => (event.type === 'state' ? [event.state] : [])).at(-1)
  const connected = (): HubConnection | undefined =>
    events.flatMap(event => (event.type === 'hub-connection' ? [event.hub] : [])).at(-1)
  const signIn = (): void => {
    transport.link.emit(hub.challengeFor(identity.pubKey))
    transport.link.emit(hub.welcome)
  }
  return { time, transport, events, outcomes, subscription, state, connected, signIn }
}

describe('signaling$', () => {
  it('signs in: checks the hub, proves its key, then says connection, state and balance', () => {
    const { transport, events, signIn, outcomes } = start()
    expect(transport.link.pubKey).toBe(identity.pubKey)
    signIn()
    expect(hub.accepted(identity.pubKey)).toBe(true)
    const connection = { hubKey: hub.pubKey, iceServers: [], head: undefined, socket: hub.connection }
    expect(events).toEqual([
      { type: 'state', state: { type: 'connecting', attempt: 1 } },
      { type: 'hub-connection', hub: connection },
      { type: 'state', state: { type: 'authenticated' } },
      { type: 'balance', bytes: 61_947_635 },
    ])
    expect(outcomes).toEqual([])
  })

  it('takes what it can use of a strange welcome', () => {
    const { transport, events, connected } = start()
    transport.link.emit(hub.challengeFor(identity.pubKey))
    transport.link.emit({ ...hub.welcome, coins: { evil: 1 }, iceServers: [{ urls: 'http://victim/' }], head: 'x' })
    expect(connected()).toMatchObject({ iceServers: [], head: undefined })
    expect(events.some(({ type }) => type === 'balance')).toBe(false)
  })

  it.each([
    ['hub.example', ['stun:stun.example']],
    ['192.168.1.7:3000', ['stun:stun.example', 'turn:192.168.1.1']],
    ['127.0.0.1:3000', ['stun:stun.example', 'turn:192.168.1.1', 'stun:127.0.0.1']],
  ])('lets a hub at %s name ICE servers no nearer than itself', (host, urls) => {
    const { transport, connected } = start({ host })
    transport.link.emit(hub.challengeFor(identity.pubKey))
    const named = ['stun:stun.example', 'turn:192.168.1.1', 'stun:127.0.0.1', 'stun:224.0.0.1']
    transport.link.emit({ ...hub.welcome, iceServers: named.map(url => ({ urls: url })) })
    expect(connected()?.iceServers).toEqual(urls.map(url => ({ urls: [url] })))
  })

  it('reports a defect with its place, not as a hub that is unreachable, and tries again', () => {
    const cause = new TypeError('x is not a function')
    const known = (): never => {
      throw cause
    }
    const { transport, events, state, time } = start({ trust: { ...createMemoryTrust(), known } })
    transport.link.emit(hub.challengeFor(identity.pubKey))
    expect(state()).toMatchObject({ type: 'waiting', code: 'internal', message: expect.stringContaining('x is not') })
    expect(events).toContainEqual({ type: 'defect', reason: expect.objectContaining({ code: 'internal', cause }) })
    time.advance(10_000)
    expect(transport.links.length).toBe(2)
    // What the transport throws of the network is no defect.
    transport.link.fail(new Error('socket hang up'))
    expect(state()).toMatchObject({ type: 'waiting', code: 'hub-unreachable', message: 'hub: socket hang up' })
    expect(events.filter(({ type }) => type === 'defect')).toHaveLength(1)
  })

  const good = hub.challengeFor(identity.pubKey)
  it.each<[string, Partial<typeof good>]>([
    ['no text', { challenge: 7 }],
    ['too short', { challenge: 'abcd' }],
    ['too long', { challenge: `${hub.challenge}AAAAAAAA` }],
    ['not base64url', { challenge: '\n'.repeat(342) }],
    ['no key', { hubKey: undefined }],
    ['half a key', { hubKey: hub.pubKey.slice(0, 20) }],
  ])('does not answer a malformed challenge (%s), and tries again', (_name, change) => {
    const { transport, state, time } = start()
    const answers: string[] = []
    transport.link.emit({ ...good, ...change, respond: signature => answers.push(signature) })
    expect(answers).toEqual([])
    expect(state()).toMatchObject({ type: 'waiting', code: 'hub-protocol' })
    expect(transport.link.open).toBe(false)
    time.advance(10_000)
    expect(transport.links.length).toBe(2)
  })

  it.each<[string, Partial<typeof good>]>([
    ['none', { signature: undefined }],
    ['of nothing', { signature: Buffer.alloc(64).toString('base64') }],
    ['for another peer', { signature: hub.challengeFor(bob.pubKey).signature }],
    ['of another key', { hubKey: bob.pubKey }],
  ])('does not answer a hub whose signature is bad (%s), and stops', (_name, change) => {
    const { transport, state, time } = start()
    const answers: string[] = []
    transport.link.emit({ ...good, ...change, respond: signature => answers.push(signature) })
    expect(answers).toEqual([])
    expect(state()).toMatchObject({ type: 'stopped', code: 'bad-signature' })
    time.advance(3_600_000)
    expect(transport.links.length).toBe(1)
    expect(transport.link.open).toBe(false)
  })

  it('refuses a hub whose key has changed, answers nothing and stops', () => {
    const trust = createMemoryTrust()
    checkKey(trust, 'hub', identity.host, bob.pubKey)
    const { transport, state, time } = start({ trust })
    const answers: string[] = []
    transport.link.emit({ ...good, respond: signature => answers.push(signature) })
    expect(answers).toEqual([])
    expect(state()).toMatchObject({
      type: 'stopped',
      code: 'key-changed',
      message: expect.stringContaining(`was ${fingerprintOf(bob.pubKey)}, and is now ${fingerprintOf(hubKeys.pubKey)}`),
    })
    time.advance(3_600_000)
    expect(transport.links.length).toBe(1)
  })

  it('does not believe a hub that says authenticated without a challenge', () => {
    const { transport, state, connected } = start()
    transport.link.emit(hub.welcome)
    expect(connected()).toBeUndefined()
    expect(state()).toMatchObject({ type: 'waiting', code: 'hub-protocol' })
  })

  it('stops for good when it is replaced', () => {
    const { transport, state, connected, signIn, time, outcomes } = start()
    signIn()
    transport.link.emit({ type: 'replaced' })
    expect(connected()).toBeUndefined()
    expect(state()).toMatchObject({ type: 'stopped', code: 'session-replaced' })
    time.advance(3_600_000)
    expect([transport.links.length, outcomes.length, time.pending()]).toEqual([1, 0, 0])
  })

  it('stops when the hub does not know its key', () => {
    const { transport, state } = start()
    transport.link.fail(new LighthouseError('not-authenticated', 'register'))
    expect(state()).toEqual({ type: 'stopped', code: 'not-authenticated', message: 'register' })
  })

  it('waits longer after each loss, up to four seconds, and begins anew after a sign-in', () => {
    const { transport, state, connected, signIn, time } = start({ random: () => 0.999999 })
    const waits = Array.from({ length: 7 }, () => {
      transport.link.fail(lost)
      expect(connected()).toBeUndefined()
      const waiting = state()
      const { retryInMs } = waiting as HubState & { type: 'waiting' }
      const links = transport.links.length
      time.advance(retryInMs - 1)
      expect(transport.links.length).toBe(links)
      time.advance(1)
      expect(transport.links.length).toBe(links + 1)
      return retryInMs
    })
    expect(waits).toEqual([500, 1000, 2000, 4000, 4000, 4000, 4000])
    expect(state()).toEqual({ type: 'connecting', attempt: 8 })
    signIn()
    transport.link.fail(lost)
    expect(state()).toMatchObject({ type: 'waiting', retryInMs: 500, code: 'hub-unreachable' })
  })

  it('tries a hub that is wanted a second after the last attempt, and not more often however often it is wanted', () => {
    const wanted$ = new Subject<void>()
    const { transport, state, time, subscription } = start({ random: () => 0.999999, wanted$ })
    for (let failure = 0; failure < 4; failure++) {
      transport.link.fail(lost)
      time.advance(4000)
    }
    transport.link.fail(lost)
    const links = transport.links.length
    for (let time10 = 0; time10 < 99; time10++) {
      wanted$.next()
      time.advance(10)
    }
    expect([transport.links.length, state()!.type]).toEqual([links, 'waiting'])
    time.advance(10)
    expect([transport.links.length, state()!.type]).toEqual([links + 1, 'connecting'])
    // What is wanted during an attempt is tried by that.
    wanted$.next()
    transport.link.fail(lost)
    time.advance(2000)
    expect(transport.links.length).toBe(links + 1)
    wanted$.next()
    expect(transport.links.length).toBe(links + 2)
    subscription.unsubscribe()
    expect([wanted$.observed, time.pending()]).toEqual([false, 0])
  })

  it('jitters between half and all of the wait', () => {
    for (const [random, expected] of [
      [0, 250],
      [0.5, 375],
      [0.999999, 500],
    ] as const) {
      const { transport, state } = start({ random: () => random })
      transport.link.fail(lost)
      expect(state()).toMatchObject({ retryInMs: expected })
    }
  })

  it('is signed in again by itself after a loss', () => {
    const { transport, state, signIn, time } = start()
    signIn()
    transport.link.fail(lost)
    time.advance(500)
    signIn()
    expect(state()).toEqual({ type: 'authenticated' })
  })

  it('passes on signals for this peer and drops all others', () => {
    const { transport, events, signIn } = start()
    signIn()
    const before = events.length
    const bye = {
      type: 'bye',
      session: 'session-of-a-spec-1',
      from: bob.pubKey,
      to: identity.pubKey,
      payload: { reason: 'x' },
    }
    const messages: unknown[] = [
      { ...bye, to: bob.pubKey },
      { ...bye, from: identity.pubKey },
      { ...bye, session: '../../etc' },
      { ...bye, type: 'shutdown' },
      null,
      'text',
      [bye],
      { type: 'offer' },
    ]
    for (const message of messages) transport.link.emit({ type: 'signal', message })
    expect(events.length).toBe(before)
    transport.link.emit({ type: 'signal', message: bye })
    expect(events.at(-1)).toEqual({ type: 'signal', signal: bye })
  })

  describe('settlements', () => {
    const settlement = {
      session: 'session-of-a-spec-1',
      bytes: 250_000,
      coins: '61.697635',
      seq: 7,
      hash: 'a'.repeat(128),
    }
    const sign = (fields: typeof settlement, keys = hubKeys) => ({
      ...fields,
      signature: nodeCrypto.sign(keys.privKey, settledText(fields)),
    })

    it('that the hub signed are passed on, and nothing that came with them', () => {
      const { transport, events, signIn } = start()
      signIn()
      const before = events.length
      transport.link.emit({ type: 'settled', message: { ...sign(settlement), extra: 1 } })
      expect(events.slice(before)).toEqual([{ type: 'settled', settlement: sign(settlement) }])
    })

    it('that it did not sign are dropped, wallet and all', () => {
      const { transport, events, signIn, outcomes } = start()
      const messages: unknown[] = [
        { ...sign(settlement), bytes: 250_001 },
        { ...sign(settlement), coins: '99.000000' },
        { ...sign(settlement), seq: 8 },
        sign(settlement, bob),
        { ...settlement, signature: 'x' },
        { ...sign(settlement), bytes: -1 },
        settlement,
        null,
        'text',
      ]
      // Nor before it has proved who it is.
      transport.link.emit({ type: 'settled', message: sign(settlement) })
      signIn()
      const before = events.length
      expect(events.some(({ type }) => type === 'settled')).toBe(false)
      for (const message of messages) transport.link.emit({ type: 'settled', message })
      expect([events.length, outcomes]).toEqual([before, []])
    })
  })

  it.each<[string, (emit: (event: SignalTransportEvent) => void) => void]>([
    ['connecting', () => {}],
    [
      'signed in',
      emit => {
        emit(good)
        emit(hub.welcome)
      },
    ],
  ])('closes the transport when it is unsubscribed from while %s', (_name, go) => {
    const { transport, subscription, time } = start()
    go(event => transport.link.emit(event))
    expect(transport.link.open).toBe(true)
    subscription.unsubscribe()
    expect(transport.link.open).toBe(false)
    expect(time.pending()).toBe(0)
  })

  it('does not come back when it is unsubscribed from while waiting', () => {
    const { transport, subscription, time } = start()
    transport.link.fail(lost)
    expect(time.pending()).toBeGreaterThan(0)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
    time.advance(60_000)
    expect(transport.links.length).toBe(1)
  })
})

describe('signedIn$', () => {
  const connection: HubConnection = { hubKey: hub.pubKey, iceServers: [], head: undefined, socket: hub.connection }
  const waiting: HubState = { type: 'waiting', retryInMs: 500, code: 'hub-protocol', message: '' }
  const ask = (state: HubState, known?: HubConnection) => {
    const time = virtualTime()
    const heard: unknown[] = []
    const hubState$ = new BehaviorSubject(state)
    const hubConnection$ = new BehaviorSubject(known)
    const wanted$ = new Subject<void>()
    wanted$.subscribe(() => heard.push('wanted'))
    const subscription = signedIn$({ hubState$, hubConnection$, wanted$ }, time.scheduler).subscribe({
      next: value => heard.push(value),
      error: (error: LighthouseError) => heard.push(error.code),
      complete: () => heard.push('complete'),
    })
    const isIdle = (): boolean => !hubState$.observed && !hubConnection$.observed && time.pending() === 0
    return { time, heard, subscription, hubState$, hubConnection$, isIdle }
  }

  it('gives the connection at once when there is one', () => {
    const { heard, isIdle } = ask({ type: 'authenticated' }, connection)
    expect(heard).toEqual(['wanted', connection, 'complete'])
    expect(isIdle()).toBe(true)
  })

  it.each([{ type: 'connecting', attempt: 1 }, waiting] as const)(
    'says that the hub is wanted, and waits: $type',
    state => {
      const { heard, time, hubConnection$, isIdle } = ask(state)
      time.advance(1499)
      expect(heard).toEqual(['wanted'])
      hubConnection$.next(connection)
      expect(heard).toEqual(['wanted', connection, 'complete'])
      expect(isIdle()).toBe(true)
    },
  )

  it('loses patience after a second and a half', () => {
    const { heard, time } = ask({ type: 'connecting', attempt: 1 })
    time.advance(1499)
    expect(heard).toEqual(['wanted'])
    time.advance(1)
    expect(heard).toEqual(['wanted', 'hub-unreachable'])
  })

  it('says at once when an attempt has failed, or why the peer was turned out', () => {
    const { heard, hubState$, isIdle } = ask(waiting)
    hubState$.next({ type: 'connecting', attempt: 2 })
    expect(heard).toEqual(['wanted'])
    hubState$.next(waiting)
    expect(heard).toEqual(['wanted', 'hub-unreachable'])
    expect(isIdle()).toBe(true)
    expect(ask({ type: 'stopped', code: 'session-replaced', message: '' }).heard).toEqual([
      'wanted',
      'session-replaced',
    ])
  })

  it('frees everything when it is unsubscribed from', () => {
    const { subscription, isIdle } = ask({ type: 'connecting', attempt: 1 })
    subscription.unsubscribe()
    expect(isIdle()).toBe(true)
  })
})
