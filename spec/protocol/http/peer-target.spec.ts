import { describe, expect, it } from '@jest/globals'
import { parsePeerTarget } from '../../../src/protocol/http/peer-target.js'

describe('parsePeerTarget', () => {
  it.each([
    ['/proxy/bob', 'bob', '/'],
    ['/proxy/bob/', 'bob', '/'],
    ['/proxy/bob?a=1', 'bob', '/?a=1'],
    ['/proxy/bob/a%2Fb.mp4?t=1&t=%20', 'bob', '/a%2Fb.mp4?t=1&t=%20'],
    ['/proxy/bob/%00', 'bob', '/%00'],
    ['/proxy/bob/%zz%ff', 'bob', '/%zz%ff'],
    ['/proxy/bob/../../etc', 'bob', '/../../etc'],
    ['/proxy/bob//evil.example/x', 'bob', '//evil.example/x'],
    ['/proxy/bob/\\evil.example', 'bob', '/\\evil.example'],
    ['/proxy/bob/\xc3\xa9', 'bob', '/\xc3\xa9'],
    ['/proxy/bob/x?', 'bob', '/x?'],
    ['/proxy/bob/?/proxy/carol/', 'bob', '/?/proxy/carol/'],
    ['/proxy/b%6fb/x', 'b%6fb', '/x'],
    ['/proxy/', '', '/'],
    ['/proxy', '', '/'],
    ['/proxy//bob', '', '/bob'],
    ['http://127.0.0.1:42000/proxy/bob/x?y', 'bob', '/x?y'],
  ])('%j asks %j for %j', (target, nickname, path) => {
    expect(parsePeerTarget(target)).toEqual({ mount: '/proxy', nickname, path })
  })

  it('knows the other mount', () => {
    expect(parsePeerTarget('/inline/bob/x')).toEqual({ mount: '/inline', nickname: 'bob', path: '/x' })
  })

  it.each([
    '/',
    '/proxyx/bob',
    '/Proxy/bob',
    '/x/proxy/bob',
    '//proxy/bob',
    '/proxy/bob/a\r\nX: y',
    '/proxy/bob/\x7f',
    '*',
  ])('%j is for nobody', target => {
    expect(parsePeerTarget(target)).toBeUndefined()
  })
})
