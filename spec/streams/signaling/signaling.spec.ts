import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, NEVER, type Observable, of } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
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
import { createMemoryTrust } from '../../../src/streams/signaling/trust.js'
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
}: { trust?: TrustStore; random?: () => number; host?: string } = {}) {
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
    const check = (): never => {
      throw cause
    }
    const { transport, events, state, time } = start({ trust: { check } })
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
    trust.check('hub', identity.host, bob.pubKey)
    const { transport, state, time } = start({ trust })
    const answers: string[] = []
    transport.link.emit({ ...good, respond: signature => answers.push(signature) })
    expect(answers).toEqual([])
    expect(state()).toMatchObject({ type: 'stopped', code: 'key-changed' })
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

  it('waits longer after each loss, up to eight seconds, and begins anew after a sign-in', () => {
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
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000])
    expect(state()).toEqual({ type: 'connecting', attempt: 8 })
    signIn()
    transport.link.fail(lost)
    expect(state()).toMatchObject({ type: 'waiting', retryInMs: 500, code: 'hub-unreachable' })
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
    expect(time.pending()).toBe(1)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
    time.advance(60_000)
    expect(transport.links.length).toBe(1)
  })
})

describe('signedIn$', () => {
  const connection: HubConnection = { hubKey: hub.pubKey, iceServers: [], head: undefined, socket: hub.connection }
  const ask = (state$: Observable<HubState>, hubConnection$: Observable<HubConnection | undefined>) => {
    const time = virtualTime()
    const heard: unknown[] = []
    const subscription = signedIn$(state$, hubConnection$, time.scheduler).subscribe({
      next: value => heard.push(value),
      error: (error: LighthouseError) => heard.push(error.code),
      complete: () => heard.push('complete'),
    })
    return { time, heard, subscription }
  }

  it('gives the connection at once when there is one', () => {
    const { heard, time } = ask(of({ type: 'authenticated' }), of(connection))
    expect(heard).toEqual([connection, 'complete'])
    expect(time.pending()).toBe(0)
  })

  it('waits for a sign-in that is under way', () => {
    const hubConnection$ = new BehaviorSubject<HubConnection | undefined>(undefined)
    const { heard, time } = ask(new BehaviorSubject<HubState>({ type: 'connecting', attempt: 1 }), hubConnection$)
    time.advance(1499)
    expect(heard).toEqual([])
    hubConnection$.next(connection)
    expect(heard).toEqual([connection, 'complete'])
    expect(hubConnection$.observed).toBe(false)
  })

  it('loses patience after a second and a half', () => {
    const { heard, time } = ask(new BehaviorSubject<HubState>({ type: 'connecting', attempt: 1 }), NEVER)
    time.advance(1499)
    expect(heard).toEqual([])
    time.advance(1)
    expect(heard).toEqual(['hub-unreachable'])
  })

  it('says at once that the hub is away, or why the peer was turned out', () => {
    const none$ = new BehaviorSubject<HubConnection | undefined>(undefined)
    const waiting: HubState = { type: 'waiting', retryInMs: 500, code: 'hub-protocol', message: '' }
    expect(ask(of(waiting), none$).heard).toEqual(['hub-unreachable'])
    const stopped: HubState = { type: 'stopped', code: 'session-replaced', message: '' }
    expect(ask(of(stopped), none$).heard).toEqual(['session-replaced'])
  })

  it('frees everything when it is unsubscribed from', () => {
    const none$ = new BehaviorSubject<HubConnection | undefined>(undefined)
    const { subscription, time } = ask(of({ type: 'connecting', attempt: 1 }), none$)
    subscription.unsubscribe()
    expect([none$.observed, time.pending()]).toEqual([false, 0])
  })
})
