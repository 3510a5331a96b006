import { describe, expect, it } from '@jest/globals'
import { map } from 'rxjs'
import { affordable$ } from '../../../src/streams/coins/affordable.js'
import { marbles } from '../../support/marbles.js'

describe('affordable$', () => {
  it.each([
    ['when there is enough for the least, once', '--5--3------|', '1---2--23-45|', '--------x---|'],
    ['never for a balance that has not grown', '-3-----|', '5-5-4-5|', '------x|'],
    ['never where nothing was short', '-------|', '1-5-9--|', '-------|'],
    ['an error with its sources', '-#', '1--', '-#'],
  ])('emits %s', (_what, short, balance, expected) => {
    marbles(({ hot, expectObservable }) => {
      const [short$, balance$] = [short, balance].map(drawing => hot(drawing).pipe(map(Number)))
      const affordable = affordable$(short$!, balance$!).pipe(map(() => 'x'))
      expect(affordable).toBeDefined()
      expectObservable(affordable).toBe(expected)
    })
  })
})
