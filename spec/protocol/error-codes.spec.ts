import { describe, expect, it } from '@jest/globals'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCodes, isLighthouseError, LighthouseError, toLighthouseError } from '../../src/protocol/errors.js'

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

describe('error codes', () => {
  it('each have a spec that sees them emitted', () => {
    const specs = sources('spec', file => file.endsWith('.spec.ts') && !tables.test(file))
    // An error that a spec makes itself proves nothing about who emits it.
    const seen = specs.replaceAll(/new LighthouseError\(\s*'[a-z-]+'/g, '')
    expect(Object.keys(errorCodes).filter(code => !seen.includes(`'${code}'`))).toEqual([])
  })

  it('each are emitted somewhere', () => {
    const code = sources('src', file => !/(?:errors|http-status)\.ts$/.test(file))
    expect(Object.keys(errorCodes).filter(name => !code.includes(`'${name}'`))).toEqual([])
  })

  it('are told apart', () => {
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
    const cause = new TypeError('inside')
    const error = toLighthouseError('store-failed', cause, 'the store')
    expect([error.code, error.message, error.cause]).toEqual(['store-failed', 'the store: inside', cause])
    expect(toLighthouseError('store-failed', 'text').message).toBe('text')
    expect(toLighthouseError('no-coins', error)).toBe(error)
  })
})
