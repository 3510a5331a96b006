import { describe, expect, it } from '@jest/globals'
import {
  judgeMeeting,
  judgeNat,
  judgeTurn,
  type NatKind,
  natKind,
  type Seen,
} from '../../../src/protocol/doctor/nat.js'
import { parseIceUrl } from '../../../src/protocol/signaling/ice-url.js'

const own = ['192.168.1.7', 'fe80::1', '2001:db8::7']
const seenAs = (...addresses: readonly (string | undefined)[]): readonly Seen[] =>
  addresses.map((text, at) => {
    const [, address = '', port] = /^(.*):(\d+)$/.exec(text ?? '') ?? []
    const mapped = text === undefined ? undefined : { address, port: Number(port) }
    const asked = mapped && { address: `198.51.100.${at}`, port: 3478 }
    return { server: parseIceUrl(`stun:stun${at}.example`)!, asked, mapped, ms: 10 }
  })

describe('natKind', () => {
  it.each<[string, readonly (string | undefined)[], NatKind | undefined]>([
    ['nobody to ask', [], undefined],
    ['nobody answers', [undefined, undefined], 'blocked'],
    ["the machine's own address", ['192.168.1.7:5000', '192.168.1.7:5000'], 'none'],
    ['this very machine', ['127.0.0.1:5000'], 'none'],
    ['one address for all', ['203.0.113.9:4000', undefined, '203.0.113.9:4000'], 'cone'],
    ['another port for each', ['203.0.113.9:4000', '203.0.113.9:4001'], 'symmetric'],
    ['another address for each', ['203.0.113.9:4000', '203.0.113.10:4000'], 'symmetric'],
    ['one answer only', ['203.0.113.9:4000', undefined], 'unknown'],
    ['a router for IPv4, none for IPv6', ['203.0.113.9:4000', '2001:db8::7:5000', '203.0.113.9:4000'], 'cone'],
    ['one answer in each family', ['203.0.113.9:4000', '2001:db8::7:5000'], 'unknown'],
  ])('when %s', (_when, addresses, kind) => {
    expect(natKind(seenAs(...addresses), own)).toBe(kind)
  })
})

it('does not take two names of one server for two', () => {
  const [one, two] = seenAs('203.0.113.9:4000', '203.0.113.9:4000') as [Seen, Seen]
  expect(natKind([one, { ...two, asked: one.asked }], own)).toBe('unknown')
})

const usual = { hasTurn: false, isPublicHub: true, relayOnly: false }

describe('what follows for meeting others', () => {
  it('is TURN and nothing else with --relay-only', () => {
    const relayOnly = { ...usual, relayOnly: true }
    expect(judgeMeeting('cone', relayOnly)).toMatchObject({
      status: 'fail',
      detail: expect.stringMatching(/relay-only/),
    })
    expect(judgeMeeting('cone', { ...relayOnly, hasTurn: true }).status).toBe('ok')
  })

  const kinds = [undefined, 'none', 'cone', 'symmetric', 'unknown', 'blocked'] as const
  it.each<[NatKind | undefined, boolean, string, RegExp]>([
    [undefined, false, 'fail', /same network/],
    [undefined, true, 'warn', /TURN only/],
    ['none', true, 'ok', /meet directly/],
    ['none', false, 'warn', /meet directly/],
    ['cone', true, 'ok', /behind routers like this meet directly/],
    ['cone', false, 'warn', /stricter/],
    ['symmetric', true, 'ok', /cannot meet directly, and TURN helps/],
    ['symmetric', false, 'fail', /cannot meet directly, and no TURN server works/],
    ['unknown', true, 'ok', /TURN helps/],
    ['unknown', false, 'warn', /may not/],
    ['blocked', true, 'warn', /TURN only/],
    ['blocked', false, 'fail', /UDP is blocked/],
  ])('%s, with TURN %s: %s', (kind, hasTurn, status, words) => {
    expect(judgeMeeting(kind, { ...usual, hasTurn })).toMatchObject({ status, detail: expect.stringMatching(words) })
  })

  it('is no failure without servers where the hub itself is inside a network', () => {
    expect(judgeMeeting(undefined, { ...usual, isPublicHub: false }).status).toBe('warn')
  })

  it('says what to do wherever something is wrong', () => {
    const all = kinds.flatMap(kind => [true, false].map(hasTurn => judgeMeeting(kind, { ...usual, hasTurn })))
    const wrong = [...all, ...kinds.map(judgeNat)].filter(({ status }) => status === 'fail' || status === 'warn')
    expect(wrong.filter(({ next }) => next?.endsWith('.') !== true)).toEqual([])
  })
})

describe('judgeTurn', () => {
  const server = parseIceUrl('turns:turn.example')!
  it('names the server, and tells credentials from everything else', () => {
    const refused = judgeTurn({ type: 'refused', errorCode: 401, reason: 'Unauthorized' }, server)
    expect(refused.detail).toBe(
      'turn.example:5349 over TLS does not accept the credentials that the hub hands out (refuses: 401 Unauthorized)',
    )
    expect(refused.next).toMatch(/secret/)
    const failures = [
      { type: 'refused', errorCode: 486, reason: '' },
      { type: 'malformed' },
      { type: 'silent' },
      { type: 'no-credentials' },
      { type: 'unreachable', reason: 'ECONNREFUSED' },
    ] as const
    for (const found of failures)
      expect(judgeTurn(found, server)).toMatchObject({ status: 'fail', next: expect.stringMatching(/\.$/) })
    const untrusted = judgeTurn({ type: 'unreachable', reason: 'self-signed certificate' }, server)
    expect(untrusted.next).toMatch(/NODE_EXTRA_CA_CERTS/)
    const relayed = { type: 'relayed', relay: { address: '2001:db8::1', port: 5 } } as const
    expect(judgeTurn(relayed, server)).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/at \[2001:db8::1\]:5$/),
    })
  })
})
