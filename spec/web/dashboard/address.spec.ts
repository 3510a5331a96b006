import { describe, expect, it } from '@jest/globals'
import { proxyPathOf } from '../../../src/web/dashboard/address.js'

describe('proxyPathOf', () => {
  it.each([
    ['bob', '/proxy/bob/'],
    ['  LIGHTHOUSE://Bob  ', '/proxy/bob/'],
    ['lighthouse://bob/films/a b%2Fc.mp4?x=1#y', '/proxy/bob/films/a%20b%2Fc.mp4?x=1#y'],
    ['bob/100% real', '/proxy/bob/100%25%20real'],
    ['bob//films//a', '/proxy/bob//films//a'],
    ['Bob-2/a', '/proxy/bob-2/a'],
    ['bob/Été', '/proxy/bob/%C3%89t%C3%A9'],
    ['bob/a/../b', '/proxy/bob/b'],
  ])('makes of %j %s', (address, path) => {
    expect(proxyPathOf(address)).toBe(path)
  })

  it.each([
    '',
    'b_b',
    'bob-',
    'xn--bb-eka',
    '2bob/',
    'http://bob/',
    'javascript:alert(1)',
    'bob/../../stats',
    'bob/%2e%2e/stats',
    'bob?x',
  ])('takes %j for no address', address => {
    expect(proxyPathOf(address)).toBeUndefined()
  })
})
