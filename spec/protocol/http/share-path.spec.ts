import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { parseSharePath, unservedName } from '../../../src/protocol/http/share-path.js'

describe('parseSharePath', () => {
  it.each([
    ['/', [], true],
    ['/?after=f..%2F', [], true],
    ['/film.mp4', ['film.mp4'], false],
    ['/a/b/', ['a', 'b'], true],
    ['/a%20b/100%25%23%3F.txt?x=/../y#z', ['a b', '100%#?.txt'], false],
    ['/caf%C3%A9/e%CC%81/%F0%9F%8E%AC', ['café', 'e\u0301', '🎬'], false],
    ['/a..b/c', ['a..b', 'c'], false],
    ['/tab%09new%0Aline', ['tab\tnew\nline'], false],
    ['http://127.0.0.1:42011/a/b', ['a', 'b'], false],
    ['/back%5Cslash\\too', ['back\\slash\\too'], false],
    ['//', [], true],
    ['//a', ['a'], false],
    ['/a//b///', ['a', 'b'], true],
    ['http://127.0.0.1:42011//a', ['a'], false],
  ])('%s', (target, names, slash) => {
    expect(parseSharePath(target)).toEqual({ names, slash })
  })

  it.each([
    '/..',
    '/../etc/passwd',
    '/a/../b',
    '/a/./b',
    '/%2e%2e/x',
    '/%2E%2E%2Fetc',
    '/..%2f..%2fetc%2fpasswd',
    '/..%5c..%5cwindows',
    '/a//..//b',
    '/a%2Fb',
    '/%2F',
    '/a%00b',
    '/%00',
    '//.hidden',
    '/.hidden',
    '/a/.git/config',
    '/%2Ehidden',
  ])('%s is hidden', target => {
    expect(parseSharePath(target)).toBe('hidden')
  })

  it.each(['', '*', 'a', '?', '/%', '/%zz', '/%c0%ae%c0%ae/', '/%ff', '/%ed%a0%80', '/%2'])(
    '%j is malformed',
    target => {
      expect(parseSharePath(target)).toBe('malformed')
    },
  )

  it('decodes once only', () => {
    expect(parseSharePath('/%252e%252e/x')).toEqual({ names: ['%2e%2e', 'x'], slash: false })
  })

  it.each(['a\\b', 'a:b', 'a:$DATA', 'CON', 'nul.txt', 'com1', 'a.', 'a ', 'a*', 'a?', 'a|b'])(
    'on Windows %j is hidden',
    name => {
      expect(parseSharePath(`/${encodeURIComponent(name)}`, true)).toBe('hidden')
      expect(parseSharePath(`/${encodeURIComponent(name)}`)).toEqual({ names: [name], slash: false })
    },
  )

  it('gives back every name that may be served, as a listing links it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter(name => unservedName(name) === undefined)),
        names => {
          expect(parseSharePath(`/${names.map(encodeURIComponent).join('/')}`)).toEqual({
            names,
            slash: names.length === 0,
          })
        },
      ),
    )
  })

  it('gives names for any target that could never lead up', () => {
    const piece = fc.constantFrom('.', '..', '/', '\\', '%2e', '%2f', '%5c', '%00', '%', 'a', '%c0%ae', '?', '#', '%25')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const path = parseSharePath(`/${pieces.join('')}`)
        if (typeof path === 'string') return true
        return path.names.every(name => name !== '' && !name.startsWith('.') && !/[/\0]/.test(name))
      }),
      { numRuns: 20_000 },
    )
  })
})
