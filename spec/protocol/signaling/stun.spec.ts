import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  bindingRequest,
  formatStun,
  isBindingAnswer,
  parseStun,
  stunAttributes,
  stunLength,
  xorAddress,
} from '../../../src/protocol/signaling/stun.js'

const transactionId = fc.uint8Array({ minLength: 12, maxLength: 12 })

/** An answer as a server makes it: the request's header with another type, and some attributes. */
function answerTo(request: Uint8Array, type: number, attributes = new Uint8Array(0)): Uint8Array {
  const message = new Uint8Array([...request, ...attributes])
  const view = new DataView(message.buffer)
  view.setUint16(0, type)
  view.setUint16(2, attributes.length)
  return message
}

describe('a STUN binding question', () => {
  it('is the header of RFC 8489', () => {
    const request = bindingRequest(Uint8Array.from({ length: 12 }, (_, at) => at))
    expect([...request]).toEqual([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  it('is answered by a success or an error of the same transaction', () => {
    fc.assert(
      fc.property(transactionId, fc.constantFrom(0x0101, 0x0111), fc.uint8Array(), (id, type, attributes) => {
        expect(isBindingAnswer(answerTo(bindingRequest(id), type, attributes), id)).toBe(true)
      }),
    )
  })

  it('is answered neither by another transaction, nor by itself, nor by anything else', () => {
    fc.assert(
      fc.property(transactionId, transactionId, fc.uint8Array({ maxLength: 64 }), (id, other, noise) => {
        fc.pre(String(id) !== String(other))
        expect(isBindingAnswer(answerTo(bindingRequest(other), 0x0101), id)).toBe(false)
        expect(isBindingAnswer(bindingRequest(id), id)).toBe(false)
        expect(isBindingAnswer(noise, id)).toBe(false)
        expect(isBindingAnswer(answerTo(bindingRequest(id), 0x0101).subarray(0, 19), id)).toBe(false)
      }),
    )
  })
})

/** Hexadecimal digits as bytes. */
const hex = (digits: string): Uint8Array => Uint8Array.from(digits.match(/[0-9a-f]{2}/g)!, byte => parseInt(byte, 16))

describe('a STUN message', () => {
  // RFC 5769 sections 2.2 and 2.3.
  const id = 'b7e7a701bc34d686fa87dfae'
  const software = '8022000b7465737420766563746f7220'

  it('of RFC 5769 has the address that is masked in it', () => {
    const v4 = hex(`0101003c2112a442${id}${software}002000080001a147e112a643`)
    const v6 = hex(`010100482112a442${id}${software}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`)
    for (const bytes of [v4, v6]) new DataView(bytes.buffer).setUint16(2, bytes.length - 20)
    expect(xorAddress(parseStun(v4)!, stunAttributes.xorMappedAddress)).toEqual({ address: '192.0.2.1', port: 32_853 })
    expect(xorAddress(parseStun(v6)!, stunAttributes.xorMappedAddress)).toEqual({
      address: '2001:db8:1234:5678:11:2233:4455:6677',
      port: 32_853,
    })
  })

  it('comes back as it was, whatever its attributes are', () => {
    const attribute = fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 40 }))
    const attributes = fc.uniqueArray(attribute, { maxLength: 8, selector: ([type]) => type })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x3fff }), transactionId, attributes, (type, id, all) => {
        const bytes = formatStun(type, id, all)
        expect(stunLength(bytes)).toBe(bytes.length)
        const message = parseStun(bytes)!
        expect([message.type, [...message.transactionId]]).toEqual([type, [...id]])
        expect([...message.attributes].map(([key, value]) => [key, [...value]])).toEqual(
          all.map(([key, value]) => [key, [...value]]),
        )
      }),
    )
  })

  it('is none where it is cut, longer than it says, or noise', () => {
    const whole = formatStun(0x0101, new Uint8Array(12), [[stunAttributes.realm, Uint8Array.of(1, 2, 3)]])
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length - 1 }), fc.uint8Array({ minLength: 1 }), (cut, more) => {
        expect(parseStun(whole.subarray(0, cut))).toBeUndefined()
        expect(parseStun(new Uint8Array([...whole, ...more]))).toBeUndefined()
      }),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), noise => void parseStun(noise)))
  })
})
