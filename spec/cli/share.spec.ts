import { describe, expect, it } from '@jest/globals'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseShare } from '../../src/cli/share.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()

describe('parseShare', () => {
  it('takes ./data when it is there, and nothing when it is not', () => {
    const cwd = temporary()
    expect(parseShare(undefined, cwd)).toBeUndefined()
    mkdirSync(join(cwd, 'data'))
    expect(parseShare(undefined, cwd)).toEqual({ type: 'folder', path: join(cwd, 'data') })
  })

  it('prefers an existing folder to host:port', () => {
    const cwd = temporary()
    expect(parseShare('localhost:80', cwd)).toEqual({ type: 'tcp', host: 'localhost', port: 80 })
    mkdirSync(join(cwd, 'localhost:80'))
    expect(parseShare('localhost:80', cwd)).toEqual({ type: 'folder', path: join(cwd, 'localhost:80') })
  })

  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::1]:65535', '::1', 65_535],
  ])('reads %s', (text, host, port) => {
    expect(parseShare(text, temporary())).toEqual({ type: 'tcp', host, port })
  })

  it.each([
    '',
    'missing',
    './missing:80x',
    'host:0',
    'host:65536',
    '::1:80',
    'a b:80',
    'missing/x:80',
    'x\0y',
    'x'.repeat(9999),
  ])('refuses %j', text => {
    expect(() => parseShare(text, temporary())).toThrow(expect.objectContaining({ code: 'invalid-share' }))
  })

  it('refuses a file, also one that looks like a target', () => {
    const cwd = temporary()
    writeFileSync(join(cwd, 'film.mp4'), '')
    expect(() => parseShare('film.mp4', cwd)).toThrow(expect.objectContaining({ code: 'invalid-share' }))
    expect(() => parseShare('film.mp4/x', cwd)).toThrow(expect.objectContaining({ code: 'invalid-share' }))
  })
})
