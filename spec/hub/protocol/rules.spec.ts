import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { iceServersFor } from '../../../src/hub/protocol/ice.js'
import { isPublicKey } from '../../../src/protocol/signal.js'
import { relayRefusal } from '../../../src/hub/protocol/relay.js'
import { TokenBuckets } from '../../../src/hub/protocol/token-buckets.js'

describe('isPublicKey', () => {
  it('accepts what 32 bytes encode to and nothing else that decodes to them', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.nat(42),
        fc.base64String(),
        (bytes, at, letter) => {
          const text = Buffer.from(bytes).toString('base64')
          expect(isPublicKey(text)).toBe(true)
          const other = text.slice(0, at) + letter.slice(0, 1) + text.slice(at + 1)
          const decoded = Buffer.from(other, 'base64')
          expect(isPublicKey(other)).toBe(decoded.length === 32 && decoded.toString('base64') === other)
        },
      ),
      { seed: 11, numRuns: 500 },
    )
    expect(isPublicKey(Buffer.alloc(33).toString('base64'))).toBe(false)
    const key = `${'E'.repeat(43)}=`
    expect([isPublicKey(key), isPublicKey(`${key}\n`)]).toEqual([true, false])
  })
})

describe('relayRefusal', () => {
  const facts = { targetRegistered: true, targetSignedIn: true, senderBytes: 1_000_000 }
  it.each([
    ['offer', facts, undefined],
    ['offer', { ...facts, senderBytes: 999_999 }, 'no-coins'],
    ['answer', { ...facts, senderBytes: 0 }, undefined],
    ['candidate', { ...facts, senderBytes: 0 }, undefined],
    ['bye', { ...facts, senderBytes: 0 }, undefined],
    ['answer', { ...facts, targetSignedIn: false }, 'offline'],
    ['offer', { ...facts, targetSignedIn: false, targetRegistered: false }, 'unknown-peer'],
  ] as const)('%s with %j: %s', (type, given, code) => {
    expect(relayRefusal(type, given)).toBe(code)
  })
})

describe('TokenBuckets', () => {
  it('allows a burst, then so many a second, for each key by itself', () => {
    const buckets = new TokenBuckets({ burst: 3, perSecond: 2 })
    const taken = (key: string, nowMs: number, times: number): boolean[] =>
      Array.from({ length: times }, () => buckets.take(key, nowMs))
    expect(taken('a', 0, 4)).toEqual([true, true, true, false])
    expect(taken('b', 0, 1)).toEqual([true])
    expect(taken('a', 499, 1)).toEqual([false])
    expect(taken('a', 1_000, 3)).toEqual([true, true, false])
    expect(taken('a', 60_000, 4)).toEqual([true, true, true, false])
    // A clock that goes back takes nothing away and gives nothing.
    expect(taken('a', 0, 1)).toEqual([false])
  })

  it('forgets the key that rested longest when there are too many', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 1 })
    for (let key = 0; key <= 10_000; key += 1) buckets.take(String(key), 0)
    expect(buckets.take('10000', 0)).toBe(false)
    expect(buckets.take('0', 0)).toBe(true)
  })
})

describe('iceServersFor', () => {
  const stun = { urls: 'stun:127.0.0.1' }
  const hmac = (secret: string, text: string): string => `${secret}(${text})`

  it('adds a credential that expires after twelve hours, or as told', () => {
    const turn = { urls: ['turn:127.0.0.1'], secret: 's' }
    const [, server] = iceServersFor('a+/b=', { iceServers: [stun], turn }, 1_000_999, hmac)
    expect(server).toEqual({ urls: turn.urls, username: '44200:a-_b', credential: 's(44200:a-_b)' })
    const [brief] = iceServersFor('k', { iceServers: [], turn: { ...turn, ttlSeconds: 60 } }, 0, hmac)
    expect(brief?.username).toBe('60:k')
  })

  it('hands out nothing where nothing is set', () => {
    expect(iceServersFor('k', { iceServers: [], turn: undefined }, 0, hmac)).toEqual([])
  })
})
