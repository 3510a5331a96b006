import { describe, expect, it } from '@jest/globals'
import { from, lastValueFrom, Subject, toArray } from 'rxjs'
import { LighthouseError } from '../../src/protocol/errors.js'
import type { ConnectionStats } from '../../src/protocol/peer/stats.js'
import { type PeerReport, type PeerState, peerState$ } from '../../src/streams/peer-state.js'
import { deepFreeze } from '../support/freeze.js'

const stats = (session: string, streams = 0): ConnectionStats => ({
  session,
  nickname: 'bob',
  pubKey: 'key',
  role: 'consumer',
  engine: 'node-datachannel',
  tunnelPort: 42_001,
  streams,
  receivedBytes: 0,
  sentBytes: 0,
  receiveRate: 0,
  sendRate: 0,
  bufferedBytes: 0,
  silentSeconds: 0,
  path: 'unknown',
  roundTripMs: undefined,
})
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
      { type: 'coins', bytes: 7 },
      { type: 'coins', bytes: 5 },
      { type: 'session', session: undefined },
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
    const running: PeerReport[] = [begun, { type: 'tunnel', tunnel }, { type: 'stats', stats: stats('s', 2) }]
    expect(await after(...running)).toMatchObject({ attempts: new Set(), connections: new Map([['s', stats('s', 2)]]) })
    const over = await after(...running, { type: 'ended', nickname: 'bob', session: 's', tunnel: undefined, reason })
    expect([over.attempts.size, over.connections.size]).toEqual([0, 0])
  })

  it('forgets an attempt that failed, and no connection of another session', async () => {
    const state = await after(
      { type: 'stats', stats: stats('other') },
      { type: 'attempt', nickname: 'eve' },
      { type: 'ended', nickname: 'eve', session: undefined, tunnel: undefined, reason },
      { type: 'ended', pubKey: 'key', session: 'unknown', reason },
    )
    expect([state.attempts.size, [...state.connections.keys()]]).toEqual([0, ['other']])
  })

  it('changes no state that it gave away', () => {
    const report$ = new Subject<PeerReport>()
    const states: PeerState[] = []
    const subscription = peerState$(report$).subscribe(state => states.push(deepFreeze(state)))
    report$.next({ type: 'attempt', nickname: 'bob' })
    report$.next({ type: 'stats', stats: stats('s') })
    report$.next({ type: 'ended', nickname: 'bob', session: 's', tunnel: undefined, reason })
    expect(states.map(({ connections }) => connections.size)).toEqual([0, 0, 1, 0])
    subscription.unsubscribe()
    expect(report$.observed).toBe(false)
  })
})
