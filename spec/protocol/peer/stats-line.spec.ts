import { describe, expect, it } from '@jest/globals'
import { statsLine } from '../../../src/protocol/peer/stats-line.js'
import { link, someStats } from '../../support/proxy-fixture.node.js'

describe('statsLine', () => {
  it('sums the connections into one line', () => {
    const line = statsLine({ ...someStats, connections: [link, { ...link, receivedBytes: 2, receiveRate: 0.6 }] })
    expect(line).toBe(
      'nickname=alice hub=authenticated coins=61.947635 udp=open connections=2 attempts=0 streams=2 subscriptions=3 resources=7 ' +
        'receivedBytes=12345680 sentBytes=8642 receiveRate=2500001 sendRate=2400 bufferedBytes=0 rss=80000000 uptimeMs=3725000',
    )
  })

  it('says so when the coins are not known', () => {
    expect(statsLine({ ...someStats, coins: undefined })).toContain(' coins=unknown ')
  })
})
