import { describe, expect, it } from '@jest/globals'
import { AnswerAllowance } from '../../../../src/hub/protocol/limits/answer-allowance.js'
import { TargetLimits } from '../../../../src/hub/protocol/limits/target-limits.js'

describe('TargetLimits', () => {
  it('lets floods of several keys use up the upper half and what is their due, and leaves the rest to others', () => {
    const limits = new TargetLimits({ burst: 120, perSecond: 4 })
    const flooders = ['a', 'b', 'c', 'd', 'e', 'f']
    let passed = 0
    for (let round = 0; round < 200; round += 1)
      for (const from of flooders) if (limits.take(from, 'victim', 0)) passed += 1
    expect(passed).toBe(60)
    for (let key = 0; key < 10; key += 1)
      for (let count = 0; count < 6; count += 1) expect(limits.take(`honest${key}`, 'victim', 0)).toBe(true)
    expect(limits.take('late', 'victim', 0)).toBe(false)
    // Who is not flooded has all of its own.
    expect(limits.take('a', 'other', 0)).toBe(true)
  })

  it('serves honest keys for long beside floods that never end', () => {
    const limits = new TargetLimits({ burst: 120, perSecond: 4 })
    let refused = 0
    for (let second = 0; second < 600; second += 1) {
      for (const from of ['a', 'b', 'c', 'd', 'e', 'f'])
        for (let n = 0; n < 10; n += 1) limits.take(from, 'victim', second * 1_000)
      // A click of somebody else every two seconds.
      if (second % 2 === 0 && !limits.take(`honest${second}`, 'victim', second * 1_000)) refused += 1
    }
    expect(refused).toBe(0)
  })

  it('lets one key alone use the upper half', () => {
    const limits = new TargetLimits({ burst: 120, perSecond: 4 })
    let passed = 0
    while (limits.take('a', 'b', 0)) passed += 1
    expect(passed).toBe(60)
  })
})

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
