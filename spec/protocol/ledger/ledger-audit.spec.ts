import { describe, expect, it } from '@jest/globals'
import { encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { blockHash } from '../../../src/hub/adapters/store/block-hash.js'
import { LedgerAudit } from '../../../src/protocol/ledger/ledger-audit.js'
import { type LedgerEntry, ledgerLineText, parseLedgerLine } from '../../../src/protocol/ledger/ledger-line.js'
import { LineSplitter } from '../../../src/protocol/line-splitter.js'
import { newKeys, smallLedger, SpecLedger } from '../../support/ledger.js'

/** Follows an exported text. Returns what is wrong, and with which block. */
function audit(text: string, verify: boolean): { readonly problem: string; readonly seq: number } | undefined {
  const state = new LedgerAudit({ hash: blockHash, ...(verify ? { verify: nodeCrypto.verify } : {}) })
  const splitter = new LineSplitter(16_384)
  for (const line of splitter.push(text) ?? []) {
    const entry = parseLedgerLine(line)
    const problem = entry === undefined ? 'no block' : state.step(entry)
    if (problem !== undefined) return { problem, seq: state.seq + 1 }
  }
  return splitter.rest === '' ? undefined : { problem: 'cut off', seq: state.seq + 1 }
}

describe('the hash of a block', () => {
  it('is over all of it, however long its texts are', () => {
    const grant = smallLedger().ledger.entries[0]!
    const long = { ...grant, to: 'x'.repeat(5_000) }
    expect(blockHash(long)).not.toBe(blockHash({ ...long, bytes: long.bytes + 1 }))
  })
})

describe('a line of the ledger', () => {
  it('is read as it is written, and in no other way', () => {
    for (const entry of smallLedger().ledger.entries) {
      const text = ledgerLineText(entry)
      expect(text).toBe(JSON.stringify(entry))
      expect(parseLedgerLine(text)).toEqual(entry)
      for (const other of [
        ` ${text}`,
        `${text} `,
        text.replace(':', ': '),
        text.slice(1),
        `${text}}`,
        text.slice(0, -1),
      ]) {
        expect(parseLedgerLine(other)).toBeUndefined()
      }
    }
  })

  it.each([
    ['an unknown member', '{"seq":1', '{"more":0,"seq":1'],
    ['a doubled member', '{"seq":1', '{"seq":1,"seq":1'],
    ['a number with a leading zero', '"seq":1', '"seq":01'],
    ['a number with a fraction', '"seq":1', '"seq":1.0'],
    ['a number with an exponent', '"seq":1', '"seq":1e0'],
    ['a negative number', '"bytes":1', '"bytes":-1'],
    ['a number beyond the safe integers', '"bytes":100000000', '"bytes":9007199254740992'],
    ['no number', '"bytes":100000000', '"bytes":'],
    ['another kind', '"grant"', '"gift"'],
    ['a missing member', '"from":null,', ''],
  ])('is not one with %s', (_what, part, other) => {
    const text = ledgerLineText(smallLedger().ledger.entries[0]!)
    expect(text).toContain(part)
    expect(parseLedgerLine(text.replace(part, other))).toBeUndefined()
  })

  it('survives anything', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), text => {
        expect(parseLedgerLine(text)).toBeUndefined()
      }),
      { seed: 3, numRuns: 300 },
    )
  })
})

describe('the hash of a block', () => {
  it('is BLAKE2b-512 over its MessagePack, for every size of number and text', () => {
    const sizes = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER]
    const { entries } = smallLedger().ledger
    for (const size of sizes) {
      for (const session of ['s'.repeat(16), 's'.repeat(31), 's'.repeat(32), 's'.repeat(64)]) {
        for (const { receipt, hash: _, ...block } of [entries[0]!, entries.at(-1)!]) {
          const changed = { ...block, seq: size, bytes: size, receipt: receipt && { ...receipt, session, bytes: size } }
          const expected = createHash('blake2b512').update(encode(changed)).digest('hex')
          expect(blockHash(changed)).toBe(expected)
        }
      }
    }
  })
})

describe('LedgerAudit', () => {
  it('follows a ledger, and adds it up', () => {
    const { ledger } = smallLedger()
    const state = new LedgerAudit({ hash: blockHash, verify: nodeCrypto.verify, hubKey: ledger.hub.pubKey })
    for (const entry of ledger.entries) {
      expect(state.step(entry)).toBeUndefined()
      const sum = [...state.wallets.values()].reduce((total, { bytes }) => total + bytes, 0)
      expect(sum).toBe(state.grantedBytes)
    }
    expect([state.seq, state.hash]).toEqual([7, ledger.entries.at(-1)!.hash])
    expect([state.sessions.size, state.movedBytes]).toEqual([2, 31_500_000])
  })

  it('finds each changed byte of an export, and names its block or the one behind', () => {
    const text = smallLedger().ledger.text()
    expect(audit(text, false)).toBeUndefined()
    let block = 1
    for (let at = 0; at < text.length; at += 1) {
      const before = text.charCodeAt(at)
      for (const bit of [1, 4, 32]) {
        const changed = text.slice(0, at) + String.fromCharCode(before ^ bit) + text.slice(at + 1)
        const found = audit(changed, false)
        // A changed line break joins two lines; the first of them is named.
        if (found?.seq !== block)
          throw new Error(`byte ${at}, bit ${bit}: ${JSON.stringify(found)}, not block ${block}`)
      }
      if (before === 10) block += 1
    }
    expect(block).toBe(8)
  })

  it('finds random bytes in a longer one', () => {
    const ledger = new SpecLedger()
    const people = Array.from({ length: 20 }, newKeys)
    for (const { pubKey } of people) ledger.grant(pubKey)
    for (let index = 0; index < 200; index += 1) {
      const [a, b] = [people[index % 20]!, people[(index + 1 + (index % 7)) % 20]!]
      ledger.transfer(ledger.receipt(a, b, `session-number-${index}`, 1 + index * 1000))
    }
    const bytes = Buffer.from(ledger.text())
    const starts = [...bytes.keys()].filter(at => at === 0 || bytes[at - 1] === 10)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(bytes)
        changed[at]! ^= change
        const block = starts.findLastIndex(start => start <= at) + 1
        expect(audit(changed.toString('latin1'), false)?.seq).toBe(block)
      }),
      { seed: 11, numRuns: 1_000 },
    )
  })

  const cheats: readonly (readonly [
    string,
    RegExp,
    (ledger: SpecLedger, a: ReturnType<typeof newKeys>, b: typeof a) => unknown,
  ])[] = [
    ['a second grant', /had its grant/, (ledger, a) => ledger.grant(a.pubKey)],
    ['a grant to no key', /not a public key/, ledger => ledger.grant('hub')],
    ['a grant to the hub itself', /to the hub itself/, ledger => ledger.grant(ledger.hub.pubKey)],
    [
      'an overdraft',
      /below zero/,
      (ledger, a, b) => ledger.transfer(ledger.receipt(a, b, 's'.repeat(16), 100_000_001)),
    ],
    [
      'a payer without a wallet',
      /pays was never registered/,
      (ledger, _a, b) => ledger.transfer(ledger.receipt(newKeys(), b, 's'.repeat(16), 1)),
    ],
    [
      'a payee without a wallet',
      /paid was never registered/,
      (ledger, a) => ledger.transfer(ledger.receipt(a, newKeys(), 's'.repeat(16), 1)),
    ],
    [
      'a receipt of others',
      /other parties/,
      (ledger, a, b) =>
        ledger.append({
          kind: 'transfer',
          from: a.pubKey,
          to: b.pubKey,
          bytes: 1,
          receipt: ledger.receipt(b, a, 's'.repeat(16), 1),
        }),
    ],
    ...(['seeder', 'consumer'] as const).map((party): (typeof cheats)[number] => [
      `a receipt whose ${party} is somebody else`,
      /other parties/,
      (ledger, a, b) => {
        const other = newKeys()
        ledger.grant(other.pubKey)
        // Signed by who pays, or by who does not.
        const receipt = ledger.receipt(
          party === 'consumer' ? other : a,
          party === 'seeder' ? other : b,
          's'.repeat(16),
          1,
        )
        ledger.append({ kind: 'transfer', from: a.pubKey, to: b.pubKey, bytes: 1, receipt })
      },
    ]),
    [
      'more than the receipt',
      /another amount/,
      (ledger, a, b) =>
        ledger.append({
          kind: 'transfer',
          from: a.pubKey,
          to: b.pubKey,
          bytes: 2,
          receipt: ledger.receipt(a, b, 's'.repeat(16), 1),
        }),
    ],
    [
      'a receipt that is settled already',
      /ahead of/,
      (ledger, a, b) => [
        ledger.transfer(ledger.receipt(a, b, 's'.repeat(16), 9)),
        ledger.transfer(ledger.receipt(a, b, 's'.repeat(16), 9)),
      ],
    ],
    [
      'a receipt that nobody signed',
      /not signed/,
      (ledger, a, b) => ledger.transfer({ ...ledger.receipt(a, b, 's'.repeat(16), 1), bytes: 2 }),
    ],
    [
      'a receipt for another hub',
      /another hub/,
      (ledger, a, b) => ledger.transfer(new SpecLedger().receipt(a, b, 's'.repeat(16), 1)),
    ],
    ['a session that is none', /names no session/, (ledger, a, b) => ledger.transfer(ledger.receipt(a, b, 'short', 1))],
    ['a transfer to oneself', /same key/, (ledger, a) => ledger.transfer(ledger.receipt(a, a, 's'.repeat(16), 1))],
    [
      'a transfer without a receipt',
      /no receipt/,
      (ledger, a, b) => ledger.append({ kind: 'transfer', from: a.pubKey, to: b.pubKey, bytes: 1, receipt: null }),
    ],
  ]
  it.each(cheats)('refuses %s, although the chain is right', (_what, rule, cheat) => {
    const { ledger, people } = smallLedger()
    const right = ledger.entries.length
    cheat(ledger, people[0], people[1])
    const state = new LedgerAudit({ hash: blockHash, verify: nodeCrypto.verify })
    const problems = ledger.entries.map(entry => state.step(entry))
    expect(problems.slice(0, right)).toEqual(Array.from({ length: right }, () => undefined))
    expect(problems.at(-1)).toMatch(rule)
  })

  it('refuses a block that does not name the one before, although its own hash is right', () => {
    const { ledger } = smallLedger()
    const state = new LedgerAudit({ hash: blockHash })
    const [first, second] = ledger.entries as [LedgerEntry, LedgerEntry]
    const other = { ...second, prev_hash: 'f'.repeat(128) }
    expect(state.step(first)).toBeUndefined()
    expect(state.step({ ...other, hash: blockHash(other) })).toMatch(/hash of the block before/)
    expect(state.step(second)).toBeUndefined()
  })

  it('lets no session begin anew, however long ago it was settled', () => {
    const { ledger, people } = smallLedger()
    const [a, b] = people
    const state = new LedgerAudit({ hash: blockHash })
    for (const entry of ledger.entries) expect(state.step(entry)).toBeUndefined()
    const entry = ledger.transfer(ledger.receipt(a, b, 'session-of-a-and-b', 7))
    const later = { ...entry, time: entry.time + 1_000 * 86_400_000 }
    expect(state.step({ ...later, hash: blockHash(later) })).toMatch(/ahead of/)
  })
})
