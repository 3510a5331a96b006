/** Bytes that both sides make from a seed, so that neither has to send the other what it expects. */

/** A source of the pattern of `seed` (not 0): each call gives the next bytes. xorshift32. */
export function patternSource(seed: number): (size: number) => Uint8Array {
  let state = seed >>> 0
  return size => {
    const bytes = new Uint8Array(size)
    for (let index = 0; index < size; index++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      bytes[index] = state >>> 8
    }
    return bytes
  }
}

/** The first `size` bytes of the pattern of `seed`. */
export function pattern(seed: number, size: number): Uint8Array {
  return patternSource(seed)(size)
}
