import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { agreeMux, isBase64Of, maxSignalBytes, parseHead, parseSignal } from '../../../src/protocol/signaling/signal.js'

const base64 = (length: number, fill = 0xff): string => Buffer.alloc(length, fill).toString('base64')
const head = { seq: 3, hash: 'ab'.repeat(64), signature: base64(64) }
const envelope = { session: 'AbCdEfGhIjKlMn-_', from: base64(32, 1), to: base64(32, 2) }
const offer = { ...envelope, type: 'offer', signature: base64(64), payload: { sdp: 'H4sIAA==' } }
const candidate = { candidate: 'candidate:1 1 udp 1 10.0.0.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0 }

describe('parseSignal', () => {
  it.each<[string, unknown]>([
    ['a bare offer', offer],
    ['an answer', { ...offer, type: 'answer' }],
    ['an offer with everything', { ...offer, payload: { sdp: 'AAAA', mux: { versions: [1, 2], rst: true }, head } }],
    ['no head yet', { ...offer, payload: { sdp: 'AAAA', mux: {}, head: null } }],
    ['a candidate', { ...envelope, type: 'candidate', payload: candidate }],
    ['the end of candidates', { ...envelope, type: 'candidate', payload: { ...candidate, candidate: '' } }],
    ['a goodbye', { ...envelope, type: 'bye', payload: { reason: 'enough' } }],
  ])('takes %s as it is', (_name, value) => {
    expect(parseSignal(value)).toEqual(value)
  })

  it('keeps unknown members of a payload, which the signature covers, and drops those of the envelope', () => {
    const payload = { sdp: 'AAAA', mux: { versions: [1], colour: 'red' }, later: { any: [1] } }
    expect(parseSignal({ ...offer, payload, extra: 1 })).toEqual({ ...offer, payload })
  })

  it('fills in what a candidate may leave out, and a reason', () => {
    const bare = { ...envelope, type: 'candidate', payload: { candidate: 'x', usernameFragment: 'y' } }
    expect(parseSignal(bare)).toMatchObject({ payload: { candidate: 'x', sdpMid: null, sdpMLineIndex: null } })
    for (const payload of [undefined, null, 5, {}, { reason: 5 }])
      expect(parseSignal({ ...envelope, type: 'bye', payload })).toMatchObject({ payload: { reason: '' } })
    expect(parseSignal({ ...envelope, type: 'bye', payload: { reason: 'x'.repeat(999) } })).toMatchObject({
      payload: { reason: 'x'.repeat(200) },
    })
  })

  const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', 'offer'],
    ['a list', [offer]],
    ['an unknown type', { ...offer, type: 'renegotiate' }],
    ['no type', { ...offer, type: undefined }],
    ['a short session', { ...offer, session: 'abc' }],
    ['a long session', { ...offer, session: 'a'.repeat(65) }],
    ['a session that is no base64url', { ...offer, session: 'AbCdEfGhIjKlMn-+' }],
    ['a session with a line end', { ...offer, session: 'AbCdEfGhIjKlMnOp\n' }],
    ['a short key', { ...offer, from: base64(31) }],
    ['a long key', { ...offer, to: base64(33) }],
    ['no signature', { ...offer, signature: undefined }],
    ['a short signature', { ...offer, signature: base64(63) }],
    ['no payload', { ...offer, payload: undefined }],
    ['an empty SDP', { ...offer, payload: { sdp: '' } }],
    ['an SDP in the clear', { ...offer, payload: { sdp: 'v=0\r\n' } }],
    ['a huge SDP', { ...offer, payload: { sdp: 'A'.repeat(maxSignalBytes + 1) } }],
    ['versions that are none', { ...offer, payload: { sdp: 'AAAA', mux: { versions: ['2'] } } }],
    ['versions without end', { ...offer, payload: { sdp: 'AAAA', mux: { versions: [1, 2, 3, 4, 5, 6, 7, 8, 9] } } }],
    ['a mux that is a list', { ...offer, payload: { sdp: 'AAAA', mux: [] } }],
    ['rst that is no boolean', { ...offer, payload: { sdp: 'AAAA', mux: { rst: 1 } } }],
    ['a head that is none', { ...offer, payload: { sdp: 'AAAA', head: { ...head, seq: -1 } } }],
    ['depth without end', { ...offer, payload: { sdp: 'AAAA', x: deep(65_000) } }],
    ['depth in the mux', { ...offer, payload: { sdp: 'AAAA', mux: { x: deep(4) } } }],
    ['a candidate without text', { ...envelope, type: 'candidate', payload: {} }],
    ['a long candidate', { ...envelope, type: 'candidate', payload: { candidate: 'x'.repeat(1025) } }],
    ['a long mid', { ...envelope, type: 'candidate', payload: { ...candidate, sdpMid: 'x'.repeat(33) } }],
    ['a mid of two lines', { ...envelope, type: 'candidate', payload: { ...candidate, sdpMid: '0\r\na=x' } }],
    ['a far line', { ...envelope, type: 'candidate', payload: { ...candidate, sdpMLineIndex: 256 } }],
    ['a negative line', { ...envelope, type: 'candidate', payload: { ...candidate, sdpMLineIndex: -1 } }],
    ['half a line', { ...envelope, type: 'candidate', payload: { ...candidate, sdpMLineIndex: 0.5 } }],
  ])('refuses %s', (_name, value) => {
    expect(parseSignal(value)).toBeUndefined()
  })

  it('never throws, and changes nothing but what it drops, whatever comes', () => {
    const part = fc.oneof(
      fc.anything({ maxDepth: 3 }),
      fc.constantFrom(offer, candidate, head, envelope.from, 'offer', 'bye'),
    )
    const member = fc.constantFrom('type', 'session', 'from', 'to', 'payload', 'signature')
    const payload = fc.constantFrom('sdp', 'mux', 'head', 'candidate', 'sdpMid', 'sdpMLineIndex', 'reason')
    fc.assert(
      fc.property(part, fc.dictionary(member, part), fc.dictionary(payload, part), (any, changes, inside) => {
        parseSignal(any)
        parseSignal({ ...offer, ...changes })
        for (const type of ['offer', 'candidate', 'bye']) {
          const value = { ...offer, type, payload: { sdp: 'AAAA', ...candidate, ...inside } }
          const signal = parseSignal(value)
          if (type === 'offer' && signal !== undefined) expect(signal.payload).toBe(value.payload)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('parts of signals', () => {
  it('have one base64 text a value', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        const text = Buffer.from(bytes).toString('base64')
        expect(isBase64Of(text, bytes.length)).toBe(true)
        expect(isBase64Of(text, bytes.length + 1)).toBe(false)
      }),
    )
    const key = base64(32, 0)
    expect([isBase64Of(key.slice(0, 42) + 'B=', 32), isBase64Of(`${key.slice(0, 43)}A`, 32)]).toEqual([false, false])
    expect([isBase64Of(`${base64(64, 0).slice(0, 85)}B==`, 64), isBase64Of(7, 1)]).toEqual([false, false])
    expect(isBase64Of(base64(32).replaceAll('/', '_'), 32)).toBe(false)
  })

  it('have heads with a number, a hash and a signature, and nothing else', () => {
    expect(parseHead({ ...head, more: 1 })).toEqual(head)
    for (const bad of [null, [], { ...head, seq: 1.5 }, { ...head, seq: 2 ** 53 }, { ...head, hash: 'AB'.repeat(64) }])
      expect(parseHead(bad)).toBeUndefined()
    expect(parseHead({ ...head, signature: base64(63) })).toBeUndefined()
  })

  it.each<[object, object | undefined, object | undefined]>([
    [
      { versions: [1, 2], rst: true },
      { versions: [1, 2], rst: true },
      { version: 2, rst: true, receipts: false },
    ],
    [{ versions: [1, 2], rst: true }, { versions: [2, 1] }, { version: 2, rst: false, receipts: false }],
    [{ versions: [1, 2], rst: true }, undefined, { version: 1, rst: false, receipts: false }],
    [{ versions: [1, 2], rst: true }, { rst: true }, { version: 1, rst: true, receipts: false }],
    [{ versions: [1, 2] }, { versions: [1], rst: true }, { version: 1, rst: false, receipts: false }],
    [{ versions: [1, 2, 3] }, { versions: [3, 2] }, { version: 2, rst: false, receipts: false }],
    [
      { versions: [2], receipts: true },
      { versions: [2], receipts: true },
      { version: 2, rst: false, receipts: true },
    ],
    [{ versions: [2] }, { versions: [2], receipts: true }, { version: 2, rst: false, receipts: false }],
    [{ versions: [2] }, {}, undefined],
    [{ versions: [1, 2] }, { versions: [] }, undefined],
    [{ versions: [1, 2, 3] }, { versions: [3] }, undefined],
    [{ versions: [2] }, { versions: [2], greet: true }, { version: 2, rst: false, receipts: false, greet: true }],
    [{ versions: [2], greet: true }, { versions: [2] }, { version: 2, rst: false, receipts: false, greet: true }],
  ])('%j and %j agree on %j', (own, other, expected) => {
    const agreement = agreeMux(own, other)
    expect(agreement).toEqual(expected && { greet: false, ...expected })
  })
})
