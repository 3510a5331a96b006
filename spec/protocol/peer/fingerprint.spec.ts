import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { toBase64 } from '../../../src/protocol/base64.js'
import { fingerprint, fingerprintPattern } from '../../../src/protocol/peer/fingerprint.js'

const of = (bytes: Uint8Array): string => fingerprint(toBase64(bytes), nodeCrypto.sha256)
const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('a fingerprint', () => {
  it('is the same everywhere, as docs/PROTOCOL.md has it', () => {
    // Computed with Python's hashlib.
    expect(of(new Uint8Array(32))).toBe('ez11-ztvf-ejaw-ga15-ptb9-hqz4')
    expect(of(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe('6tkx-fctz-2c24-5d70-kq0w-sxs0')
  })

  it('is six groups of four characters that nobody takes for others, and another one for another key', () => {
    fc.assert(
      fc.property(key, key, (one, two) => {
        const text = of(one)
        expect(text).toMatch(new RegExp(`^${fingerprintPattern.source}$`))
        expect(text).not.toMatch(/[ilouA-Z]/)
        expect(of(two) === text).toBe(toBase64(one) === toBase64(two))
      }),
    )
  })
})
