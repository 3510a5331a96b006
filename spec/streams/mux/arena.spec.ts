import { describe, expect, it } from '@jest/globals'
import { Arena } from '../../../src/streams/mux/arena.js'

const block = 256 * 1024

describe('the arena', () => {
  it('gives exactly so many bytes, and no two pieces of one step share any', () => {
    const arena = new Arena()
    const pieces = [1, 0, 4096, 127_224, 127_224, 100_000, 127_224, block, 7].map(size => arena.allocate(size))
    expect(pieces.map(({ length }) => length)).toEqual([1, 0, 4096, 127_224, 127_224, 100_000, 127_224, block, 7])
    pieces.forEach((piece, index) => piece.fill(index))
    pieces.forEach((piece, index) => expect(piece.every(byte => byte === index)).toBe(true))
  })

  it('gives the same memory again in the next step', () => {
    const arena = new Arena()
    const first = arena.allocate(1000)
    arena.reset()
    const second = arena.allocate(500)
    expect([second.buffer === first.buffer, second.byteOffset]).toEqual([true, first.byteOffset])
  })

  it('does not give again what is in use beyond the step, nor what lies in the same block', () => {
    const arena = new Arena()
    const kept = arena.allocate(1000).fill(1)
    const beside = arena.allocate(1000).fill(2)
    arena.keep(kept)
    // Still this step: what is given now lies elsewhere.
    arena.allocate(1000).fill(3)
    for (let step = 0; step < 10; step++) {
      arena.reset()
      for (let count = 0; count < 10; count++) arena.allocate(200_000).fill(4)
    }
    expect([kept.every(byte => byte === 1), beside.every(byte => byte === 2)]).toEqual([true, true])
  })

  it('keeps what lies in any block, twice as well as once, and what is too large for one', () => {
    const arena = new Arena()
    const pieces = Array.from({ length: 8 }, (_, index) => arena.allocate(block).fill(index + 1))
    const large = arena.allocate(block + 1).fill(9)
    for (const piece of [...pieces, ...pieces, large]) arena.keep(piece)
    arena.reset()
    for (let count = 0; count < 10; count++) arena.allocate(block).fill(77)
    expect(pieces.map(piece => piece.every(byte => byte === piece[0]) && piece[0])).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(large.every(byte => byte === 9)).toBe(true)
  })

  it('frees memory that one large step needed', () => {
    const arena = new Arena()
    const step = (): Set<unknown> => {
      const buffers = new Set(Array.from({ length: 20 }, () => arena.allocate(block).buffer))
      arena.reset()
      return buffers
    }
    const first = step()
    expect([...step()].filter(buffer => first.has(buffer as ArrayBuffer))).toHaveLength(4)
  })
})
