import { describe, expect, it } from '@jest/globals'
import { fingerprintOf, nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { CarryStats, PeerStats } from '../../../src/protocol/peer/stats.js'
import { initialPeerState } from '../../../src/streams/peer/peer-state.js'
import { createPeerStats$ } from '../../../src/streams/peer/peer-stats.js'
import { connectionStats } from '../support/connection-stats.js'
import { virtualTime } from '../support/virtual-time.js'

const connection = (session: string, streams: number): CarryStats => ({
  ...connectionStats(session, streams),
  bufferedBytes: 100,
})

describe('createPeerStats$', () => {
  it('emits figures at once and every second, only while somebody watches, and stops its timer', () => {
    const { clock, scheduler, advance, pending } = virtualTime()
    let taken = 0
    let state = initialPeerState
    const seen: PeerStats[] = []
    const stats$ = createPeerStats$({
      identity: { nickname: 'alice', fingerprint: 'of alice' },
      crypto: nodeCrypto,
      state: () => state,
      figures: () => ({ activeResources: ++taken, memory: { rss: 1, heapUsed: 1, external: 1 } }),
      subscriptions: () => 4,
      clock,
      scheduler,
    })
    advance(5_000)
    expect([taken, pending()]).toEqual([0, 0])
    const subscription = stats$.subscribe(stats => seen.push(stats))
    advance(0)
    state = { ...state, coins: 9, attempts: new Set(['bob']), connections: new Map() }
    const connections = [connection('one', 2), connection('two', 3)]
    state = { ...state, connections: new Map(connections.map(stats => [stats.session, stats])) }
    advance(1_000)
    subscription.unsubscribe()
    expect(seen.map(({ uptimeMs, activeResources }) => [uptimeMs, activeResources])).toEqual([
      [5_000, 1],
      [6_000, 2],
    ])
    expect(seen[0]).toMatchObject({ hub: { type: 'connecting' }, coins: undefined, connections: [], streams: 0 })
    expect(seen[1]).toMatchObject({
      nickname: 'alice',
      fingerprint: 'of alice',
      coins: 9,
      subscriptions: 4,
      attempts: 1,
      connections: connections.map(each => ({ ...each, fingerprint: fingerprintOf(each.pubKey) })),
      streams: 5,
      bufferedBytes: 200,
    })
    expect(pending()).toBe(0)
  })
})
