import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, NEVER, type Observable, of, Subject, throwError } from 'rxjs'
import type { SignalConnection } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { HubState } from '../../../src/protocol/peer/stats.js'
import type { Offer, Signal, SignalAck, SignalRefusal } from '../../../src/protocol/signaling/signal.js'
import type { ConnectionOptions } from '../../../src/streams/signaling/connection.js'
import { createConnections } from '../../../src/streams/signaling/connections.js'
import type { HubConnection } from '../../../src/streams/signaling/signaling.js'
import { createMemoryTrust } from '../../../src/streams/signaling/trust.js'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { virtualTime } from '../support/virtual-time.js'

const identity = { nickname: 'alice', pubKey: 'alice-key', privKey: '', host: 'http://hub' }
const offer = { type: 'offer', session: 's', from: 'bob-key', to: 'alice-key', payload: {} } as unknown as Offer

/** A peer that is signed in to a hub, or not, and what it sends there. */
function world({
  signedIn = true,
  ack$ = NEVER,
}: { readonly signedIn?: boolean; readonly ack$?: Observable<SignalAck> } = {}) {
  const { scheduler, pending, advance } = virtualTime()
  const sent: Signal[] = []
  const connection: SignalConnection = {
    send$: signal => {
      sent.push(signal)
      return ack$
    },
    settle$: () => NEVER,
  }
  const hubConnection: HubConnection = { hubKey: 'hub-key', iceServers: [], head: undefined, socket: connection }
  const signal$ = new Subject<Signal>()
  const through = (session: HubConnection): ConnectionOptions => ({
    identity,
    crypto: nodeCrypto,
    trust: createMemoryTrust(),
    hub: { resolve$: nickname => of(nickname === 'bob' ? 'bob-key' : undefined) },
    rtc: { name: 'none', connect$: () => NEVER },
    hubConnection: session,
    signal$,
    iceServers: [],
    relayOnly: false,
    scheduler,
  })
  const state: HubState = { type: signedIn ? 'authenticated' : 'connecting', attempt: 1 }
  const hubConnection$ = new BehaviorSubject(signedIn ? hubConnection : undefined)
  const access = { hubConnection$, hubState$: of(state), wanted$: new Subject<void>() }
  const doubt$ = new Subject<void>()
  const connections = createConnections({ ...access, through, signal$, identity, doubt$, scheduler })
  return { connections, doubt$, sent, signal$, pending, advance }
}

describe('createConnections', () => {
  it('tries the hub connection with a signal to itself when that is in doubt', () => {
    const { connections, doubt$, sent } = world()
    const subscription = connections.tried$.subscribe()
    expect(sent).toEqual([])
    doubt$.next()
    expect(sent).toMatchObject([{ type: 'bye', from: 'alice-key', to: 'alice-key' }])
    subscription.unsubscribe()
    expect(doubt$.observed).toBe(false)
  })

  it('receives offers only', () => {
    const { connections, signal$ } = world()
    const offers: Offer[] = []
    connections.incoming$.subscribe(incoming => offers.push(incoming))
    signal$.next({ type: 'bye', session: 's', from: 'bob-key', to: 'alice-key', payload: { reason: '' } })
    signal$.next(offer)
    expect(offers).toEqual([offer])
  })

  it('turns an offer away in words, whether or not they arrive', () => {
    for (const ack$ of [NEVER, throwError(() => new LighthouseError('hub-unreachable', 'away'))] as const) {
      const { connections, sent } = world({ ack$ })
      connections.refuse(offer, 'this peer shares nothing')
      const envelope = { session: 's', from: 'alice-key', to: 'bob-key' }
      expect(sent).toEqual([{ ...envelope, type: 'bye', payload: { reason: 'this peer shares nothing' } }])
    }
  })

  it('answers and refuses nothing while it is not signed in, and gives up a key after the patience for a sign-in', () => {
    const { connections, sent, pending, advance } = world({ signedIn: false })
    const ends: unknown[] = []
    const observer = { complete: () => ends.push('completed'), error: (error: unknown) => ends.push(error) }
    connections.refuse(offer, 'no')
    connections.answer$(offer).subscribe(observer)
    connections.keyOf$('bob').subscribe(observer)
    advance(1_500)
    expect(sent).toEqual([])
    expect(ends).toEqual(['completed', expect.objectContaining({ code: 'hub-unreachable' })])
    expect(pending()).toBe(0)
  })

  it('asks the hub whether it has a peer, by a goodbye that concerns no session, and knows nothing where that fails', () => {
    const error = (code: SignalRefusal): SignalAck => ({ error: { code, message: '' } })
    const cases: readonly (readonly [Observable<SignalAck>, readonly unknown[]])[] = [
      [of({ delivered: true }), [true, 'complete']],
      [of(error('offline')), [false, 'complete']],
      [of(error('rate-limited')), [true, 'complete']],
      [throwError(() => new LighthouseError('hub-unreachable', 'away')), ['complete']],
    ]
    for (const [ack$, expected] of cases) {
      const { connections, sent } = world({ ack$ })
      const heard: unknown[] = []
      connections.isOnline$('bob-key').subscribe({
        next: isOnline => heard.push(isOnline),
        complete: () => heard.push('complete'),
      })
      expect(heard).toEqual(expected)
      expect(sent).toEqual([
        {
          type: 'bye',
          session: expect.stringMatching(/^.{20,}$/),
          from: 'alice-key',
          to: 'bob-key',
          payload: { reason: '' },
        },
      ])
    }
  })

  it('looks a key up through the hub to which it is signed in, and offers there', () => {
    const { connections, pending } = world()
    const keys: string[] = []
    connections.keyOf$('bob').subscribe(key => keys.push(key))
    expect(keys).toEqual(['bob-key'])
    const states: string[] = []
    const subscription = connections.offer$('bob').subscribe(({ type }) => states.push(type))
    expect(states.slice(0, 2)).toEqual(['resolving', 'offering'])
    subscription.unsubscribe()
    expect(pending()).toBe(0)
  })
})
