import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { assertNickname, isNickname, nicknameFlaw } from '../../../src/protocol/peer/nickname.js'

const inner = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-')

/** Text that is a nickname or nearly one. */
const nearly = fc.array(fc.oneof({ weight: 9, arbitrary: inner }, fc.constantFrom(...'AZ_. \n/é')), { maxLength: 70 })

describe('a nickname', () => {
  it.each(['a', 'bob', 'bob2', 'b-b', 'a--b', 'a1', 'r2-d2', 'x-n--a', 'xn-a', 'z'.repeat(63), `a${'-'.repeat(61)}9`])(
    'may be %s',
    text => {
      expect(nicknameFlaw(text)).toBeUndefined()
    },
  )

  it.each([
    ...['', 'Bob', 'boB', '2bob', '-bob', 'bob-', '-', '7', 'b_b', 'b.b', 'b b', 'bob\n', ' bob', 'bób', 'воb'],
    ...['../bob', 'bob/', 'z'.repeat(64), `a${'-'.repeat(62)}`],
  ])('may not be %j', text => {
    expect(nicknameFlaw(text)).toMatch(/^must be letters a to z, digits and hyphens, at most 63/)
  })

  it.each(['xn--a', 'xn--bcher-kva', 'xn--80ak6aa92e'])('may not be %s, which browsers show as another', text => {
    expect(nicknameFlaw(text)).toMatch(/^must not begin with "xn--"/)
    expect(() => assertNickname(text)).toThrow(/is not a nickname: it must not begin with/)
  })

  it('may not be join, with which invitations begin', () => {
    expect(nicknameFlaw('join')).toMatch(/^must not be "join"/)
    expect(isNickname('joins')).toBe(true)
  })

  it('is a label of a host name that programs keep as it is', () => {
    fc.assert(
      fc.property(nearly, characters => {
        const text = characters.join('')
        const is = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text) && !text.startsWith('xn--') && text !== 'join'
        expect(isNickname(text)).toBe(is)
        if (is) expect(new URL(`http://${text}.localhost:42001/`).host).toBe(`${text}.localhost:42001`)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is cut short in the message that refuses it', () => {
    expect(() => assertNickname('é'.repeat(1_000))).toThrow(/^"é{80}" is not a nickname: it must be letters/)
  })
})
