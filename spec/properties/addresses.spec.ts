import { BlockList, isIP } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { addressScope, type AddressScope, hostScope } from '../../src/protocol/signaling/address-scope.js'
import { maxRemoteCandidates, passCandidate, passDescription } from '../../src/protocol/signaling/candidate-gate.js'
import { maxIceServers, parseIceServers } from '../../src/protocol/signaling/ice-servers.js'
import { parseIceUrl } from '../../src/protocol/signaling/ice-url.js'

/** Node's own idea of what lies in which network, the first that fits. */
const networks: readonly (readonly [AddressScope, BlockList])[] = (
  [
    ['loopback', ['127.0.0.0/8', '::1/128']],
    ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10', '64:ff9b:1::/48']],
    ['link-local', ['169.254.0.0/16', 'fe80::/10']],
    ['shared', ['100.64.0.0/10']],
    ['unusable', ['0.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4', 'ff00::/8', '::/96']],
  ] as const
).map(([scope, ranges]) => {
  const list = new BlockList()
  for (const range of ranges) {
    const [address, bits] = range.split('/') as [string, string]
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return [scope, list]
})

function expectedScope(address: string, family: 'ipv4' | 'ipv6'): AddressScope {
  return networks.find(([, list]) => list.check(address, family))?.[0] ?? 'public'
}

const octet = fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 100, 127, 168, 169, 172, 192, 224, 255))
const v4 = fc.tuple(octet, octet, octet, octet).map(octets => octets.join('.'))
/** Not those that hold an IPv4 address, which Node's list takes for what they are. */
const plainGroups = fc
  .tuple(
    fc.oneof(fc.nat(0xffff), fc.constantFrom(0xfe80, 0xfebf, 0xfec0, 0xfc00, 0xfdff, 0xff02, 0x2001)),
    ...Array.from({ length: 7 }, () => fc.oneof(fc.nat(0xffff), fc.constant(0))),
  )
  .filter(([first]) => first !== 0 && first !== 0x64 && first !== 0x2002)
/** Every way to write the same address: capitals, leading zeros, one run of zeros left out, the end as IPv4. */
const written = (groups: readonly number[]): fc.Arbitrary<string> =>
  fc.record({ capital: fc.boolean(), long: fc.boolean(), at: fc.nat(7), v4End: fc.boolean() }).map(style => {
    const texts = groups.map(group => group.toString(16).padStart(style.long ? 4 : 1, '0'))
    const [high = 0, low = 0] = groups.slice(6)
    const end = `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
    const parts = style.v4End ? [...texts.slice(0, 6), end] : texts
    let until = style.at
    while (until < Math.min(6, parts.length) && groups[until] === 0) until++
    const text =
      until > style.at ? `${parts.slice(0, style.at).join(':')}::${parts.slice(until).join(':')}` : parts.join(':')
    return style.capital ? text.toUpperCase() : text
  })
const v6 = plainGroups.chain(written)

const hub = fc.constantFrom<AddressScope>('public', 'private', 'loopback', 'link-local', 'shared')
const junk = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    'localhost',
    'a.local',
    '0177.0.0.1',
    '127.1',
    '0x7f.1',
    '2130706433',
    '1.2.3.4.5',
    '::ffff',
    '1::2::3',
  ),
  fc.constantFrom('fe80::1%eth0', '[::1]', '::1\r', '127.0.0.1 ', ' 10.0.0.1', '١٢٧.0.0.1', '', ':', ':::'),
)
const address = fc.oneof(v4, v6, junk)
const port = fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.constantFrom(0, 22, 53, 80, 443, 1023, 1024, 65_535))
const candidate = fc
  .record({
    address,
    port,
    transport: fc.constantFrom('udp', 'UDP', 'tcp', 'ssltcp'),
    component: fc.constantFrom('1', '2'),
    type: fc.constantFrom('host', 'srflx', 'prflx', 'relay', 'evil'),
    rest: fc.constantFrom('', ' generation 0 ufrag a network-id 1', ' raddr 0.0.0.0 rport 9', ' tcptype passive', ' x'),
  })
  .map(
    ({ address: at, port: number, transport, component, type, rest }) =>
      `candidate:1 ${component} ${transport} 2122260223 ${at} ${number} typ ${type}${rest}`,
  )
const line = fc.oneof(
  { weight: 4, arbitrary: candidate.map(text => `a=${text}`) },
  { weight: 1, arbitrary: candidate.map(text => ` A = ${text}`) },
  { weight: 1, arbitrary: candidate.map(text => `a=x\ra=${text}`) },
  { weight: 1, arbitrary: address.map(text => `c=IN IP4 ${text}`) },
  { weight: 1, arbitrary: address.map(text => `a=remote-candidates:1 ${text} 5000`) },
  { weight: 1, arbitrary: fc.constantFrom('v=0', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'a=rtcp-mux') },
)
const description = fc.array(line, { maxLength: 60 }).map(lines => `${lines.join('\r\n')}\r\n`)

function expectPassed(text: string, from: AddressScope): void {
  const [, , transport, , at, number] = text.split(' ') as [string, string, string, string, string, string]
  const scope = addressScope(at)
  expect(isIP(at)).not.toBe(0)
  expect(scope === 'loopback' || scope === 'link-local' ? scope : from).toBe(from)
  expect([undefined, 'unusable']).not.toContain(scope)
  expect([
    transport.toLowerCase(),
    Number(number) >= 1024 || (scope === 'public' && /^(?:80|443)$/.test(number)),
  ]).toEqual(['udp', true])
}

describe('the scope of an address', () => {
  it('is that of the network in which it lies, however it is written', () => {
    fc.assert(
      fc.property(v4, text => {
        expect([text, addressScope(text)]).toEqual([text, expectedScope(text, 'ipv4')])
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(v6, text => {
        expect([text, isIP(text), addressScope(text)]).toEqual([text, 6, expectedScope(text, 'ipv6')])
      }),
      { numRuns: 5000 },
    )
  })

  it('is that of the IPv4 address in an IPv6 one', () => {
    fc.assert(
      fc.property(v4, text => {
        const scope = expectedScope(text, 'ipv4')
        const [a, b, c, d] = text.split('.').map(Number) as [number, number, number, number]
        const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
        for (const mapped of [`::ffff:${text}`, `::FFFF:${hex}`, `0:0:0:0:0:ffff:${text}`]) {
          expect([mapped, addressScope(mapped)]).toEqual([mapped, scope])
        }
        const through = scope === 'public' ? 'public' : 'unusable'
        expect([addressScope(`64:ff9b::${text}`), addressScope(`2002:${hex}::1`)]).toEqual([through, through])
      }),
    )
  })

  it('is none where Node sees no address', () => {
    fc.assert(
      fc.property(junk, text => {
        if (isIP(text) === 0) expect([text, addressScope(text)]).toEqual([text, undefined])
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the gate for addresses', () => {
  it('judges a candidate alike in a description and by itself', () => {
    fc.assert(
      fc.property(candidate, hub, (text, from) => {
        // In a description that is two lines.
        fc.pre(!/[\r\n]/.test(text))
        const passed = passCandidate(text, from)
        const inside = passDescription(`v=0\r\na=${text}\r\na=end-of-candidates\r\n`, from, maxRemoteCandidates)
        const kept = passed === undefined ? [] : [`a=${passed}`]
        expect(inside).toEqual({
          sdp: ['v=0', ...kept, 'a=end-of-candidates', ''].join('\r\n'),
          candidates: kept.length,
        })
        if (passed !== undefined) expectPassed(passed, from)
      }),
      { numRuns: 5000 },
    )
  })

  it('lets no more through than it may, and no address that it would not let through alone', () => {
    fc.assert(
      fc.property(description, hub, fc.nat(maxRemoteCandidates), (sdp, from, most) => {
        const passed = passDescription(sdp, from, most)
        const lines = passed.sdp.split(/[\r\n]+/)
        const candidates = lines.filter(text => /candidate/i.test(text))
        expect(candidates.length).toBe(passed.candidates)
        expect(passed.candidates).toBeLessThanOrEqual(most)
        for (const text of candidates) {
          expect(text.startsWith('a=candidate:')).toBe(true)
          expectPassed(text, from)
        }
        for (const text of lines) if (text.startsWith('c=')) expect(text).toBe('c=IN IP4 0.0.0.0')
        // What passed once passes again as it is.
        expect(passDescription(passed.sdp, from, most)).toEqual(passed)
      }),
      { numRuns: 2000 },
    )
  })

  it('takes at most four ICE servers, none of them nearer than the hub itself', () => {
    const host = fc.oneof(
      v4,
      v6.map(text => `[${text}]`),
      fc.constantFrom('stun.example', 'localhost', 'nas', 'nas.local', 'evil.127.1', 'x.0x7f', '[::ffff:127.0.0.1]'),
    )
    const url = fc
      .tuple(fc.constantFrom('stun', 'turn', 'turns', 'http'), host)
      .map(([scheme, at]) => `${scheme}:${at}`)
    const server = fc.record(
      { urls: fc.oneof(url, fc.array(url, { maxLength: 6 })), username: fc.string(), credential: fc.string() },
      { requiredKeys: ['urls'] },
    )
    const farther: Readonly<Record<AddressScope, readonly AddressScope[]>> = {
      public: ['public'],
      shared: ['public', 'shared'],
      private: ['public', 'shared', 'private', 'link-local'],
      'link-local': ['public', 'shared', 'private', 'link-local'],
      loopback: ['public', 'shared', 'private', 'link-local', 'loopback'],
      unusable: [],
    }
    fc.assert(
      fc.property(fc.array(fc.oneof(server, fc.anything()), { maxLength: 10 }), hub, (value, from) => {
        const servers = parseIceServers(value, from)
        expect(servers.length).toBeLessThanOrEqual(maxIceServers)
        for (const { urls } of servers) {
          for (const text of [urls].flat()) expect(farther[from]).toContain(hostScope(parseIceUrl(text)!.host))
        }
      }),
      { numRuns: 2000 },
    )
  })
})
