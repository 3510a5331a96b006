import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { iceServersFor } from '../../../src/hub/protocol/signaling/ice.js'
import { isPublicKey } from '../../../src/protocol/signaling/signal.js'
import { relayRefusal } from '../../../src/hub/protocol/signaling/relay.js'

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
