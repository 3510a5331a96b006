import { describe, expect, it } from '@jest/globals'
import { asyncScheduler, NEVER, of, Subject, VirtualTimeScheduler } from 'rxjs'
import { nodeCrypto } from '../../../../src/adapters/crypto/crypto.node.js'
import type { HubContext } from '../../../../src/hub/streams/signaling/context.js'
import type { HubSocket, Incoming } from '../../../../src/hub/ports/socket.js'
import type { HubStore } from '../../../../src/hub/ports/store.js'
import { SessionBus } from '../../../../src/hub/adapters/bus/session-bus.js'
import { receiptRefusalAck } from '../../../../src/hub/protocol/settlement/receipt-rules.js'
import { serveSocket$ } from '../../../../src/hub/streams/signaling/hub-session.js'
import type { SignalAck } from '../../../../src/protocol/signaling/signal.js'
import { authText } from '../../../../src/protocol/signaling/signed-texts.js'
import { description, newAccount } from '../../support.js'
import { notedMetrics } from '../support/noted-metrics.js'

const hubKeys = newAccount('hub')
const [alice, bob] = [newAccount('alice'), newAccount('bob')]
const hub = { url: '', port: 0, hubKey: hubKeys.pubKey }

const plenty = { take: async () => ({ allowed: true, used: 1, resetMs: 1_000 }) }

/** Lets promises that have settled be heard. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function contextWith(
  store: Partial<HubStore> = {},
): HubContext & { scheduler: VirtualTimeScheduler; outcomes: string[] } {
  const outcomes: string[] = []
  const note = (outcome: string): void => void outcomes.push(outcome)
  return {
    store: {
      balance: async () => 5_000_000,
      head: async () => undefined,
      recordOffer: async () => true,
      ...store,
    } as HubStore,
    keys: hubKeys,
    crypto: nodeCrypto,
    bus: new SessionBus('hub', 'process', asyncScheduler, true),
    limiters: {
      ...{ handshakes: plenty, registrationsByAddress: plenty, lookups: plenty },
      ...{ registrations: plenty, logins: plenty, signals: plenty },
      ...{ offer: async () => undefined, receipt: async () => undefined },
    },
    settlement: { submit: ({ acknowledge }) => acknowledge(receiptRefusalAck('unavailable')) },
    iceServersFor: () => [],
    clock: { now: () => 0 },
    scheduler: new VirtualTimeScheduler(),
    logger: { info: () => undefined, warn: () => undefined, error: (_fields, message) => note(message) },
    metrics: notedMetrics(note),
    outcomes,
  }
}

function fakeSocket(keys: { pubKey: string; privKey: string }, answers = true) {
  const signal$ = new Subject<Incoming<SignalAck>>()
  const closed$ = new Subject<void>()
  const sent: [string, any][] = []
  let backlogged = false
  const socket: HubSocket & {
    signal$: typeof signal$
    closed$: typeof closed$
    sent: typeof sent
    closes: number
    isKept: boolean
    clog(): void
  } = {
    auth: { pub_key: keys.pubKey },
    address: '192.0.2.1',
    signal$,
    receipt$: NEVER,
    closed$,
    sent,
    closes: 0,
    isKept: false,
    keep: () => {
      socket.isKept = true
    },
    challenge$: (body: any) =>
      answers ? of(nodeCrypto.sign(keys.privKey, authText(body.hub_key, body.challenge))) : NEVER,
    send: (event, body) => (backlogged ? false : (sent.push([event, body]), true)),
    close: () => {
      socket.closes += 1
      closed$.next()
    },
    clog: () => (backlogged = true),
  }
  return socket
}

function ackOf(socket: { signal$: Subject<Incoming<SignalAck>> }, message: unknown): Promise<any> {
  return new Promise(acknowledge => socket.signal$.next({ message, acknowledge }))
}

describe('serveSocket$', () => {
  it('gives a login ten seconds, and then none of the socket is left', async () => {
    const context = contextWith()
    const socket = fakeSocket(alice, false)
    const ended = new Promise<void>(complete => serveSocket$(socket, context).subscribe({ complete }))
    await settled()
    expect(socket.closes).toBe(0)
    context.scheduler.flush()
    await ended
    expect(context.scheduler.now()).toBe(10_000)
    expect(socket.sent).toMatchObject([['refused', { code: 'unavailable' }]])
    expect([socket.closes, socket.signal$.observed, context.bus.size]).toEqual([1, false, 0])
  })

  it('leaves the table when the socket closes, also before the login is through', async () => {
    const context = contextWith()
    const [early, late] = [fakeSocket(alice), fakeSocket(alice)]
    for (const socket of [early, late]) serveSocket$(socket, context).subscribe()
    early.closed$.next()
    await settled()
    expect(await context.bus.deliver(alice.pubKey, 'signal', {})).toBe('delivered')
    expect([early.sent.length, late.sent.at(-1)]).toEqual([0, ['signal', {}]])
    expect([early.isKept, late.isKept]).toEqual([false, true])
    late.closed$.next()
    expect(context.bus.size).toBe(0)
    expect([early.signal$.observed, late.signal$.observed]).toEqual([false, false])
  })

  it('lets nothing overtake the welcome', async () => {
    let release: ((bytes: number) => void) | undefined
    let asked = 0
    const slow = new Promise<number>(resolve => (release = resolve))
    const context = contextWith({ balance: async () => (++asked === 1 ? 5_000_000 : slow) })
    const socket = fakeSocket(alice)
    serveSocket$(socket, context).subscribe()
    await settled()
    expect([await context.bus.deliver(alice.pubKey, 'signal', {}), socket.sent]).toEqual(['congested', []])
    release?.(7_000_000)
    await settled()
    expect(await context.bus.deliver(alice.pubKey, 'signal', {})).toBe('delivered')
    expect(socket.sent).toMatchObject([
      ['authenticated', { coins: '7.000000' }],
      ['signal', {}],
    ])
  })

  it('lets go of a socket when it is unsubscribed', async () => {
    const context = contextWith()
    const socket = fakeSocket(alice)
    const subscription = serveSocket$(socket, context).subscribe()
    await settled()
    expect(context.bus.size).toBe(1)
    subscription.unsubscribe()
    expect([context.bus.size, socket.signal$.observed, socket.closed$.observed]).toEqual([0, false, false])
  })

  it('refuses one signal when the store fails, and keeps the session', async () => {
    let working = true
    const context = contextWith({
      balance: async () => {
        if (working) return 5_000_000
        throw new Error('disk full')
      },
    })
    const [one, two] = [fakeSocket(alice), fakeSocket(bob)]
    for (const socket of [one, two]) serveSocket$(socket, context).subscribe()
    await settled()
    working = false
    const offer = description('offer', hub, alice, bob)
    expect(await ackOf(one, offer)).toMatchObject({ error: { code: 'rate-limited' } })
    expect(context.outcomes).toContain('a signal could not be forwarded')
    working = true
    expect(await ackOf(one, offer)).toEqual({ delivered: true })
    expect([one.closes, two.sent.at(-1)]).toEqual([0, ['signal', offer]])
  })

  it('ends this socket alone when the store fails at its login, and says that it may come back', async () => {
    let calls = 0
    const context = contextWith({
      balance: async () => {
        calls += 1
        if (calls < 3) return 5_000_000
        throw new Error('disk full')
      },
    })
    const [one, two] = [fakeSocket(alice), fakeSocket(bob)]
    for (const socket of [one, two]) {
      serveSocket$(socket, context).subscribe()
      await settled()
    }
    expect(two.sent.at(-1)).toMatchObject(['refused', { code: 'unavailable' }])
    expect(context.outcomes).toContain('a signaling session failed')
    const signedIn = [alice, bob].map(({ pubKey }) => context.bus.isSignedIn(pubKey))
    expect(await Promise.all(signedIn)).toEqual([true, false])
  })

  it('says rate-limited when the other side does not read what waits for it', async () => {
    const context = contextWith()
    const [one, two] = [fakeSocket(alice), fakeSocket(bob)]
    for (const socket of [one, two]) serveSocket$(socket, context).subscribe()
    await settled()
    two.clog()
    expect(await ackOf(one, description('offer', hub, alice, bob))).toMatchObject({ error: { code: 'rate-limited' } })
    expect(context.outcomes).toContain('limited congested-readers')
  })

  it('holds at most 1 MiB of signals while the store takes its time', async () => {
    let slow = false
    const context = contextWith({ balance: () => (slow ? new Promise(() => undefined) : Promise.resolve(5_000_000)) })
    const socket = fakeSocket(alice)
    serveSocket$(socket, context).subscribe()
    await settled()
    slow = true
    const message = description('offer', hub, alice, bob, { sdp: 'A'.repeat(60_000) })
    const bytes = Buffer.byteLength(JSON.stringify(message))
    const acks: any[] = []
    for (let count = 0; count < 40; count += 1) socket.signal$.next({ message, acknowledge: ack => acks.push(ack) })
    expect(acks).toHaveLength(40 - Math.floor(1_048_576 / bytes))
    expect(new Set(acks.map(({ error }) => error.code))).toEqual(new Set(['rate-limited']))
    expect(context.outcomes).toContain('limited waiting-signals')
  })

  it('refuses who says nothing about itself', async () => {
    for (const auth of [undefined, null, 7, 'key', [], {}]) {
      const context = contextWith()
      const socket = { ...fakeSocket(alice), auth }
      await new Promise<void>(complete => serveSocket$(socket, context).subscribe({ complete }))
      expect(socket.sent).toMatchObject([['refused', { code: 'not-authenticated' }]])
    }
  })
})
