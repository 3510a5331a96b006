import { describe, expect, it } from '@jest/globals'
import { preferredType } from '../../src/protocol/accept.js'

describe('preferredType', () => {
  it.each([
    [undefined, 'text/plain'],
    ['', 'text/plain'],
    ['*/*', 'text/plain'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html'],
    ['application/json', 'application/json'],
    ['APPLICATION/JSON ; Q=1', 'application/json'],
    ['text/html;q=0.5, application/json;q=0.6', 'application/json'],
    ['text/*', 'text/plain'],
    ['text/plain;q=0, text/*', 'text/html'],
    ['*/*;q=0.1, application/*;q=0.2', 'application/json'],
    ['image/png', 'text/plain'],
    ['application/json;q=2', 'text/plain'],
    ['application/json;q=x', 'text/plain'],
    [';;;,,,q=', 'text/plain'],
  ])('%j: %s', (accept, type) => {
    expect(preferredType(accept, ['text/plain', 'text/html', 'application/json'])).toBe(type)
  })
})
