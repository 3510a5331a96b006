import { describe, expect, it } from '@jest/globals'
import { AnswerAllowance } from '../../../../src/hub/protocol/limits/answer-allowance.js'

describe('AnswerAllowance', () => {
  const reply = (session: string, to = 'offerer', type = 'candidate') => ({ type, session, to })

  it('allows 64 replies to each offer, to who made it, and no offers', () => {
    const answers = new AnswerAllowance()
    answers.offered({ session: 'one', from: 'offerer' })
    expect(answers.take(reply('one', 'offerer', 'offer'))).toBe(false)
    expect(answers.take(reply('one', 'somebody'))).toBe(false)
    expect(answers.take(reply('other'))).toBe(false)
    for (let count = 0; count < 64; count += 1) expect(answers.take(reply('one'))).toBe(true)
    expect(answers.take(reply('one'))).toBe(false)
    // The same offer once more allows nothing more.
    answers.offered({ session: 'one', from: 'offerer' })
    expect(answers.take(reply('one'))).toBe(false)
  })

  it('makes nothing of what is no signal', () => {
    const answers = new AnswerAllowance()
    for (const nonsense of [undefined, null, 7, 'x', [], { session: 7 }, { session: {}, to: 'x' }]) {
      expect(answers.take(nonsense)).toBe(false)
      answers.offered(Object(nonsense) as object)
    }
  })

  it('remembers a thousand offers', () => {
    const answers = new AnswerAllowance()
    for (let offer = 0; offer < 1_001; offer += 1) answers.offered({ session: String(offer), from: 'offerer' })
    expect([answers.take(reply('0')), answers.take(reply('1')), answers.take(reply('1000'))]).toEqual([
      false,
      true,
      true,
    ])
  })
})
