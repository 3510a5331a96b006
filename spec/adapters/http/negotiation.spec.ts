import { describe, expect, it } from '@jest/globals'
import { preferredCoding, preferredType } from '../../../src/adapters/http/negotiation.js'

describe('preferredType', () => {
  it.each([
    [undefined, 'text/plain'],
    ['', 'text/plain'],
    ['*/*', 'text/plain'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html'],
    ['APPLICATION/JSON ; Q=1', 'application/json'],
    ['text/html;q=0.5, application/json;q=0.6', 'application/json'],
    ['text/plain;q=0, text/*', 'text/html'],
    ['*/*;q=0.1, application/*;q=0.2', 'application/json'],
    ['image/png', 'text/plain'],
    ['application/json;q=x', 'text/plain'],
    [';;;,,,q=', 'text/plain'],
  ])('%j: %s', (accept, type) => {
    expect(preferredType({ headers: { accept } }, ['text/plain', 'text/html', 'application/json'])).toBe(type)
  })
})

describe('preferredCoding', () => {
  it.each([
    [undefined, 'identity'],
    ['', 'identity'],
    ['br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['GZIP;Q=1.0, br;q=0.5', 'gzip'],
    ['*', 'br'],
    ['*, br;q=0', 'gzip'],
    ['br;q=0, gzip;q=0', 'identity'],
    ['identity;q=0, *;q=0', 'identity'],
    ['gzip, identity', 'gzip'],
    ['identity, gzip;q=0.5', 'identity'],
    ['identity;q=0.5, gzip;q=0.8, br;q=0.4', 'gzip'],
    ['deflate, compress', 'identity'],
    [';;;,,,q=', 'identity'],
  ])('%j: %s', (accept, coding) => {
    expect(preferredCoding({ headers: { 'accept-encoding': accept } }, ['br', 'gzip'])).toBe(coding)
  })
})
