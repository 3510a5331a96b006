import { describe, expect, it } from '@jest/globals'
import type { AddressScope } from '../../../src/protocol/signaling/address-scope.js'
import { passCandidate, passDescription } from '../../../src/protocol/signaling/candidate-gate.js'

const at = (address: string, port: number | string = 50_000, more = ''): string =>
  `candidate:1 1 udp 2122260223 ${address} ${port} typ host${more}`

describe('passCandidate', () => {
  it.each([
    // As the implementations write them: wrtc, node-datachannel, Firefox, and one from a TURN server.
    'candidate:3077952869 1 udp 2122265343 fd00::2 47400 typ host generation 0 ufrag 8VcR network-id 2',
    'candidate:1 1 UDP 2114977791 192.0.2.2 50519 typ host',
    'candidate:0 1 UDP 2122252543 192.168.1.7 51234 typ host',
    'candidate:842163049 1 udp 1677729535 203.0.113.9 41000 typ srflx raddr 192.168.1.7 rport 51234 generation 0 ufrag x',
    'candidate:2 1 udp 41885439 198.51.100.4 49152 typ relay raddr 203.0.113.9 rport 41000',
  ])('lets pass: %s', candidate => {
    for (const hub of ['public', 'private', 'loopback'] as const) expect(passCandidate(candidate, hub)).toBe(candidate)
    expect(passCandidate(`a=${candidate}`, 'public')).toBe(candidate)
  })

  it.each<[string, string]>([
    ['loopback', at('127.0.0.1')],
    ['loopback, elsewhere in its network', at('127.8.9.1')],
    ['loopback, IPv6', at('::1')],
    ['loopback, mapped', at('::ffff:127.0.0.1')],
    ['loopback, mapped and in hex', at('::ffff:7f00:1')],
    ['link-local', at('169.254.169.254')],
    ['link-local, IPv6', at('fe80::1')],
    ['multicast', at('224.0.0.251', 5353)],
    ['multicast, IPv6', at('ff02::fb', 5353)],
    ['broadcast', at('255.255.255.255')],
    ['unspecified', at('0.0.0.0')],
    ['unspecified, IPv6', at('::')],
    ['a name', at('router.example')],
    ['a name of mDNS', at('0f2a7ad2-5d0c-4e0f-9d5e-0a7c2f1b3c4d.local')],
    ['loopback as only some libraries read it', at('0177.0.0.1')],
    ['port 0', at('203.0.113.9', 0)],
    ['the port of another service', at('203.0.113.9', 53)],
    ['a web server inside a network', at('192.168.1.1', 443)],
    ['a port that is none', at('203.0.113.9', 65_536)],
    ['TCP', 'candidate:1 1 tcp 1518280447 203.0.113.9 9 typ host tcptype active'],
    ['TCP that others may connect to', 'candidate:1 1 tcp 1518280447 203.0.113.9 8080 typ host tcptype passive'],
    ['a second component', 'candidate:1 2 udp 1 203.0.113.9 50000 typ host'],
    ['no type', 'candidate:1 1 udp 1 203.0.113.9 50000'],
    ['half an extension', at('203.0.113.9', 50_000, ' generation')],
    ['a second line', `${at('203.0.113.9')}\r\na=${at('127.0.0.1')}`],
    ['a tab', at('203.0.113.9\t')],
    ['nothing', ''],
    ['something else', 'candidate:nonsense'],
  ])('drops %s', (_name, candidate) => {
    expect(passCandidate(candidate, 'public')).toBeUndefined()
  })

  it('takes loopback and link-local ones where the hub is reached by one', () => {
    const passing = (hub: AddressScope): boolean[] =>
      [at('127.0.0.1'), at('::1'), at('169.254.7.7'), at('fe80::7')].map(text => passCandidate(text, hub) !== undefined)
    expect(passing('loopback')).toEqual([true, true, false, false])
    expect(passing('link-local')).toEqual([false, false, true, true])
    expect(passing('private')).toEqual([false, false, false, false])
  })

  it('takes the ports of the web on public addresses', () => {
    for (const port of [80, 443]) expect(passCandidate(at('203.0.113.9', port), 'public')).toBeDefined()
  })
})

describe('passDescription', () => {
  const sdp = (...lines: string[]): string =>
    ['v=0', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', ...lines, ''].join('\r\n')

  it('leaves what names no address as it is', () => {
    const plain = sdp('c=IN IP4 0.0.0.0', 'a=rtcp-mux', 'a=mid:0', 'a=fingerprint:sha-256 AA:BB', 'a=end-of-candidates')
    expect(passDescription(plain, 'public', 40)).toEqual({ sdp: plain, candidates: 0 })
    expect(passDescription('no line break', 'public', 40).sdp).toBe('no line break')
  })

  it('takes out addresses wherever they stand', () => {
    const hostile = sdp(
      'c=IN IP4 127.0.0.1',
      'a=rtcp:9 IN IP4 127.0.0.1',
      'a=remote-candidates:1 127.0.0.1 80',
      `a=${at('127.0.0.1')}`,
      ` a=${at('203.0.113.9')}`,
      `a=x\ra=${at('127.0.0.1')}`,
      `a=${at('203.0.113.9')}`,
    )
    expect(passDescription(hostile, 'public', 40)).toEqual({
      sdp: sdp('c=IN IP4 0.0.0.0', 'a=x', `a=${at('203.0.113.9')}`),
      candidates: 1,
    })
  })

  it('keeps the first ones of too many', () => {
    const many = sdp(...Array.from({ length: 100 }, (_, index) => `a=${at(`203.0.113.${index}`)}`))
    const passed = passDescription(many, 'public', 3)
    expect(passed).toEqual({ sdp: sdp(...[0, 1, 2].map(index => `a=${at(`203.0.113.${index}`)}`)), candidates: 3 })
  })
})
