import { describe, expect, it } from '@jest/globals'
import type { IncomingHttpHeaders } from 'node:http'
import { type Held, isStrongTag, judgeAnswer, resumeHeaders } from '../../../src/cli/get/answer.js'

const held: Held = { from: 4, version: { etag: '"one"', size: 10 } }

describe('resumeHeaders', () => {
  it('asks for the rest of that version, or for everything', () => {
    expect(resumeHeaders(held)).toEqual({ range: 'bytes=4-', 'if-range': '"one"' })
    expect(resumeHeaders(undefined)).toEqual({})
  })
})

describe('judgeAnswer', () => {
  it('takes a whole file, with the version where there is a strong one', () => {
    expect(judgeAnswer(200, { etag: '"two"', 'content-length': '12' }, held)).toEqual({
      type: 'begin',
      version: { etag: '"two"', size: 12 },
    })
    expect(judgeAnswer(200, { etag: 'W/"two"' }, undefined)).toEqual({
      type: 'begin',
      version: { etag: undefined, size: undefined },
    })
  })

  it('goes on with a part that fits', () => {
    const version = held.version
    for (const headers of [
      { 'content-range': 'bytes 4-9/10', etag: '"one"', 'content-length': '6' },
      { 'content-range': 'bytes 4-9/*', etag: '"one"' },
    ]) {
      expect(judgeAnswer(206, headers, held)).toEqual({ type: 'append', version })
    }
    const unsized: Held = { from: 4, version: { etag: '"one"', size: undefined } }
    const part = { 'content-range': 'bytes 4-9/10', etag: '"one"' }
    expect(judgeAnswer(206, part, unsized)).toEqual({ type: 'append', version })
  })

  it.each<[string, IncomingHttpHeaders, Held | undefined]>([
    ['nobody asked for', { 'content-range': 'bytes 0-9/10' }, undefined],
    ['begins elsewhere', { 'content-range': 'bytes 3-9/10', etag: '"one"' }, held],
    ['ends early', { 'content-range': 'bytes 4-8/10', etag: '"one"' }, held],
    ['is of a longer file', { 'content-range': 'bytes 4-10/11', etag: '"one"' }, held],
    ['does not say of which version it is', { 'content-range': 'bytes 4-9/10' }, held],
    ['is of another version that is called alike', { 'content-range': 'bytes 4-9/10', etag: 'W/"one"' }, held],
    ['is of another version', { 'content-range': 'bytes 4-9/10', etag: '"two"' }, held],
    ['has another length', { 'content-range': 'bytes 4-9/10', 'content-length': '5', etag: '"one"' }, held],
    ['does not say where it begins', {}, held],
    ['is several', { 'content-type': 'multipart/byteranges; boundary=x' }, held],
  ])('takes no part that %s', (_what, headers, before) => {
    expect(() => judgeAnswer(206, headers, before)).toThrow(expect.objectContaining({ code: 'not-as-announced' }))
  })

  it('knows when nothing is missing, and when what is held is too long', () => {
    const all: Held = { from: 10, version: { etag: '"one"', size: 10 } }
    expect(judgeAnswer(416, { 'content-range': 'bytes */10' }, all)).toEqual({ type: 'complete' })
    expect(judgeAnswer(416, { 'content-range': 'bytes */8' }, all)).toEqual({ type: 'ask-whole' })
    expect(judgeAnswer(416, { 'content-range': 'bytes */4' }, held)).toEqual({ type: 'ask-whole' })
    expect(judgeAnswer(416, {}, all)).toEqual({ type: 'ask-whole' })
  })

  it.each<[number, IncomingHttpHeaders, string]>([
    [302, { location: './films/' }, 'not-a-file'],
    [301, { location: '/films/?a=b' }, 'not-a-file'],
    [302, { location: 'http://elsewhere.example/film.mp4' }, 'unexpected-answer'],
    [302, {}, 'unexpected-answer'],
    [402, {}, 'unexpected-answer'],
    [403, {}, 'unexpected-answer'],
    [404, {}, 'no-such-file'],
    [416, {}, 'unexpected-answer'],
    [500, {}, 'unexpected-answer'],
    [503, {}, 'transfer-broken'],
  ])('%i with %j: %s', (status, headers, code) => {
    expect(() => judgeAnswer(status, headers, undefined)).toThrow(expect.objectContaining({ code }))
  })
})

describe('isStrongTag', () => {
  it.each<[unknown, boolean]>([
    ['"x"', true],
    ['""', true],
    ['W/"x"', false],
    ['x', false],
    ['"a"b"', false],
    ['"a\r\nrange: x"', false],
    [undefined, false],
    [7, false],
  ])('%j: %s', (text, strong) => expect(isStrongTag(text)).toBe(strong))
})
