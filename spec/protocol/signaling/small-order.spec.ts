import { describe, expect, it } from '@jest/globals'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { isPublicKey } from '../../../src/protocol/signaling/signal.js'

const prime = 2n ** 255n - 19n
const mod = (value: bigint): bigint => ((value % prime) + prime) % prime

function power(base: bigint, exponent: bigint): bigint {
  if (exponent === 0n) return 1n
  const half = power(mod(base * base), exponent / 2n)
  return exponent % 2n === 0n ? half : mod(half * base)
}

const inverse = (value: bigint): bigint => power(mod(value), prime - 2n)
const d = mod(-121_665n * inverse(121_666n))

/** y of twice the point with this y: y and x² are all that doubling needs. */
function doubled(y: bigint): bigint {
  const yy = mod(y * y)
  const xx = mod((yy - 1n) * inverse(d * yy + 1n))
  return mod((yy + xx) * inverse(1n - d * xx * yy))
}

function encoded(y: bigint, sign: number): string {
  const bytes = Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse()
  bytes[31]! |= sign
  return bytes.toString('base64')
}

const order8 = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]
const ys = [
  ...[0n, 1n, prime - 1n, prime, prime + 1n],
  ...order8.map(hex => BigInt(`0x${Buffer.from(hex, 'hex').reverse().toString('hex')}`)),
]
const keys = ys.flatMap(y => [0, 0x80].map(sign => encoded(y, sign)))

describe('a point of small order', () => {
  it('is what these are: three times doubled, each is the neutral point', () => {
    expect(ys.map(y => doubled(doubled(doubled(mod(y)))))).toEqual(ys.map(() => 1n))
    expect(new Set(keys).size).toBe(14)
  })

  it.each(keys)('is no public key: %s', key => {
    expect(isPublicKey(key)).toBe(false)
  })

  it('verifies nothing, also where the library below takes a signature that anybody can make', () => {
    // R is the neutral point and S is 0: no private key is needed. OpenSSL 3.0 takes it, 3.5 does not.
    const signature = Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]).toString('base64')
    expect(keys.map(key => nodeCrypto.verify(key, 'any text', signature))).toEqual(keys.map(() => false))
  })
})
