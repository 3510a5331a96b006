import { describe, expect, it } from '@jest/globals'
import { filter, NEVER, type Observable, of, Subject, type Subscription, throwError } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { RtcSignal } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { Identity } from '../../../src/protocol/peer/metadata.js'
import {
  type LedgerHead,
  type Offer,
  parseSignal,
  type Signal,
  type SignalAck,
} from '../../../src/protocol/signaling/signal.js'
import {
  answerConnection$,
  type ConnectionEvent,
  type ConnectionOptions,
  offerConnection$,
} from '../../../src/streams/signaling/connection.js'
import { seeding$, type SeedingReport } from '../../../src/streams/serving/seeding.js'
import { checkKey, createMemoryTrust } from '../../../src/streams/signaling/trust.js'
import { memoryChannelPair } from '../../support/memory-channel.js'
import { memorySocket } from '../../support/memory-socket.js'
import { fakeRtc } from '../support/fake-rtc.js'
import { newIdentity } from '../support/fake-transport.js'
import { virtualTime } from '../support/virtual-time.js'

const alice = newIdentity('alice')
const bob = newIdentity('bob')
const hubKey = newIdentity('hub').pubKey
const offer = { type: 'offer', sdp: 'sdp of the offer' } as const
const answer = { type: 'answer', sdp: 'sdp of the answer' } as const
const at = (address: string): string => `candidate:1 1 udp 2122260223 ${address} 50000 typ host`
const candidate = { type: 'candidate', candidate: at('203.0.113.9'), sdpMid: '0', sdpMLineIndex: 0 } as const

type Acknowledge = (signal: Signal) => Observable<SignalAck>

function record(event$: Observable<ConnectionEvent>) {
  const events: ConnectionEvent[] = []
  const outcomes: unknown[] = []
  const subscription: Subscription = event$.subscribe({
    next: event => events.push(event),
    error: error => outcomes.push(error),
    complete: () => outcomes.push('complete'),
  })
  const reason = (): LighthouseError | undefined => {
    const last = events.at(-1)
    return last?.type === 'closed' ? last.reason : undefined
  }
  const isProgress = ({ type }: ConnectionEvent): boolean =>
    type === 'delivered' || type === 'answered' || type === 'candidates'
  const progress = (): readonly ConnectionEvent[] => events.filter(isProgress)
  const states = (): readonly ConnectionEvent[] => events.filter(event => !isProgress(event))
  return { events, states, progress, outcomes, subscription, types: () => states().map(({ type }) => type), reason }
}

/** Two peers and a hub that forwards what `acknowledge` lets through and `tamper` leaves of it. */
function world(greets: { readonly a?: boolean; readonly b?: boolean } = {}) {
  const time = virtualTime()
  const sent: Signal[] = []
  const hub = { acknowledge: (() => of({ delivered: true })) as Acknowledge, tamper: (signal: Signal) => signal }
  const inboxes = new Map([alice, bob].map(({ pubKey }) => [pubKey, new Subject<Signal>()]))
  const trust = createMemoryTrust()
  const client = { resolve$: (): Observable<string | undefined> => of(bob.pubKey) }
  const send$ = (signal: Signal): Observable<SignalAck> => {
    sent.push(signal)
    const forwarded = parseSignal(JSON.parse(JSON.stringify(hub.tamper(signal))))
    if (forwarded !== undefined) inboxes.get(forwarded.to)?.next(forwarded)
    return hub.acknowledge(signal)
  }
  const optionsOf = (identity: Identity, isGreeting = false) => {
    const rtc = fakeRtc({ greets: isGreeting })
    const options: ConnectionOptions = {
      identity,
      crypto: nodeCrypto,
      trust,
      hub: client,
      rtc,
      hubConnection: {
        hubKey,
        iceServers: [{ urls: 'stun:hub' }],
        head: undefined,
        socket: { send$, settle$: () => NEVER },
      },
      signal$: inboxes.get(identity.pubKey)!,
      iceServers: [{ urls: 'stun:own' }],
      relayOnly: false,
      scheduler: time.scheduler,
    }
    return { rtc, options }
  }
  const a = optionsOf(alice, greets.a)
  const b = optionsOf(bob, greets.b)
  const offers: Offer[] = []
  inboxes.get(bob.pubKey)!.subscribe(signal => {
    if (signal.type === 'offer') offers.push(signal as Offer)
  })
  const dial = () => record(offerConnection$(a.options, 'bob'))
  const take = () => record(answerConnection$(b.options, offers.at(-1)!))
  /** Both sides with the offer and the answer exchanged, the channels not open yet. */
  const negotiate = () => {
    const offering = dial()
    a.rtc.link.emit({ type: 'signal', signal: offer })
    const answering = take()
    b.rtc.link.emit({ type: 'signal', signal: answer })
    return { offering, answering }
  }
  const channels = memoryChannelPair({ scheduler: time.scheduler })
  const connect = () => {
    const both = negotiate()
    a.rtc.link.emit({ type: 'open', channel: channels[0] })
    b.rtc.link.emit({ type: 'open', channel: channels[1] })
    return both
  }
  const nothingLeft = (): void => {
    expect([...a.rtc.links, ...b.rtc.links].filter(({ open }) => open)).toEqual([])
    expect(inboxes.get(alice.pubKey)!.observed).toBe(false)
    expect(time.pending()).toBe(0)
  }
  const inbox = (identity: Identity): Subject<Signal> => inboxes.get(identity.pubKey)!
  return { time, sent, hub, client, trust, a, b, offers, dial, take, negotiate, connect, channels, nothingLeft, inbox }
}

const byes = (sent: readonly Signal[]): readonly string[] =>
  sent.flatMap(signal => (signal.type === 'bye' ? [signal.to === bob.pubKey ? 'to bob' : 'to alice'] : []))

describe('a connection', () => {
  it('goes through its states on both sides, with what each state carries', () => {
    const { connect, sent, a, b, channels } = world()
    const { offering, answering } = connect()
    const session = sent[0]!.session
    const agreement = { version: 2, rst: true, receipts: true, greet: false }
    expect(offering.states()).toEqual([
      { type: 'resolving', nickname: 'bob' },
      { type: 'offering', session, pubKey: bob.pubKey },
      { type: 'connecting', session, pubKey: bob.pubKey },
      { type: 'open', session, pubKey: bob.pubKey, hubKey, channel: channels[0], engine: 'fake', agreement },
    ])
    expect(answering.states()).toEqual([
      { type: 'connecting', session, pubKey: alice.pubKey },
      { type: 'open', session, pubKey: alice.pubKey, hubKey, channel: channels[1], engine: 'fake', agreement },
    ])
    expect([a.rtc.link.remote, b.rtc.link.remote]).toEqual([[answer], [offer]])
    expect(a.rtc.link.options).toMatchObject({
      initiator: true,
      relayOnly: false,
      iceServers: [{ urls: 'stun:own' }, { urls: 'stun:hub' }],
    })
    expect(b.rtc.link.options.initiator).toBe(false)
    expect(session).toMatch(/^[A-Za-z0-9_-]{22}$/)
  })

  it('reports how it gets on: delivered, answered, and what kinds of addresses each side names', () => {
    const { negotiate, a, b } = world()
    const { offering, answering } = negotiate()
    const hostOnly = { type: 'candidates', kinds: ['host'] } as const
    a.rtc.link.emit({ type: 'signal', signal: candidate })
    b.rtc.link.emit({ type: 'signal', signal: candidate })
    expect(offering.progress()).toEqual([
      { type: 'delivered' },
      { type: 'answered' },
      { ...hostOnly, side: 'own' },
      { ...hostOnly, side: 'other' },
    ])
    expect(answering.progress()).toEqual([
      { type: 'answered' },
      { ...hostOnly, side: 'other' },
      { ...hostOnly, side: 'own' },
    ])
  })

  it('goes through each state once, whatever WebRTC says', () => {
    const { connect, a, b } = world()
    const { offering, answering } = connect()
    a.rtc.link.emit({ type: 'signal', signal: offer })
    a.rtc.link.complete()
    b.rtc.link.complete()
    expect(offering.types()).toEqual(['resolving', 'offering', 'connecting', 'open', 'closed'])
    expect(answering.types()).toEqual(['connecting', 'open', 'closed'])
  })

  it('sends the other side the newest head of the ledger that it knows, else that of the sign-in, else none', () => {
    const head = (seq: number): LedgerHead => ({ seq, hash: 'ab'.repeat(64), signature: `${'A'.repeat(86)}==` })
    const heads = (sent: readonly Signal[]): readonly unknown[] =>
      sent.flatMap(signal => (signal.type === 'offer' || signal.type === 'answer' ? [signal.payload.head] : []))
    const known = world()
    let newest = 7
    Object.assign(known.a.options, { head: () => head(newest) })
    Object.assign(known.b.options, { hubConnection: { ...known.b.options.hubConnection, head: head(3) } })
    const { offering, answering } = known.negotiate()
    expect(heads(known.sent)).toEqual([head(7), head(3)])
    for (const { subscription } of [offering, answering]) subscription.unsubscribe()
    newest = 8
    Object.assign(known.b.options, { head: () => undefined })
    known.negotiate()
    expect(heads(known.sent).slice(2)).toEqual([head(8), head(3)])
    const unknown = world()
    unknown.negotiate()
    expect(heads(unknown.sent)).toEqual([null, null])
  })

  it('passes on candidates both ways, and the path once it is open', () => {
    const { negotiate, a, b } = world()
    const { offering } = negotiate()
    a.rtc.link.emit({ type: 'signal', signal: candidate })
    b.rtc.link.emit({ type: 'signal', signal: { ...candidate, sdpMid: null, sdpMLineIndex: null } })
    expect(b.rtc.link.remote).toEqual([offer, candidate])
    expect(a.rtc.link.remote).toEqual([answer, { ...candidate, sdpMid: null, sdpMLineIndex: null }])
    a.rtc.link.emit({ type: 'path', kind: 'host', roundTripMs: 1 })
    expect(offering.events.at(-1)).toEqual({ type: 'path', kind: 'host', roundTripMs: 1 })
  })

  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('agrees on a greeting where the implementation that answers needs it: %j, %j', (a, b) => {
    const { connect, sent } = world({ a, b })
    const { offering, answering } = connect()
    const greet = [offering, answering].map(({ events }) => {
      const opened = events.at(-1)
      return opened?.type === 'open' && opened.agreement.greet
    })
    expect(greet).toEqual([b, b])
    const said = sent.flatMap(signal => (signal.type === 'offer' || signal.type === 'answer' ? [signal] : []))
    expect(said.map(({ payload }) => payload.mux?.greet)).toEqual([undefined, b ? true : undefined])
  })

  it('agrees on version 1 with a peer that does not say what it speaks', () => {
    const { dial, a, sent, inbox, channels } = world()
    const offering = dial()
    a.rtc.link.emit({ type: 'signal', signal: offer })
    // As another implementation would: the payload is the description alone.
    const { session } = sent[0]!
    const payload = { sdp: nodeCrypto.packSdp(answer.sdp) }
    const digest = nodeCrypto.sha256(`{"sdp":${JSON.stringify(payload.sdp)}}`)
    const text = ['lighthouse/answer/1', hubKey, session, bob.pubKey, alice.pubKey, digest].join('\n')
    const signature = nodeCrypto.sign(bob.privKey, text)
    inbox(alice).next({ type: 'answer', session, from: bob.pubKey, to: alice.pubKey, payload, signature })
    a.rtc.link.emit({ type: 'open', channel: channels[0] })
    expect(offering.events.at(-1)).toMatchObject({ type: 'open', agreement: { version: 1, rst: false } })
  })

  it.each([[[]], [[3]]])('is refused, in words and at once, where the offer speaks versions %j alone', versions => {
    const { b, sent, inbox } = world()
    const payload = { sdp: nodeCrypto.packSdp(offer.sdp), mux: { versions } }
    const session = 'S'.repeat(22)
    const digest = nodeCrypto.sha256(`{"mux":{"versions":${JSON.stringify(versions)}},"sdp":"${payload.sdp}"}`)
    const text = ['lighthouse/offer/1', hubKey, session, alice.pubKey, bob.pubKey, digest].join('\n')
    const signature = nodeCrypto.sign(alice.privKey, text)
    const foreign = { type: 'offer', session, from: alice.pubKey, to: bob.pubKey, payload, signature } as const
    inbox(bob).next(foreign)
    const answering = record(answerConnection$(b.options, foreign))
    expect(answering.reason()?.code).toBe('peer-refused')
    expect(sent).toEqual([
      expect.objectContaining({ type: 'bye', session, payload: { reason: expect.stringContaining('no version') } }),
    ])
  })

  it('is closed, and says why, when the other side closes an open connection', () => {
    const { connect, b, nothingLeft, a, sent } = world()
    const { offering, answering } = connect()
    b.rtc.link.complete()
    expect(answering.reason()?.code).toBe('channel-closed')
    a.rtc.link.fail(new LighthouseError('webrtc-failed', 'gone'))
    expect(offering.reason()?.code).toBe('webrtc-failed')
    expect([offering.outcomes, answering.outcomes]).toEqual([['complete'], ['complete']])
    expect(byes(sent)).toEqual([])
    nothingLeft()
  })

  it('is destroyed when it is unsubscribed from, without a goodbye once it was open', () => {
    const { connect, sent, nothingLeft } = world()
    const { offering, answering } = connect()
    offering.subscription.unsubscribe()
    answering.subscription.unsubscribe()
    expect(byes(sent)).toEqual([])
    nothingLeft()
  })

  it('says goodbye when it is given up before it was open', () => {
    const { dial, a, sent, nothingLeft } = world()
    const offering = dial()
    a.rtc.link.emit({ type: 'signal', signal: offer })
    offering.subscription.unsubscribe()
    expect(byes(sent)).toEqual(['to bob'])
    nothingLeft()
  })

  it('offers again, as another session, while no answer comes, until the 20 s are over', () => {
    const { dial, a, sent, offers, time, nothingLeft } = world()
    const offering = dial()
    for (const [index, seconds] of [3, 5, 5, 5, 2].entries()) {
      a.rtc.link.emit({ type: 'signal', signal: offer })
      time.advance(1_000 * seconds - 100)
      expect(new Set(offers.map(({ session }) => session)).size).toBe(index + 1)
      time.advance(100)
    }
    expect(byes(sent).length).toBe(5)
    expect(offering.reason()?.code).toBe('connect-timeout')
    nothingLeft()
  })

  it('goes on with the offer that is answered', () => {
    const { a, b, time, offers, dial, take, channels } = world()
    const offering = dial()
    a.rtc.link.emit({ type: 'signal', signal: offer })
    time.advance(5_000)
    a.rtc.link.emit({ type: 'signal', signal: offer })
    take()
    b.rtc.link.emit({ type: 'signal', signal: answer })
    time.advance(14_000)
    a.rtc.link.emit({ type: 'open', channel: channels[0] })
    expect(offering.states().at(-1)).toMatchObject({ type: 'open', session: offers[1]!.session })
    expect(offers.length).toBe(2)
  })

  it('goes through no relay if it is to be direct', () => {
    const { a, b, dial, take } = world()
    const ice = [{ urls: 'turn:relay.example', username: 'u', credential: 'c' }]
    record(offerConnection$({ ...a.options, iceServers: ice, direct: true }, 'bob'))
    a.rtc.link.emit({ type: 'signal', signal: offer })
    take()
    const candidateOf = (kind: string): RtcSignal => ({
      type: 'candidate',
      candidate: `candidate:1 1 udp 1 203.0.113.1 50000 typ ${kind} raddr 0.0.0.0 rport 0`,
      sdpMid: '0',
      sdpMLineIndex: 0,
    })
    b.rtc.link.emit({
      type: 'signal',
      signal: { type: 'answer', sdp: `v=0\r\na=${(candidateOf('relay') as { candidate: string }).candidate}\r\n` },
    })
    for (const kind of ['relay', 'srflx']) b.rtc.link.emit({ type: 'signal', signal: candidateOf(kind) })
    expect(a.rtc.link.options.iceServers).toEqual([{ urls: 'stun:relay.example:3478' }, { urls: 'stun:hub:3478' }])
    expect(a.rtc.link.remote).toEqual([{ type: 'answer', sdp: 'v=0\r\n' }, candidateOf('srflx')])
    dial().subscription.unsubscribe()
  })

  it('sends nothing to a peer that has received nothing', () => {
    const { dial, sent, nothingLeft } = world()
    dial().subscription.unsubscribe()
    expect(sent).toEqual([])
    nothingLeft()
  })

  describe('cannot be made', () => {
    it.each<[string, string, (w: ReturnType<typeof world>) => void]>([
      ['nobody has the nickname', 'unknown-nickname', w => (w.client.resolve$ = () => of(undefined))],
      ['it is this peer', 'own-nickname', w => (w.client.resolve$ = () => of(alice.pubKey))],
      [
        'the key has changed',
        'key-changed',
        w => void checkKey(w.trust, 'peer', `${hubKey}/bob`, newIdentity('else').pubKey),
      ],
      [
        'the hub does not answer',
        'hub-unreachable',
        w => (w.client.resolve$ = () => throwError(() => new LighthouseError('hub-unreachable', 'x'))),
      ],
    ])('when %s: %s, before any connection is made', (_name, code, change) => {
      const w = world()
      change(w)
      const offering = w.dial()
      expect(offering.types()).toEqual(['resolving', 'closed'])
      expect(offering.reason()?.code).toBe(code)
      expect([w.a.rtc.links.length, w.sent.length]).toEqual([0, 0])
      w.nothingLeft()
    })

    it('with both keys in the error when the key has changed', () => {
      const w = world()
      const before = newIdentity('else').pubKey
      checkKey(w.trust, 'peer', `${hubKey}/bob`, before)
      expect(w.dial().reason()?.details).toEqual({
        nickname: 'bob',
        expected: before,
        actual: bob.pubKey,
        next: expect.stringMatching(/Ask bob over another channel .* run: lighthouse-peer trust bob$/),
      })
    })

    it.each([
      ['offline', 'peer-offline'],
      ['unknown-peer', 'unknown-nickname'],
      ['no-coins', 'no-coins'],
      ['rate-limited', 'rate-limited'],
      ['malformed', 'hub-protocol'],
      ['toString', 'hub-protocol'],
    ])('when the hub refuses the offer with %s: %s', (code, expected) => {
      const { dial, hub, a, nothingLeft } = world()
      hub.acknowledge = () => of({ error: { code: code as 'offline', message: 'words' } })
      const offering = dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      expect(offering.reason()?.code).toBe(expected)
      expect(offering.outcomes).toEqual(['complete'])
      nothingLeft()
    })

    it('when the hub is lost while the offer is on its way', () => {
      const { dial, hub, a, nothingLeft } = world()
      const acknowledgement$ = new Subject<SignalAck>()
      hub.acknowledge = () => acknowledgement$
      const offering = dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      acknowledgement$.error(new LighthouseError('hub-unreachable', 'lost'))
      expect(offering.reason()?.code).toBe('hub-unreachable')
      nothingLeft()
    })

    it('when WebRTC fails, and the other side is notified', () => {
      const { negotiate, a, sent } = world()
      const { offering, answering } = negotiate()
      a.rtc.link.fail(new Error('ICE failed'))
      expect(offering.reason()?.code).toBe('webrtc-failed')
      expect(byes(sent)).toContain('to bob')
      expect(answering.reason()?.code).toBe('peer-refused')
    })

    it('when this program is wrong: `internal`, the place in the cause, whoever threw it', () => {
      const cause = new TypeError('x is not a function')
      const throwing = (): never => {
        throw cause
      }
      const { a, dial, sent, nothingLeft } = world()
      const changes: Partial<ConnectionOptions>[] = [
        { trust: { ...createMemoryTrust(), known: throwing } },
        { crypto: { ...nodeCrypto, randomId: throwing } },
        { rtc: { name: 'broken', connect$: () => throwError(() => cause) } },
      ]
      for (const change of changes) {
        const { reason, outcomes } = record(offerConnection$({ ...a.options, ...change }, 'bob'))
        expect([reason(), outcomes]).toEqual([expect.objectContaining({ code: 'internal', cause }), ['complete']])
      }
      const offering = dial()
      a.rtc.link.fail(cause)
      expect(offering.reason()).toMatchObject({ code: 'internal', cause })
      expect(sent).toEqual([])
      nothingLeft()
    })

    it('when the other side says goodbye, with its words', () => {
      const { negotiate, sent, inbox, nothingLeft } = world()
      const { offering, answering } = negotiate()
      const { session } = sent[0]!
      const envelope = { session, from: bob.pubKey, to: alice.pubKey }
      inbox(alice).next({ ...envelope, type: 'bye', payload: { reason: 'this peer shares nothing' } })
      expect(offering.reason()).toMatchObject({ code: 'peer-refused', message: 'this peer shares nothing' })
      answering.subscription.unsubscribe()
      nothingLeft()
    })

    it('when the channel opens without an answer', () => {
      const { dial, a, channels } = world()
      const offering = dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      a.rtc.link.emit({ type: 'open', channel: channels[0] })
      expect(offering.reason()?.code).toBe('webrtc-failed')
    })
  })

  describe('with somebody in between', () => {
    const swapSdp = (signal: Signal): Signal =>
      signal.type === 'offer' || signal.type === 'answer'
        ? { ...signal, payload: { ...signal.payload, sdp: nodeCrypto.packSdp('sdp of the hub') } }
        : signal
    const downgrade = (signal: Signal): Signal =>
      signal.type === 'offer' || signal.type === 'answer'
        ? { ...signal, payload: { ...signal.payload, mux: { versions: [1] } } }
        : signal
    const noSignature = (signal: Signal): Signal =>
      'signature' in signal ? { ...signal, signature: Buffer.alloc(64).toString('base64') } : signal

    it.each([
      ['another description', swapSdp],
      ['another version', downgrade],
      ['another signature', noSignature],
    ])('refuses an answer with %s', (_name, tamper) => {
      const { hub, dial, take, a, b } = world()
      const offering = dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      take()
      hub.tamper = tamper
      b.rtc.link.emit({ type: 'signal', signal: answer })
      expect(offering.reason()?.code).toBe('bad-signature')
      expect(a.rtc.link.remote).toEqual([])
      expect(a.rtc.link.open).toBe(false)
    })

    it.each([
      ['another description', swapSdp],
      ['another version', downgrade],
      ['another signature', noSignature],
    ])('refuses an offer with %s', (_name, tamper) => {
      const { hub, dial, take, a, b } = world()
      hub.tamper = tamper
      dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      const answering = take()
      expect(answering.reason()?.code).toBe('bad-signature')
      expect(b.rtc.links.every(link => link.remote.length === 0 && !link.open)).toBe(true)
    })

    it('refuses an offer that was made for another session', () => {
      const { dial, take, hub, a } = world()
      hub.tamper = signal => ({ ...signal, session: 'session-of-another-one' })
      dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      expect(take().reason()?.code).toBe('bad-signature')
    })

    it('refuses an offer that does not unpack', () => {
      const { a, b, dial, take } = world()
      const broken = { ...nodeCrypto, packSdp: () => Buffer.from('no gzip').toString('base64') }
      Object.assign(a.options, { crypto: broken })
      dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      expect(take().reason()?.code).toBe('malformed-signal')
      expect(b.rtc.links.every(({ open }) => !open)).toBe(true)
    })

    it('takes the first answer only', () => {
      const { negotiate, a, inbox, sent } = world()
      const { offering } = negotiate()
      const first = sent.find(({ type }) => type === 'answer')!
      inbox(alice).next(first)
      inbox(alice).next(swapSdp(first))
      expect(a.rtc.link.remote).toEqual([answer])
      expect(offering.reason()).toBeUndefined()
    })

    it('ignores signals of other sessions and other senders', () => {
      const { negotiate, a, inbox, sent } = world()
      const { offering } = negotiate()
      const bye = { type: 'bye', payload: { reason: '' }, to: alice.pubKey } as const
      inbox(alice).next({ ...bye, session: 'session-of-another-one', from: bob.pubKey })
      inbox(alice).next({ ...bye, session: sent[0]!.session, from: hubKey })
      expect(offering.types()).toEqual(['resolving', 'offering', 'connecting'])
      expect(a.rtc.link.open).toBe(true)
    })

    it('accepts forty candidates and no more', () => {
      const { negotiate, a, b } = world()
      negotiate()
      for (let index = 0; index < 100; index++) b.rtc.link.emit({ type: 'signal', signal: candidate })
      expect(a.rtc.link.remote.filter(({ type }) => type === 'candidate').length).toBe(40)
    })

    it('counts those in the description too, on either side', () => {
      const { dial, take, a, b } = world()
      const named = (count: number): string =>
        Array.from({ length: count }, () => `a=${at('203.0.113.9')}`).join('\r\n')
      const count = (remote: readonly RtcSignal[]): number[] =>
        [remote, remote.filter(({ type }) => type === 'candidate')].map(
          signals => JSON.stringify(signals).split('203.0.113.9').length - 1,
        )
      dial()
      a.rtc.link.emit({ type: 'signal', signal: { type: 'offer', sdp: named(100) } })
      take()
      b.rtc.link.emit({ type: 'signal', signal: { type: 'answer', sdp: named(30) } })
      for (let index = 0; index < 100; index++) {
        a.rtc.link.emit({ type: 'signal', signal: candidate })
        b.rtc.link.emit({ type: 'signal', signal: candidate })
      }
      expect([count(b.rtc.link.remote), count(a.rtc.link.remote)]).toEqual([
        [40, 0],
        [40, 10],
      ])
    })

    it.each([
      ['https://hub.example', ['203.0.113.9', '10.0.0.9']],
      ['127.0.0.1:3000', ['127.0.0.1', '203.0.113.9', '10.0.0.9']],
    ])('hands WebRTC no address of this machine, unless the hub is there: %s', (host, passing) => {
      const { a, b, offers } = world()
      const local = (identity: Identity): Identity => ({ ...identity, host })
      const addresses = ['127.0.0.1', 'fe80::1', '203.0.113.9', '224.0.0.1', 'nas.local', '10.0.0.9']
      const sdp = addresses.map(address => `a=${at(address)}`).join('\r\n')
      record(offerConnection$({ ...a.options, identity: local(alice) }, 'bob'))
      a.rtc.link.emit({ type: 'signal', signal: { type: 'offer', sdp } })
      record(answerConnection$({ ...b.options, identity: local(bob) }, offers.at(-1)!))
      for (const address of addresses) {
        a.rtc.link.emit({ type: 'signal', signal: { ...candidate, candidate: at(address) } })
      }
      const [description, ...trickled] = b.rtc.link.remote
      expect(description).toEqual({ type: 'offer', sdp: passing.map(address => `a=${at(address)}`).join('\r\n') })
      expect(trickled).toEqual(passing.map(address => ({ ...candidate, candidate: at(address) })))
    })
  })

  describe('and the hub after it is open', () => {
    it('a goodbye ends nothing: the hub could forge it', () => {
      const { connect, sent, inbox } = world()
      const { offering, answering } = connect()
      const { session } = sent[0]!
      for (const [from, to] of [
        [bob, alice],
        [alice, bob],
      ] as const) {
        inbox(to).next({
          type: 'bye',
          session,
          from: from.pubKey,
          to: to.pubKey,
          payload: { reason: 'go' },
        })
      }
      expect([offering.reason(), answering.reason()]).toEqual([undefined, undefined])
    })

    it('a hub that is lost or refuses late candidates disturbs nothing', () => {
      const { negotiate, hub, a, channels } = world()
      const acknowledgement$ = new Subject<SignalAck>()
      const { offering } = negotiate()
      hub.acknowledge = () => acknowledgement$
      a.rtc.link.emit({ type: 'signal', signal: candidate })
      a.rtc.link.emit({ type: 'open', channel: channels[0] })
      acknowledgement$.error(new LighthouseError('hub-unreachable', 'lost'))
      hub.acknowledge = () => throwError(() => new LighthouseError('hub-unreachable', 'lost'))
      a.rtc.link.emit({ type: 'signal', signal: candidate })
      expect(offering.types()).toEqual(['resolving', 'offering', 'connecting', 'open'])
      expect(a.rtc.link.open).toBe(true)
    })
  })

  describe('that is not open within 20 s', () => {
    it.each<[string, (w: ReturnType<typeof world>) => ReturnType<typeof record>]>([
      [
        'resolving',
        w => {
          w.client.resolve$ = () => NEVER
          return w.dial()
        },
      ],
      ['offering', w => w.dial()],
      [
        'connecting',
        w => {
          w.hub.acknowledge = () => NEVER
          const offering = w.dial()
          w.a.rtc.link.emit({ type: 'signal', signal: offer })
          return offering
        },
      ],
      [
        'delivered',
        w => {
          const offering = w.dial()
          w.a.rtc.link.emit({ type: 'signal', signal: offer })
          return offering
        },
      ],
      ['answered', w => w.negotiate().offering],
    ])('is closed with the phase: %s', (phase, go) => {
      const w = world()
      const offering = go(w)
      w.time.advance(19_999)
      expect(offering.reason()).toBeUndefined()
      w.time.advance(1)
      expect(offering.reason()).toMatchObject({ code: 'connect-timeout', details: { phase } })
      w.nothingLeft()
    })

    it('names the likely reason, by what each side named, the servers that there are and whether UDP gets through', () => {
      const { negotiate, a, b, time } = world()
      const own = (kind: string): RtcSignal => ({
        ...candidate,
        candidate: `candidate:1 1 udp 1 203.0.113.9 50000 typ ${kind}`,
      })
      const reasonWith = (udp: 'open' | 'blocked'): string => {
        Object.assign(a.options, { udp: () => udp })
        const { offering } = negotiate()
        a.rtc.link.emit({ type: 'signal', signal: own('srflx') })
        b.rtc.link.emit({ type: 'signal', signal: own('srflx') })
        time.advance(20_000)
        return offering.reason()!.message
      }
      expect(reasonWith('open')).toContain('let no direct connection through, and the hub names no TURN server')
      expect(reasonWith('blocked')).toContain('this network blocks UDP')
    })

    it('ends on the answering side too, which WebRTC does not, and says goodbye', () => {
      const { hub, dial, take, a, b, time, nothingLeft, sent } = world()
      const offering = dial()
      a.rtc.link.emit({ type: 'signal', signal: offer })
      offering.subscription.unsubscribe()
      hub.acknowledge = () => NEVER
      const answering = take()
      b.rtc.link.emit({ type: 'signal', signal: answer })
      time.advance(20_000)
      expect(answering.reason()).toMatchObject({ code: 'connect-timeout', details: { phase: 'answered' } })
      expect(answering.reason()!.message).toMatch(
        /^the peer that called did not connect in time: no STUN or TURN server answered/,
      )
      expect(byes(sent)).toEqual(['to bob', 'to alice'])
      nothingLeft()
    })

    it('may stay open for as long as it likes once it is', () => {
      const { connect, time } = world()
      const { offering, answering } = connect()
      time.advance(3_600_000)
      expect([offering.reason(), answering.reason()]).toEqual([undefined, undefined])
    })
  })
})

describe('an objection to a key', () => {
  it('is the reason for which nothing is offered to it', () => {
    const { a, sent, nothingLeft } = world()
    const reason = new LighthouseError('spending-limit', 'the limit is reached')
    const objection = (pubKey: string): LighthouseError | undefined => (pubKey === bob.pubKey ? reason : undefined)
    const { types, reason: closed } = record(offerConnection$({ ...a.options, objection }, 'bob'))
    expect([types(), closed(), sent]).toEqual([['resolving', 'closed'], reason, []])
    nothingLeft()
  })
})

describe('a ledger head that cannot be read', () => {
  const broken = new LighthouseError('store-failed', 'the disk is broken')
  const head = (): never => {
    throw broken
  }

  it('costs the connection for which it was wanted, offered or answered', () => {
    const { dial, a, b, offers, take, nothingLeft } = world()
    const offering = dial()
    a.rtc.link.emit({ type: 'signal', signal: offer })
    const answering = record(answerConnection$({ ...b.options, head }, offers.at(-1)!))
    expect([answering.types(), answering.reason(), answering.outcomes]).toEqual([
      ['connecting', 'closed'],
      broken,
      ['complete'],
    ])
    const another = record(offerConnection$({ ...a.options, head }, 'bob'))
    expect([another.reason(), another.outcomes]).toEqual([broken, ['complete']])
    const next = take()
    expect(next.types()).toEqual(['connecting'])
    for (const { subscription } of [offering, next]) subscription.unsubscribe()
    nothingLeft()
  })

  it('costs no peer that serves anything else: its next offer is answered', () => {
    const { dial, a, b, offers, time, inbox } = world()
    const full = { now: true }
    const reports: SeedingReport[] = []
    const outcomes: unknown[] = []
    const options = { ...b.options, head: () => (full.now ? head() : undefined) }
    const subscription = seeding$({
      offer$: inbox(bob).pipe(filter((signal): signal is Offer => signal.type === 'offer')),
      answer$: incoming => answerConnection$(options, incoming),
      dial: () => memorySocket(),
      refuse: (_offer, reason) => outcomes.push(reason),
      clock: time.clock,
      scheduler: time.scheduler,
    }).subscribe({ next: report => reports.push(report), error: error => outcomes.push(error) })
    const offering = dial()
    a.rtc.link.emit({ type: 'signal', signal: offer })
    const { session } = offers[0]!
    expect(reports).toEqual([{ type: 'ended', pubKey: alice.pubKey, session, reason: broken }])
    full.now = false
    // The session that failed is not held on to.
    inbox(bob).next(offers[0]!)
    expect(outcomes).toEqual([])
    expect(b.rtc.links).toHaveLength(1)
    for (const one of [subscription, offering.subscription]) one.unsubscribe()
  })
})
