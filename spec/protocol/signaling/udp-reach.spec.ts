import { describe, expect, it } from '@jest/globals'
import { needsTcpRelay, reachOf, udpServers } from '../../../src/protocol/signaling/udp-reach.js'

const stun = { urls: 'stun:stun.example' }
const relay = (...urls: readonly string[]) => ({ urls, username: 'u', credential: 'c' })
const udp = 'turn:turn.example?transport=udp'
const tcp = 'turn:turn.example?transport=tcp'
const tls = 'turns:turn.example'

describe('whether UDP gets through', () => {
  it('is asked of STUN and TURN servers over UDP', () => {
    expect(udpServers([stun, relay(udp, tcp, tls), { urls: 'stuns:stun.example' }]).map(({ host }) => host)).toEqual([
      'stun.example',
      'turn.example',
    ])
  })

  it.each([
    [[], 'unknown'],
    [[false], 'blocked'],
    [[false, false], 'blocked'],
    [[false, true], 'open'],
    [[true], 'open'],
  ])('follows from who answered: %j', (answered, reach) => {
    expect(reachOf(answered)).toBe(reach)
  })

  it.each([
    ['no server at all', [], false, false],
    ['STUN alone', [stun], false, false],
    ['TURN over UDP', [stun, relay(udp)], false, false],
    ['TURN over UDP and TCP', [stun, relay(udp, tcp)], true, false],
    ['TURN over TLS beside STUN', [stun, relay(tls)], true, true],
    ['TURN over TCP in a list of its own', [relay(udp), relay(tcp)], true, false],
  ])('decides on a relay over TCP with %s', (_what, servers, whenBlocked, whenRelayedOnly) => {
    expect(needsTcpRelay(servers, { relayOnly: false, udp: 'blocked' })).toBe(whenBlocked)
    expect(needsTcpRelay(servers, { relayOnly: true, udp: 'open' })).toBe(whenRelayedOnly)
    for (const reach of ['open', 'unknown'] as const) {
      expect(needsTcpRelay(servers, { relayOnly: false, udp: reach })).toBe(false)
    }
  })
})
