import { describe, expect, it } from '@jest/globals'
import { parseFileAddress } from '../../../src/cli/get/address.js'

describe('parseFileAddress', () => {
  it.each([
    ['bob/film.mp4', '/film.mp4', 'film.mp4'],
    ['bob/a b/été.ogg', '/a%20b/%C3%A9t%C3%A9.ogg', 'été.ogg'],
    ['bob/100 %.txt', '/100%20%25.txt', '100 %.txt'],
    ['bob/a%20b', '/a%2520b', 'a%20b'],
    ['bob/what?#1', '/what%3F%231', 'what?#1'],
    ['bob//odd', '', ''],
    ['lighthouse://bob/film.mp4', '/film.mp4', 'film.mp4'],
    ['LIGHTHOUSE://Bob/a%20b/%C3%A9t%C3%A9.ogg', '/a%20b/%C3%A9t%C3%A9.ogg', 'été.ogg'],
    ['lighthouse://bob/a b/été.ogg', '/a%20b/%C3%A9t%C3%A9.ogg', 'été.ogg'],
    ['lighthouse://bob/100 %.txt', '/100%20%25.txt', '100 %.txt'],
    ['lighthouse://bob/video?quality=1#t=3', '/video?quality=1', 'video'],
  ])('%s', (text, path, name) => {
    if (path === '') return expect(() => parseFileAddress(text)).toThrow('is not the path')
    expect(parseFileAddress(text)).toEqual({ nickname: 'bob', path, name, text: `lighthouse://bob${path}` })
  })

  it.each([
    ['bob', 'not-a-file'],
    ['bob/', 'not-a-file'],
    ['bob/films/', 'not-a-file'],
    ['lighthouse://bob', 'not-a-file'],
    ['lighthouse://bob?x', 'not-a-file'],
    ['', 'malformed-nickname'],
    ['Bob/film.mp4', 'malformed-nickname'],
    ['./film.mp4', 'malformed-nickname'],
    ['http://127.0.0.1:42000/proxy/bob/film.mp4', 'malformed-nickname'],
    ['bob/../film.mp4', 'usage'],
    ['bob/films/..', 'usage'],
    ['bob/a\0b', 'usage'],
    ['lighthouse://bob/a%2Fb', 'usage'],
    ['lighthouse://bob/%2e%2e', 'usage'],
    ['lighthouse://bob/%ff', 'usage'],
  ])('refuses %j: %s', (text, code) => {
    expect(() => parseFileAddress(text)).toThrow(expect.objectContaining({ code }))
  })

  it('refuses a name that would mean something else on Windows', () => {
    expect(parseFileAddress('bob/a:b').name).toBe('a:b')
    expect(() => parseFileAddress('bob/a:b', true)).toThrow('is not the path')
    expect(() => parseFileAddress('bob/a\\b', true)).toThrow('is not the path')
  })
})
