import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { toBase64 } from '../../../src/protocol/base64.js'
import {
  formatInvitation,
  type Invitation,
  isInvitation,
  maxInvitationLength,
  parseInvitation,
  shortHub,
} from '../../../src/protocol/peer/invitation.js'
import { newKeys } from '../../support/ledger.js'

const { sha256, generateKeyPair } = nodeCrypto
const [hubKey, pubKey] = [newKeys().pubKey, newKeys().pubKey]
const example: Invitation = { hub: 'hub.example:3000', hubKey, nickname: 'alice', pubKey, code: undefined }
const code = 'q83vEjRWeJCrze8SNFZ4kA'

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}[a-z0-9]$/).filter(text => !text.startsWith('xn--'))
const hub = fc.oneof(
  fc.domain({ size: 'small' }).filter(text => text.length < 60),
  fc.integer({ min: 1, max: 65_535 }).map(port => `http://192.168.0.1:${port}`),
  fc.constantFrom('127.0.0.1:3000', '[::1]:3000', 'https://localhost', 'http://10.0.0.1', 'https://192.168.1.2:8443'),
)
const key = fc.constantFrom(...Array.from({ length: 20 }, () => generateKeyPair().pubKey))
const invitation = fc
  .record({
    hub,
    hubKey: key,
    nickname: name,
    pubKey: key,
    code: fc.option(fc.stringMatching(/^[\w-]{22}$/), { nil: undefined }),
  })
  .filter(each => each.hubKey !== each.pubKey)

/** A link over these bytes, whose check is right. */
function sealed(body: Uint8Array): string {
  const url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  const check = Buffer.from(sha256(`lighthouse://join/${url(body)}`), 'base64').subarray(0, 4)
  return `lighthouse://join/${url(Buffer.concat([body, check]))}`
}

const bytesOf = (text: string): Buffer => Buffer.from(text.slice('lighthouse://join/'.length), 'base64url')
const refusal = (words: RegExp): object =>
  expect.objectContaining({ code: 'invalid-option', message: expect.stringMatching(words) })
const damaged = refusal(/damaged or not whole\. Copy all of it/)

describe('an invitation', () => {
  it('is a link, and the link is the invitation again, also pasted with spaces and line breaks', () => {
    fc.assert(
      fc.property(invitation, fc.array(fc.nat(300), { maxLength: 5 }), (made, breaks) => {
        const link = formatInvitation(made, sha256)
        expect(link.length).toBeLessThanOrEqual(maxInvitationLength)
        expect(link).toMatch(/^lighthouse:\/\/join\/[\w-]+$/)
        const pasted = breaks.reduce((text, at) => `${text.slice(0, at)}\n ${text.slice(at)}`, link)
        const read = parseInvitation(pasted, sha256)
        expect(read).toEqual({ ...made, hub: shortHub(made.hub) })
        expect(formatInvitation(read, sha256)).toBe(link)
      }),
    )
  })

  it.each([
    ['hub.example:3000', 'hub.example:3000'],
    ['https://hub.example', 'hub.example'],
    ['https://Hub.example:443/', 'hub.example'],
    ['http://127.0.0.1:3000', '127.0.0.1:3000'],
    ['https://127.0.0.1:3000', 'https://127.0.0.1:3000'],
  ])('says %s as %s', (given, said) => {
    expect(parseInvitation(formatInvitation({ ...example, hub: given }, sha256), sha256).hub).toBe(said)
  })

  it('is small with a code too, so that its QR code is', () => {
    expect(formatInvitation({ ...example, code }, sha256).length).toBeLessThan(180)
  })

  it.each([
    ['a code with a space', { code: 'a b' }, /invitation code/],
    ['an empty code', { code: '' }, /invitation code/],
    ['a hub with a long address', { hub: `https://${'a.'.repeat(90)}example` }, /too long/],
    ['a hub that is none', { hub: 'ftp://hub.example' }, /must start with/],
  ])('is not made with %s', (_name, change, words) => {
    expect(() => formatInvitation({ ...example, ...change }, sha256)).toThrow(refusal(words))
  })
})

describe('what is no invitation', () => {
  const link = formatInvitation({ ...example, code }, sha256)

  it('is known by its beginning', () => {
    expect([link, ` ${link.replace('lighthouse', 'Lighthouse')}`].map(isInvitation)).toEqual([true, true])
    expect(['lighthouse://bob/x', 'join', 'http://hub.example'].map(isInvitation)).toEqual([false, false, false])
    expect(() => parseInvitation('https://hub.example', sha256)).toThrow(refusal(/must begin with lighthouse:\/\/join/))
  })

  it('is refused when anything of it was cut, changed or added', () => {
    fc.assert(
      fc.property(fc.nat(link.length - 19), fc.constantFrom('A', '_', 'z', '', 'AA', '%', '='), (at, other) => {
        const index = at + 18
        const changed = link.slice(0, index) + other + link.slice(index + 1)
        if (changed !== link) expect(() => parseInvitation(changed, sha256)).toThrow(refusal(/damaged|another version/))
        if (at > 0) expect(() => parseInvitation(link.slice(0, index), sha256)).toThrow(damaged)
      }),
    )
    expect(() => parseInvitation('lighthouse://join/', sha256)).toThrow(damaged)
    expect(() => parseInvitation(`${link}AAAA`, sha256)).toThrow(damaged)
  })

  it('is refused with any bytes in it, and never takes long', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 230 }), bytes => {
        expect(() => parseInvitation(sealed(Uint8Array.of(1, ...bytes)), sha256)).toThrow(refusal(/./))
      }),
    )
    expect(() => parseInvitation(`lighthouse://join/${'A'.repeat(10_000_000)}`, sha256)).toThrow(damaged)
  })

  const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value, 'latin1')])
  const raw = (value: string): Buffer => Buffer.from(value, 'base64')
  /** A link that says just this, whatever it is. */
  const saying = (changes: Partial<Invitation>): string => {
    const { code: given = '', ...said } = { ...example, ...changes }
    const parts = [text(said.hub), raw(said.hubKey), text(said.nickname), raw(said.pubKey), text(given)]
    return sealed(Buffer.concat([Buffer.of(1), ...parts]))
  }

  it.each<[string, Partial<Invitation>]>([
    ['a hub across a network in plain text', { hub: 'http://hub.example' }],
    ['a hub with a path', { hub: 'hub.example/x' }],
    ['a hub with a user', { hub: 'alice@hub.example' }],
    ['a hub in another spelling', { hub: 'https://hub.example' }],
    ['a hub in capitals', { hub: 'HUB.example' }],
    ['no hub', { hub: '' }],
    ['a hub with an escape sequence', { hub: '\u001b[2Jhub.example' }],
    ['a nickname that is none', { nickname: '../bob' }],
    ['a nickname that browsers show as another', { nickname: 'xn--bob' }],
    ['a key for which anybody can sign', { pubKey: toBase64(Uint8Array.of(1, ...new Uint8Array(31))) }],
    ['the key of the hub as its own', { pubKey: hubKey }],
    ['a code with a line break', { code: 'a\nb' }],
    ['a code with an escape sequence', { code: '\u001b[2J' }],
  ])('is refused when it says %s, though its check is right', (_name, changes) => {
    expect(parseInvitation(saying({}), sha256)).toEqual(example)
    expect(() => parseInvitation(saying(changes), sha256)).toThrow(refusal(/./))
  })

  it('is refused with the reason when it is of another version', () => {
    const bytes = bytesOf(link).subarray(0, -4)
    bytes[0] = 2
    expect(() => parseInvitation(sealed(bytes), sha256)).toThrow(refusal(/another version of Lighthouse/))
  })
})
