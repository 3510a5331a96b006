import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openSiteFile } from '../../../src/adapters/store/site-file.node.js'

const bob = 'Qk9CqUqHbPpPdRkz0kZ8u0aXr1kN7sJp3uYb0cV5d2E='
let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lighthouse-'))
})
afterEach(() => rmSync(home, { recursive: true }))

describe('sites.json', () => {
  it('remembers what was said about the site of a key, for its owner alone', () => {
    const sites = openSiteFile(home)
    expect(sites.choice(bob)).toBeUndefined()
    sites.choose(bob, 'plain')
    sites.choose(bob, 'trusted')
    expect(sites.choice(bob)).toBe('trusted')
    expect(openSiteFile(home).choice(bob)).toBe('trusted')
    const path = join(home, 'sites.json')
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ version: 1, sites: { [bob]: 'trusted' } })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    sites.forget(bob)
    expect(openSiteFile(home).choice(bob)).toBeUndefined()
  })

  it.each([
    '',
    'no JSON',
    '[]',
    '{"version":2,"sites":{}}',
    '{"version":1,"sites":{"x":"trusted"}}',
    `{"version":1,"sites":{"${bob}":"yes"}}`,
  ])('is not replaced when it holds %j', text => {
    const path = join(home, 'sites.json')
    writeFileSync(path, text, { mode: 0o600 })
    expect(() => openSiteFile(home)).toThrow(expect.objectContaining({ code: 'store-failed' }))
    expect(readFileSync(path, 'utf8')).toBe(text)
  })
})
