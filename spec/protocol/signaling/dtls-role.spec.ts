import { describe, expect, it } from '@jest/globals'
import { decideDtlsRole, withAddresses } from '../../../src/protocol/signaling/dtls-role.js'

const offer =
  'v=0\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=setup:actpass\r\n'
const docker = '172.17.0.1'

describe('decideDtlsRole', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['one machine', ['192.168.1.2', docker], [docker, '192.168.1.2']],
    ['a machine without a network', [], []],
    ['one network', ['192.168.1.2'], ['192.168.1.3', docker]],
    ['one network of IPv6', ['2001:db8:1:2::5'], ['2001:db8:1:2:aaaa::1']],
    ['a server with a public address', ['10.0.0.1'], ['198.51.100.7']],
  ])('leaves the begin to the side that answers on %s', (_where, theirs, own) => {
    expect(decideDtlsRole(withAddresses(offer, theirs), own)).toBe(offer)
  })

  it.each<[string, readonly string[], readonly string[]]>([
    ['two homes', ['192.168.1.2'], ['192.168.2.3']],
    ['two homes with the same network of containers', ['192.168.1.2', docker], ['192.168.2.3', docker]],
    ['two homes with public IPv6 addresses', ['2001:db8:1:2::5'], ['2001:db8:1:3::5']],
    ['link-local addresses', ['fe80::1'], ['fe80::2']],
    ['a relay', [], ['192.168.2.3']],
    ['addresses that are none', ['x', '192.168.2', ''], ['192.168.2.3']],
  ])('has the side begin that offers, for %s', (_where, theirs, own) => {
    expect(decideDtlsRole(withAddresses(offer, theirs), own)).toBe(offer.replace('actpass', 'active'))
  })

  it('leaves an offer as it is that names no addresses', () => {
    expect(decideDtlsRole(offer, ['192.168.2.3'])).toBe(offer)
  })
})
