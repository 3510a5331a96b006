import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { httpDate, isoDate } from '../../../src/protocol/http/date.js'

describe('dates of files', () => {
  it.each([
    [0, 'Thu, 01 Jan 1970 00:00:00 GMT', '1970-01-01T00:00:00.000Z'],
    [-1, 'Wed, 31 Dec 1969 23:59:59 GMT', '1969-12-31T23:59:59.999Z'],
    [-62_167_219_200_000, 'Sat, 01 Jan 0000 00:00:00 GMT', '0000-01-01T00:00:00.000Z'],
    [253_402_300_799_999, 'Fri, 31 Dec 9999 23:59:59 GMT', '9999-12-31T23:59:59.999Z'],
  ])('%d', (ms, http, iso) => {
    expect([httpDate(ms), isoDate(ms)]).toEqual([http, iso])
  })

  it.each([-62_167_219_200_001, 253_402_300_800_000, 8.64e15, 9e15, -9e15, 9.2e21, Infinity, NaN])('%d is none', ms => {
    expect([httpDate(ms), isoDate(ms)]).toEqual([undefined, undefined])
  })

  it('keep to their formats for any number, and are read again as the same time', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -7e13, max: 3e14 }), fc.double()), ms => {
        const [http, iso] = [httpDate(ms), isoDate(ms)]
        expect(http ?? 'Fri, 13 Nov 2026 10:00:00 GMT').toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
        expect(iso ?? '2026-11-13T10:00:00.000Z').toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        expect(iso === undefined || Date.parse(iso) === Math.trunc(ms)).toBe(true)
      }),
    )
  })
})
