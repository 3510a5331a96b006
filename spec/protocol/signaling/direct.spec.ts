import { describe, expect, it } from '@jest/globals'
import { isRelayed, stunServers, withoutRelayed } from '../../../src/protocol/signaling/direct.js'

const host = 'candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host'
const relay = 'candidate:3 1 UDP 1 203.0.113.1 50001 TYP RELAY raddr 192.0.2.1 rport 50000'

describe('a connection without a relay', () => {
  it('has no address of one, alone or in a description', () => {
    expect([isRelayed(host), isRelayed(relay)]).toEqual([false, true])
    const lines = ['v=0', 's=- typ relay', `a=${relay}`, `a=${host}`, 'a=end-of-candidates', '']
    expect(withoutRelayed(lines.join('\r\n')).split('\r\n')).toEqual(lines.filter(line => line !== `a=${relay}`))
  })

  it('asks servers of either kind for its own address, over UDP and each once', () => {
    const servers = [
      { urls: 'stun:a.example' },
      { urls: ['turn:a.example?transport=udp', 'turn:b.example:443?transport=tcp', 'turns:b.example'], username: 'u' },
      { urls: 'turn:[2001:db8::1]:3479', credential: 'c' },
    ]
    expect(stunServers(servers)).toEqual([{ urls: 'stun:a.example:3478' }, { urls: 'stun:[2001:db8::1]:3479' }])
  })
})
