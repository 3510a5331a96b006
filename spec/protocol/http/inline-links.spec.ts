import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { inlineLink, redirectElsewhere } from '../../../src/protocol/http/inline-links.js'

const origin = 'http://127.0.0.1:42001'
const place = { nickname: 'bob', origin, path: '/films/list?page=1' }

const outside = [
  'http://other.example/x',
  'https://127.0.0.1:42001/x',
  'http://127.0.0.1:42000/proxy/carol/',
  'http://127.0.0.1:42002/',
  'http://127.0.0.1/x',
  '//other.example/x',
  '/\\other.example/x',
  '\\\\other.example',
  'http:\\\\other.example/',
  'http://127.0.0.1:42001@other.example/',
  'javascript:alert(1)',
  'data:text/html,x',
  'http://[',
]

describe('inlineLink', () => {
  it.each([
    ['next', '/inline/bob/films/next'],
    ['?page=2', '/inline/bob/films/list?page=2'],
    ['#end', '/inline/bob/films/list?page=1#end'],
    ['../x', '/inline/bob/x'],
    ['../../../proxy/carol/', '/inline/bob/proxy/carol/'],
    ['/%2e%2e/proxy/carol/', '/inline/bob/proxy/carol/'],
    ['/x/y%2Fz%zz?a#b', '/inline/bob/x/y%2Fz%zz?a#b'],
    ['/', '/inline/bob/'],
    ['', '/inline/bob/films/list?page=1'],
    ['/a//b', '/inline/bob/a//b'],
    [`${origin}/x?a`, '/inline/bob/x?a'],
    [`${origin}//other.example/`, '/inline/bob//other.example/'],
    ['//127.0.0.1:42001/x', '/inline/bob/x'],
    ['http://me:word@127.0.0.1:42001/x', '/inline/bob/x'],
    ['/caf\xc3\xa9', '/inline/bob/caf%C3%A9'],
  ])('%j becomes %j', (reference, link) => {
    expect(inlineLink(reference, place)).toBe(link)
  })

  it.each(outside)('%j leads out of the share', reference => {
    expect(inlineLink(reference, place)).toBeUndefined()
  })

  it('keeps bytes beyond ASCII of the path that was asked', () => {
    expect(inlineLink('?x', { ...place, path: '/caf\xc3\xa9/\xff' })).toBe('/inline/bob/caf%C3%A9/%FF?x')
  })

  it('never leads out of the mount, whatever the reference', () => {
    const piece = fc.constantFrom(
      '/',
      '\\',
      '..',
      '.',
      '%2e',
      '%2f',
      ':',
      '@',
      '?',
      '#',
      'a',
      'proxy',
      'http:',
      '\t',
      ' ',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const link = inlineLink(pieces.join(''), place)
        if (link === undefined) return
        const seen = new URL(link, 'http://127.0.0.1:42000/inline/bob')
        expect(seen.origin).toBe('http://127.0.0.1:42000')
        expect(seen.pathname).toMatch(/^\/inline\/bob\//)
      }),
    )
  })
})

describe('redirectElsewhere', () => {
  it.each([300, 301, 302, 303, 307, 308, 399])('is where a %d out of the share leads', status => {
    expect(redirectElsewhere(status, 'http://b\xc3\xbcro.example/ x', place)?.href).toBe(
      'http://xn--bro-hoa.example/%20x',
    )
    expect(redirectElsewhere(status, '/x', place)).toBeUndefined()
    expect(redirectElsewhere(status, undefined, place)).toBeUndefined()
    expect(redirectElsewhere(status, 'http://[', place)).toBeUndefined()
  })

  it.each([200, 201, 304, 400, 503])('is none for %d', status => {
    expect(redirectElsewhere(status, 'http://other.example/', place)).toBeUndefined()
  })
})
