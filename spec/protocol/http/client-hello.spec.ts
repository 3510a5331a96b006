import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { readClientHello } from '../../../src/protocol/http/client-hello.js'
import { helloFor } from '../../support/tls-hello.node.js'

/** The same handshake in records of these sizes, as a client may cut it. */
function recut(hello: Uint8Array, sizes: readonly number[]): Uint8Array {
  const parts: number[] = []
  let rest = hello.subarray(5)
  for (const size of [...sizes, rest.length]) {
    const part = rest.subarray(0, size)
    if (part.length > 0) parts.push(22, 3, 1, part.length >> 8, part.length & 255, ...part)
    rest = rest.subarray(size)
  }
  return Uint8Array.from(parts)
}

describe('readClientHello', () => {
  it('reads the name that is asked for', async () => {
    expect(readClientHello(await helloFor('bob.localhost'))).toEqual({ name: 'bob.localhost' })
    expect(readClientHello(await helloFor())).toEqual({ name: undefined })
  })

  it('reads it from any cut into records, and waits while they come', async () => {
    const hello = await helloFor('bob.localhost')
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 5 }), fc.nat(), (sizes, cut) => {
        const bytes = recut(hello, sizes)
        expect(readClientHello(bytes)).toEqual({ name: 'bob.localhost' })
        expect(readClientHello(bytes.subarray(0, 1 + (cut % (bytes.length - 1))))).toBe('undecided')
      }),
    )
  })

  it('is not deceived by bytes that are none, and never throws', async () => {
    const hello = await helloFor('bob.localhost')
    for (const bytes of [
      [],
      [22, 4],
      [21, 3, 3, 0, 2, 2, 40],
      [22, 3, 1, 0, 4, 2, 0, 0, 0],
      [22, 3, 1, 0, 4, 1, 2, 0, 0],
    ])
      expect(readClientHello(Uint8Array.from(bytes))).toBeUndefined()
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const read = readClientHello(Uint8Array.from(hello).with(at, byte))
        expect([undefined, 'undecided', 'object']).toContain(typeof read === 'object' ? 'object' : read)
      }),
    )
  })
})
