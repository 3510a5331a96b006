import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { bindingRequest, isBindingAnswer } from '../../../src/protocol/signaling/stun.js'

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
