import { describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { blockHash } from '../../../../src/hub/adapters/store/block-hash.js'
import {
  type ChainState,
  emptyChain,
  grantBlock,
  type LedgerLine,
  verifyNext,
} from '../../../../src/hub/protocol/settlement/ledger.js'
import { genesisHash } from '../../../../src/protocol/ledger/ledger-line.js'
import type { SignedReceipt } from '../../../../src/protocol/coins/receipt.js'
import { newAccount } from '../../support.js'
import { verifyAll } from '../../store.contract.js'

const keys = Array.from({ length: 5 }, () => newAccount('x').pubKey)
/** What a block's own rules do not look into. */
const anyReceipt = {} as SignedReceipt

function chainOf(count: number): LedgerLine[] {
  let chain: ChainState = emptyChain
  return Array.from({ length: count }, (_, index) => {
    const block = grantBlock(chain, {
      to: keys[index % keys.length]!,
      bytes: index * 1_000_000,
      time: 1_700_000_000_000 + index,
    })
    const line = { ...block, hash: blockHash(block) }
    chain = { seq: line.seq, hash: line.hash }
    return line
  })
}

function spliced(lines: readonly LedgerLine[], at: number, count: number, ...others: LedgerLine[]): LedgerLine[] {
  return [...lines.slice(0, at), ...others, ...lines.slice(at + count)]
}

describe('the hash of a block', () => {
  it('is BLAKE2b-512 over msgpack, written out by hand', () => {
    const to = `${'A'.repeat(43)}=`
    const block = grantBlock(emptyChain, { to, bytes: 100_000_000, time: 1_700_000_000_000 })
    const text = (value: string): number[] => {
      const bytes = [...Buffer.from(value)]
      return bytes.length < 32 ? [0xa0 | bytes.length, ...bytes] : [0xd9, bytes.length, ...bytes]
    }
    const msgpack = Buffer.from([
      ...[0x88, ...text('seq'), 1],
      ...[...text('prev_hash'), ...text(genesisHash)],
      ...[...text('time'), 0xcf, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00],
      ...[...text('kind'), ...text('grant')],
      ...[...text('from'), 0xc0],
      ...[...text('to'), ...text(to)],
      ...[...text('bytes'), 0xce, 0x05, 0xf5, 0xe1, 0x00],
      ...[...text('receipt'), 0xc0],
    ])
    expect(blockHash(block)).toBe(createHash('blake2b512').update(msgpack).digest('hex'))
  })

  it('does not depend on the order in which members arrive, nor on the hash itself', () => {
    const [line] = chainOf(1) as [LedgerLine]
    expect(blockHash(Object.fromEntries(Object.entries(line).reverse()) as unknown as LedgerLine)).toBe(line.hash)
  })
})

describe('verifyNext', () => {
  it('follows a chain to its head', () => {
    const lines = chainOf(20)
    expect(verifyAll(lines)).toEqual({ seq: 20, hash: lines[19]!.hash })
  })

  it('finds any change, drop, swap or repetition', () => {
    const lines = chainOf(12)
    const changed = fc.tuple(
      fc.nat(11),
      fc.constantFrom('seq', 'prev_hash', 'time', 'kind', 'from', 'to', 'bytes', 'receipt', 'hash'),
      fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.double()),
    )
    fc.assert(
      fc.property(changed, ([index, member, value]) => {
        const forged = lines.map((line, at) => (at === index ? { ...line, [member]: value } : line))
        fc.pre(JSON.stringify(forged) !== JSON.stringify(lines) && !Object.is(value, -0))
        expect(() => verifyAll(forged)).toThrow(/^ledger block/)
      }),
      { seed: 7, numRuns: 500 },
    )
    for (let index = 0; index < 11; index += 1) {
      expect(() => verifyAll(spliced(lines, index, 1))).toThrow(/must have number/)
      expect(() => verifyAll(spliced(lines, index, 2, lines[index + 1]!, lines[index]!))).toThrow(/must have number/)
      expect(() => verifyAll(spliced(lines, index, 0, lines[index]!))).toThrow()
    }
  })

  it.each([
    ['a grant with a payer', { from: keys[1]! }],
    ['a grant with a receipt', { receipt: anyReceipt }],
    ['a transfer without a payer', { kind: 'transfer' as const, receipt: anyReceipt }],
    ['a transfer without a receipt', { kind: 'transfer' as const, from: keys[1]! }],
    ['a transfer to oneself', { kind: 'transfer' as const, from: keys[0]!, receipt: anyReceipt }],
    ['negative bytes', { bytes: -1 }],
    ['bytes that are no whole number', { bytes: 0.5 }],
    ['a time that is no whole number', { time: 0.5 }],
  ])('refuses %s, although its hash is right', (_name, change) => {
    const block = { ...grantBlock(emptyChain, { to: keys[0]!, bytes: 1, time: 1 }), ...change }
    expect(verifyNext(emptyChain, { ...block, hash: blockHash(block) }, blockHash)).toHaveProperty('problem')
  })

  it('takes a transfer', () => {
    const block = {
      ...grantBlock(emptyChain, { to: keys[0]!, bytes: 1, time: 1 }),
      kind: 'transfer' as const,
      from: keys[1]!,
      receipt: anyReceipt,
    }
    expect(verifyNext(emptyChain, { ...block, hash: blockHash(block) }, blockHash)).toHaveProperty('chain.seq', 1)
  })
})
