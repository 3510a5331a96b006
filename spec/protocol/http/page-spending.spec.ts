import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { GuardedRequest } from '../../../src/protocol/http/guard.js'
import {
  judgeSpending,
  leftPageBytes,
  noPageSpending,
  pageBytesAnHour,
  spendPageBytes,
} from '../../../src/protocol/http/page-spending.js'

const program: GuardedRequest = {
  method: 'GET',
  host: ['bob.localhost:42001'],
  origin: undefined,
  secFetchSite: undefined,
  secFetchMode: undefined,
  secFetchDest: undefined,
  secFetchUser: undefined,
}
const page: GuardedRequest = { ...program, secFetchSite: 'same-origin', secFetchMode: 'no-cors', secFetchDest: 'image' }
const opened: GuardedRequest = { ...page, secFetchMode: 'navigate', secFetchDest: 'document', secFetchSite: 'none' }

describe('what pages fetch on their own', () => {
  it.each<[string, GuardedRequest, string]>([
    ['a program', program, 'free'],
    ['the address bar', opened, 'free'],
    ['a click', { ...opened, secFetchSite: 'same-origin', secFetchUser: '?1' }, 'free'],
    ['an image', page, 'counted'],
    ['a script that fetches', { ...page, secFetchMode: 'cors', secFetchDest: 'empty' }, 'counted'],
    ['a frame', { ...opened, secFetchSite: 'same-origin', secFetchDest: 'iframe', secFetchUser: '?1' }, 'counted'],
    ['a page that goes elsewhere by itself', { ...opened, secFetchSite: 'same-origin' }, 'counted'],
  ])('by %s', (_who, request, expected) => {
    expect(judgeSpending(noPageSpending, request, '/a', 0)[1]).toBe(expected)
  })

  it('leaves a film free that the user opened, and nothing beside it', () => {
    const [spending] = judgeSpending(noPageSpending, opened, '/film.mp4', 0)
    const film = { ...page, secFetchDest: 'video' }
    expect(judgeSpending(spending, film, '/film.mp4', 0)[1]).toBe('free')
    expect(judgeSpending(spending, film, '/other.mp4', 0)[1]).toBe('counted')
    expect(judgeSpending(spending, { ...page, secFetchDest: 'script' }, '/film.mp4', 0)[1]).toBe('counted')
  })

  it('ends when it is spent, and comes back after an hour', () => {
    const spent = spendPageBytes(noPageSpending, pageBytesAnHour, 30_000)
    expect(judgeSpending(spent, page, '/', 3_600_000)[1]).toBe('refused')
    expect(judgeSpending(spent, opened, '/', 0)[1]).toBe('free')
    expect(judgeSpending(spent, page, '/', 3_661_000)[1]).toBe('counted')
  })

  it('never gives more than its bound in any hour, however it is asked', () => {
    const step = fc.record({ bytes: fc.nat(3_000_000), waitMs: fc.nat(900_000) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        let [spending, now] = [noPageSpending, 0]
        const given: { at: number; bytes: number }[] = []
        for (const { bytes, waitMs } of steps) {
          now += waitMs
          if (judgeSpending(spending, page, '/', now)[1] !== 'counted') continue
          const taken = Math.min(bytes, leftPageBytes(spending, now))
          spending = spendPageBytes(spending, taken, now)
          given.push({ at: now, bytes: taken })
          const hour = given.filter(({ at }) => at > now - 3_600_000)
          expect(hour.reduce((sum, one) => sum + one.bytes, 0)).toBeLessThanOrEqual(pageBytesAnHour)
          expect(spending.spent.length).toBeLessThanOrEqual(62)
        }
      }),
    )
  })
})
