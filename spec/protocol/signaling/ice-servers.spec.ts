import { describe, expect, it } from '@jest/globals'
import type { AddressScope } from '../../../src/protocol/signaling/address-scope.js'
import { parseIceServers } from '../../../src/protocol/signaling/ice-servers.js'

const urlsFrom = (hub: AddressScope, ...urls: string[]): unknown =>
  parseIceServers(
    urls.map(url => ({ urls: url })),
    hub,
  ).flatMap(server => server.urls)

describe('the ICE servers of a hub', () => {
  it('are taken with their names and passwords, four at most', () => {
    const turn = { urls: ['turn:turn.example', 'turns:turn.example?transport=tcp'], username: 'u', credential: 'c' }
    expect(parseIceServers([turn, { urls: 'stun:stun.example' }], 'public')).toEqual([
      turn,
      { urls: ['stun:stun.example'] },
    ])
    expect(
      parseIceServers(
        Array.from({ length: 9 }, () => turn),
        'public',
      ),
    ).toHaveLength(4)
  })

  it.each<[AddressScope, readonly string[]]>([
    ['public', ['stun:stun.example', 'stun:203.0.113.1']],
    ['private', ['stun:stun.example', 'stun:203.0.113.1', 'stun:100.64.0.1', 'stun:192.168.1.1', 'turn:nas.local']],
    [
      'loopback',
      [
        'stun:stun.example',
        'stun:203.0.113.1',
        'stun:100.64.0.1',
        'stun:192.168.1.1',
        'turn:nas.local',
        'stun:127.0.0.1',
        'stun:localhost',
      ],
    ],
  ])('of one at a %s address may be at these', (hub, taken) => {
    const all = [
      'stun:stun.example',
      'stun:203.0.113.1',
      'stun:100.64.0.1',
      'stun:192.168.1.1',
      'turn:nas.local',
      'stun:127.0.0.1',
      'stun:localhost',
    ]
    const never = [
      'stun:224.0.0.1',
      'stun:255.255.255.255',
      'stun:0.0.0.0',
      'stun:[::ffff:224.0.0.1]',
      'stun:2130706433',
      'stun:127.1',
    ]
    for (const url of [...all, ...never])
      expect([url, urlsFrom(hub, url)]).toEqual([url, taken.includes(url) ? [url] : []])
  })

  it('lose the addresses that are too near, and stay for the others', () => {
    const server = { urls: ['turn:192.168.1.1', 'turn:turn.example', 'turn:[::1]'], username: 'u', credential: 'c' }
    expect(parseIceServers([server], 'public')).toEqual([{ ...server, urls: ['turn:turn.example'] }])
  })

  it.each<[string, unknown]>([
    ['no list', { urls: 'stun:stun.example' }],
    ['nothing', [null, undefined, 7, 'stun:stun.example', []]],
    ['another scheme', [{ urls: 'http://stun.example/' }]],
    ['a path', [{ urls: 'stun:stun.example/path' }]],
    ['no address', [{ urls: [] }]],
    ['one bad address', [{ urls: ['stun:stun.example', 'evil'] }]],
    ['too many addresses', [{ urls: Array.from({ length: 5 }, () => 'stun:stun.example') }]],
    ['a name without a password', [{ urls: 'turn:turn.example', username: 'u' }]],
    ['a name that breaks lines', [{ urls: 'turn:turn.example', username: 'u\r\n', credential: 'c' }]],
    ['a name without end', [{ urls: 'turn:turn.example', username: 'u'.repeat(513), credential: 'c' }]],
  ])('are not taken from %s', (_name, value) => {
    expect(parseIceServers(value, 'loopback')).toEqual([])
  })
})
