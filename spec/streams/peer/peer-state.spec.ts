import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, from, lastValueFrom, Subject, toArray } from 'rxjs'
import { LighthouseError } from '../../../src/protocol/errors.js'
import {
  initialPeerState,
  type PeerReport,
  type PeerState,
  peerState$,
  viewsOf,
} from '../../../src/streams/peer/peer-state.js'
import { deepFreeze } from '../../support/freeze.js'
import { connectionStats } from '../support/connection-stats.js'

const reason = new LighthouseError('webrtc-failed', 'x')
const tunnel = { nickname: 'bob', host: '127.0.0.1', port: 42_001 } as const

async function after(...reports: readonly PeerReport[]): Promise<PeerState> {
  const states = await lastValueFrom(peerState$(from(reports)).pipe(toArray()))
  expect(states.length).toBe(reports.length + 1)
  return states.at(-1)!
}

describe('peerState$', () => {
  it('begins with a peer that connects to its hub and has nothing', async () => {
    expect(await after()).toEqual({
      hub: { type: 'connecting', attempt: 1 },
      coins: undefined,
      udp: 'unknown',
      attempts: new Set(),
      connections: new Map(),
    })
  })

  it('keeps the newest standing and wallet', async () => {
    const state = await after(
      { type: 'state', state: { type: 'authenticated' } },
      { type: 'balance', bytes: 7 },
      { type: 'balance', bytes: 5 },
      { type: 'hub-connection', hub: undefined },
    )
    expect(state).toMatchObject({ hub: { type: 'authenticated' }, coins: 5 })
  })

  it('keeps the newest answer about UDP while it is asked for again', async () => {
    expect(await after({ type: 'udp', udp: 'asking' })).toMatchObject({ udp: 'unknown' })
    expect(await after({ type: 'udp', udp: 'blocked' }, { type: 'udp', udp: 'asking' })).toMatchObject({
      udp: 'blocked',
    })
  })

  it('moves a peer from the attempts to the connections, and forgets it at its end', async () => {
    const begun: PeerReport = { type: 'attempt', nickname: 'bob' }
    expect((await after(begun)).attempts).toEqual(new Set(['bob']))
    const running: PeerReport[] = [begun, { type: 'tunnel', tunnel }, { type: 'stats', stats: connectionStats('s', 2) }]
    expect(await after(...running)).toMatchObject({
      attempts: new Set(),
      connections: new Map([['s', connectionStats('s', 2)]]),
    })
    const over = await after(...running, { type: 'ended', nickname: 'bob', session: 's', reason })
    expect([over.attempts.size, over.connections.size]).toEqual([0, 0])
  })

  it('forgets an attempt that failed, and no connection of another session', async () => {
    const state = await after(
      { type: 'stats', stats: connectionStats('other') },
      { type: 'attempt', nickname: 'eve' },
      { type: 'ended', nickname: 'eve', session: undefined, reason },
      { type: 'ended', pubKey: 'key', session: 'unknown', reason },
    )
    expect([state.attempts.size, [...state.connections.keys()]]).toEqual([0, ['other']])
  })

  it('changes no state that it gave away', () => {
    const report$ = new Subject<PeerReport>()
    const states: PeerState[] = []
    const subscription = peerState$(report$).subscribe(state => states.push(deepFreeze(state)))
    report$.next({ type: 'attempt', nickname: 'bob' })
    report$.next({ type: 'stats', stats: connectionStats('s') })
    report$.next({ type: 'ended', nickname: 'bob', session: 's', reason })
    expect(states.map(({ connections }) => connections.size)).toEqual([0, 0, 1, 0])
    subscription.unsubscribe()
    expect(report$.observed).toBe(false)
  })
})

describe('viewsOf', () => {
  it('emits each part when it changed, to late subscribers the newest, and completes with the state', () => {
    const state$ = new BehaviorSubject<PeerState>(initialPeerState)
    const views = viewsOf(state$)
    const seen: unknown[] = []
    views.state$.subscribe({ next: ({ type }) => seen.push(type), complete: () => seen.push('over') })
    views.coins$.subscribe(coins => seen.push(coins))
    views.tunnels$.subscribe(tunnels => seen.push(tunnels.map(({ nickname, port }) => [nickname, port])))
    expect(seen.splice(0)).toEqual(['connecting', []])
    state$.next({ ...state$.value, coins: 5 })
    const connections = (streams: number) => new Map([['s', connectionStats('s', streams)]])
    state$.next({ ...state$.value, connections: connections(1) })
    state$.next({ ...state$.value, connections: connections(2) })
    expect(seen.splice(0)).toEqual([5, [['bob', 42_001]]])
    views.coins$.subscribe(coins => seen.push(coins))
    state$.complete()
    expect(seen).toEqual([5, 'over'])
  })
})
