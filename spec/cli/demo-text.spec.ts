import { describe, expect, it } from '@jest/globals'
import { describeChanges } from '../../src/cli/demo/changes.js'
import { demoLinks, demoScreen, pickFile } from '../../src/cli/demo/screen.js'
import { formatTable } from '../../src/cli/format.js'
import type { ConnectionStats, PeerStats } from '../../src/protocol/peer/stats.js'

const idle: PeerStats = {
  nickname: 'alice',
  fingerprint: 'kmnp-4567-89ab-cdef-ghjk-0123',
  hub: { type: 'authenticated' },
  coins: 100_000_000,
  udp: 'open',
  activeResources: 0,
  subscriptions: 0,
  attempts: 0,
  connections: [],
  streams: 0,
  bufferedBytes: 0,
  memory: { rss: 0, heapUsed: 0, external: 0 },
  uptimeMs: 0,
}
const bob: ConnectionStats = {
  session: 'one',
  nickname: 'bob',
  pubKey: 'key',
  fingerprint: '0123-4567-89ab-cdef-ghjk-mnpq',
  role: 'consumer',
  engine: 'node-datachannel',
  tunnelPort: 42_001,
  streams: 1,
  receivedBytes: 0,
  sentBytes: 0,
  receiveRate: 0,
  sendRate: 0,
  bufferedBytes: 0,
  silentSeconds: 0,
  path: 'host',
  roundTripMs: undefined,
}

describe('describeChanges', () => {
  it('is silent at first and while nothing changes', () => {
    expect(describeChanges(undefined, idle)).toEqual([])
    expect(describeChanges(idle, { ...idle, uptimeMs: 9 })).toEqual([])
  })

  it('describes connections, bytes, coins and the hub', () => {
    const open = { ...idle, connections: [bob] }
    const moving = { ...open, connections: [{ ...bob, receivedBytes: 2_000_000, receiveRate: 1_000_000 }] }
    expect(describeChanges(idle, open)).toEqual(['connected to bob (path: host)'])
    expect(describeChanges(open, moving)).toEqual(['bob: 2.0 MB received, 1.0 MB/s, 1 stream'])
    expect(describeChanges(moving, idle)).toEqual(['the connection to bob is closed'])
    expect(describeChanges(idle, { ...idle, coins: 98_000_000 })).toEqual(['coins: 98.000000'])
    expect(describeChanges(idle, { ...idle, hub: { type: 'connecting', attempt: 2 } })).toEqual([
      'the hub is connecting',
    ])
  })
})

describe('the screen', () => {
  const addresses = { hub: 'http://127.0.0.1:3000', alice: 'http://127.0.0.1:42000/', bob: 'http://127.0.0.1:42100/' }

  it('shows what to open', () => {
    const text = demoScreen({ ...addresses, file: 'Test film.mp4' }, line => line)
    expect(text).toContain('http://127.0.0.1:42000/\n')
    expect(text).toContain('http://127.0.0.1:42000/proxy/bob/\n')
    expect(text).toContain('mpv http://127.0.0.1:42000/proxy/bob/Test%20film.mp4\n')
    expect(text).toContain('curl -L -O http://127.0.0.1:42000/proxy/bob/Test%20film.mp4\n')
  })

  it('does without a film', () => {
    expect(demoScreen({ ...addresses, file: undefined }, line => line)).not.toContain('mpv')
    expect(demoLinks({ ...addresses, file: undefined }).film).toBeUndefined()
  })

  it('prefers a film to other files', () => {
    expect(pickFile(['a.txt', 'z.MP4', '.hidden.mp4'])).toBe('z.MP4')
    expect(pickFile(['b.txt', 'a.txt'])).toBe('a.txt')
    expect(pickFile([])).toBeUndefined()
  })
})

describe('formatting', () => {
  it('aligns columns', () => {
    expect(
      formatTable([
        ['a', 'bbb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toBe('a    bbb  c\naaa  b')
  })
})
