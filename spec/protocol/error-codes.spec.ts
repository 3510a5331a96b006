import { describe, expect, it } from '@jest/globals'
import { createPrivateKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  errorCodes,
  isLighthouseError,
  LighthouseError,
  toInternalError,
  toLighthouseError,
  wrapError,
} from '../../src/protocol/errors.js'

/** Tables that turn codes into something else: to stand there is not to be emitted. */
const tables = /(?:error-codes|exit-codes|http-status)\.spec\.ts$/

function sources(folder: 'spec' | 'src', isTaken: (file: string) => boolean): string {
  // Compiled, this file lies in <output>/spec/protocol.
  const path = fileURLToPath(new URL(`../../../${folder}`, import.meta.url))
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && isTaken(file))
    .map(file => readFileSync(join(path, file), 'utf8'))
    .join('\n')
}

function thrownBy(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

describe('error codes', () => {
  it('each have a spec that sees them emitted', () => {
    const specs = sources('spec', file => file.endsWith('.spec.ts') && !tables.test(file))
    // An error that a spec makes itself proves nothing about who emits it.
    const seen = specs.replaceAll(/new LighthouseError\(\s*'[a-z-]+'/g, '')
    expect(Object.keys(errorCodes).filter(code => !seen.includes(`'${code}'`))).toEqual([])
  })

  it('each are emitted somewhere', () => {
    // By what makes an error of it. Tables and questions about it, which name it too, emit nothing.
    const making = /\b(?!isLighthouseError\b)\w+(?:Error|Failure)\((?:[^()';]*[?:])?\s*'([a-z-]+)'/g
    const made = new Set([...sources('src', () => true).matchAll(making)].map(([, code]) => code))
    expect(Object.keys(errorCodes).filter(code => !made.has(code))).toEqual([])
  })

  it('are distinct', () => {
    const error = new LighthouseError('peer-silent', 'quiet', { phase: 'open' })
    expect(error).toBeInstanceOf(Error)
    expect([error.name, error.code, error.message, error.details]).toEqual([
      'LighthouseError',
      'peer-silent',
      'quiet',
      { phase: 'open' },
    ])
    expect([isLighthouseError(error), isLighthouseError(error, 'peer-silent', 'no-coins')]).toEqual([true, true])
    expect([isLighthouseError(error, 'no-coins'), isLighthouseError(new Error('x'))]).toEqual([false, false])
  })

  it('wrap what others throw, once, and keep it as the cause', () => {
    const cause = new Error('inside')
    const error = toLighthouseError('store-failed', cause, 'the store')
    expect([error.code, error.message, error.cause]).toEqual(['store-failed', 'the store: inside', cause])
    expect(toLighthouseError('store-failed', cause).message).toBe('inside')
    for (const wrap of [toLighthouseError, wrapError]) expect(wrap('no-coins', cause).code).toBe('no-coins')
    expect([toLighthouseError('no-coins', error), toInternalError(error)]).toEqual([error, error])
  })

  it.each<[string, unknown]>([
    ['a TypeError', new TypeError('x is not a function')],
    ['a RangeError', new RangeError('Invalid array length')],
    ['a ReferenceError', new ReferenceError('x is not defined')],
    ['a SyntaxError', new SyntaxError('Unexpected token')],
    ['an argument of the wrong type', thrownBy(() => Buffer.from(undefined as unknown as string))],
    ['a text', 'text'],
    ['nothing', undefined],
    ['an object that is no error', { code: 7 }],
  ])('tell %s apart as a defect of this program', (_name, thrown) => {
    expect(toLighthouseError('store-failed', thrown, 'the store')).toMatchObject({ code: 'internal', cause: thrown })
    expect(wrapError('malformed-signal', thrown).code).toBe('malformed-signal')
  })

  it.each<[string, unknown]>([
    ['the system', thrownBy(() => readFileSync('/nowhere/at all'))],
    ['a path that cannot be one', thrownBy(() => readFileSync('a\0b'))],
    [
      'a key that is none',
      thrownBy(() => createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', x: 'AA', d: 'AA' }, format: 'jwk' })),
    ],
    ['a URL that is none', thrownBy(() => new URL('::'))],
    ['a library', Object.assign(new Error('Connection failed.'), { code: 'ERR_CONNECTION_FAILURE' })],
  ])('take what %s throws for what it is', (_name, thrown) => {
    expect(toLighthouseError('store-failed', thrown)).toMatchObject({ code: 'store-failed', cause: thrown })
    expect(toInternalError(thrown)).toMatchObject({ code: 'internal', cause: thrown })
  })
})
