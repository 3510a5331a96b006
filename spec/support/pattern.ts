/** Bytes that differ from place to place, so that one lost, doubled or moved byte shows. The period is prime. */
const period = 1_000_003
const source = new Uint8Array(period * 2)
for (let index = 0, x = 0x2545f491; index < period; index++) {
  x ^= x << 13
  x ^= x >>> 17
  x ^= x << 5
  source[index] = source[index + period] = x & 0xff
}

/** `length` bytes (at most 1,000,003) of the stream `name`, from its byte `offset` on. A view: do not write into it. */
export function patternBytes(name: number, offset: number, length: number): Uint8Array {
  const start = (name * 7919 + offset) % period
  return source.subarray(start, start + length)
}

/** Whether two arrays hold the same bytes. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
