import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { formatCoins, parseCoins } from '../../src/protocol/coins/amount.js'
import { canonicalJson, isShallow, type Json } from '../../src/protocol/json.js'
import {
  authText,
  descriptionText,
  headText,
  hubChallengeText,
  receiptText,
  registerText,
  settledText,
} from '../../src/protocol/signaling/signed-texts.js'

describe('coins', () => {
  it.each([
    [0, '0.000000'],
    [1, '0.000001'],
    [61_947_635, '61.947635'],
    [100_000_000, '100.000000'],
    [-1_500_000, '-1.500000'],
    [Number.MAX_SAFE_INTEGER, '9007199254.740991'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatCoins(bytes)).toBe(text)
  })

  it('are read back exactly, whatever the amount', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), bytes => {
        expect(parseCoins(formatCoins(bytes))).toBe(bytes)
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    ['7', 7_000_000],
    ['0.5', 500_000],
    [' 1.25\n', 1_250_000],
  ])('%j is read as %i', (text, bytes) => {
    expect(parseCoins(text)).toBe(bytes)
  })

  it.each([
    '',
    '.',
    '1.',
    '.5',
    '-1',
    '+1',
    '1e3',
    '1,5',
    '0x10',
    '1.0000001',
    '9007199254.740992',
    '99999999999',
    '١',
    'NaN',
  ])('%j is no amount', text => {
    expect(parseCoins(text)).toBeUndefined()
  })
})

describe('canonical JSON', () => {
  it('writes the example of RFC 8785, section 3.2.2', () => {
    const value: Json = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('sorts by UTF-16 code units, as in RFC 8785, section 3.2.3', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    expect(canonicalJson(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}')
  })

  it('is what JSON reads back, the same again, and blind to the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const text = canonicalJson(value)
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return
        expect(canonicalJson(Object.fromEntries(Object.entries(value).toReversed()) as Json)).toBe(text)
      }),
    )
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}')
  })

  it('is never reached by depth: the check stops at its limit', () => {
    let deep: Json = 1
    for (let level = 0; level < 65_536; level++) deep = [deep]
    expect(isShallow(deep, 4)).toBe(false)
    expect([isShallow({ a: [{ b: [] }] }, 4), isShallow({ a: [{ b: [] }] }, 3), isShallow('x', 0)]).toEqual([
      true,
      false,
      true,
    ])
  })
})

describe('signed texts', () => {
  it('start with their purpose and version, as the protocol writes them', () => {
    const fields = { hubKey: 'H', session: 'S', from: 'F', to: 'T', payloadDigest: 'D' }
    // Not in the order in which they are signed.
    const receipt = { bytes: 7, consumer: 'C', seeder: 'P', session: 'S', hub_key: 'H' }
    const settlement = { hash: 'X', seq: 9, coins: '61.947635', bytes: 7, session: 'S' }
    expect([
      registerText('bob', 'K'),
      hubChallengeText('C', 'K'),
      authText('H', 'C'),
      descriptionText('offer', fields),
      descriptionText('answer', fields),
      headText(7, 'X'),
      receiptText(receipt),
      settledText(settlement),
    ]).toEqual([
      'lighthouse/register/1\nbob\nK',
      'lighthouse/hub/1\nC\nK',
      'lighthouse/auth/1\nH\nC',
      'lighthouse/offer/1\nH\nS\nF\nT\nD',
      'lighthouse/answer/1\nH\nS\nF\nT\nD',
      'lighthouse/head/1\n7\nX',
      'lighthouse/receipt/1\nH\nS\nP\nC\n7',
      'lighthouse/settled/1\nS\n7\n61.947635\n9\nX',
    ])
  })
})
