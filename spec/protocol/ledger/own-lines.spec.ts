import { describe, expect, it } from '@jest/globals'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { Evidence } from '../../../src/protocol/ledger/evidence.js'
import { OwnHeads } from '../../../src/protocol/ledger/own-heads.js'
import { OwnLines } from '../../../src/protocol/ledger/own-lines.js'
import type { SignedReceipt } from '../../../src/protocol/coins/receipt.js'
import type { LedgerHead } from '../../../src/protocol/signaling/signal.js'
import { newKeys, smallLedger, type SpecLedger } from '../../support/ledger.js'

/** What a person who holds these receipts finds in a ledger. */
function found(ledger: SpecLedger, pubKey: string, receipts: readonly SignedReceipt[] = []): readonly Evidence[] {
  const lines = new OwnLines({
    pubKey,
    hubKey: ledger.hub.pubKey,
    settlements: [],
    receipt: session => receipts.find(each => each.session === session),
    verify: nodeCrypto.verify,
  })
  return ledger.entries.flatMap(entry => lines.step(entry))
}

describe('OwnLines', () => {
  it('finds nothing in what is right, with receipts and without', () => {
    const { ledger, people } = smallLedger()
    for (const { pubKey } of people) {
      expect(found(ledger, pubKey)).toEqual([])
      expect(found(ledger, pubKey, [ledger.entries[5]!.receipt!])).toEqual([])
    }
  })

  it('finds a session that moves more in all than its highest receipt, for who pays and who is paid', () => {
    const { ledger, people } = smallLedger()
    const [a, b, c] = people
    const { receipt } = ledger.entries[5]!
    // Each line by itself stays within its receipt.
    ledger.append({ kind: 'transfer', from: a.pubKey, to: b.pubKey, bytes: 1, receipt })
    const message =
      "up to block 8 the hub's ledger moves 1.500001 coins in session session-of-a-and-b, and the highest receipt is for 1.500000"
    expect(found(ledger, a.pubKey)).toMatchObject([{ kind: 'forged', message, lines: [{ seq: 8 }] }])
    expect(found(ledger, b.pubKey)).toMatchObject([{ kind: 'credit', message }])
    expect(found(ledger, c.pubKey)).toEqual([])
    expect(found(ledger, b.pubKey, [ledger.receipt(a, b, receipt!.session, 2_000_000)])).toEqual([])
  })

  it('finds a second grant to its key', () => {
    const { ledger, people } = smallLedger()
    ledger.grant(people[0].pubKey)
    expect(found(ledger, people[0].pubKey)).toMatchObject([{ kind: 'credit', lines: [{ seq: 8 }] }])
    expect(found(ledger, people[1].pubKey)).toEqual([])
  })
})

describe('OwnHeads', () => {
  function compared(
    ledger: SpecLedger,
    heads: readonly LedgerHead[],
  ): { readonly findings: readonly Evidence[]; readonly end: Evidence | undefined; readonly count: number } {
    const own = new OwnHeads({
      hubKey: ledger.hub.pubKey,
      headsAt: seq => heads.filter(head => head.seq === seq),
      newest: heads.at(-1),
      verify: nodeCrypto.verify,
    })
    const findings = ledger.entries.flatMap(entry => own.step(entry) ?? [])
    return { findings, end: own.end(ledger.entries.length), count: own.count }
  }

  it('counts the heads that are lines of the ledger', () => {
    const { ledger } = smallLedger()
    expect(compared(ledger, [])).toEqual({ findings: [], end: undefined, count: 0 })
    expect(compared(ledger, [ledger.head(2), ledger.head(7)])).toEqual({ findings: [], end: undefined, count: 2 })
  })

  it('finds a fork by one head and by two, and an end before the newest', () => {
    const { ledger } = smallLedger()
    const other = ledger.branch(6)
    other.grant(newKeys().pubKey)
    expect(compared(ledger, [other.head(7)]).findings).toMatchObject([{ kind: 'fork', lines: [{ seq: 7 }] }])
    const two = compared(ledger, [other.head(7), ledger.head(7)])
    expect(two.findings).toMatchObject([{ kind: 'fork', lines: [] }])
    expect(two.findings[0]!.statements).toHaveLength(2)
    expect(compared(ledger.branch(6), [ledger.head(7)]).end).toMatchObject({ kind: 'rollback' })
  })

  it('takes no head for one that the hub did not sign', () => {
    const { ledger } = smallLedger()
    const head = { ...ledger.head(7), seq: 9 }
    expect(compared(ledger, [head])).toEqual({ findings: [], end: undefined, count: 0 })
  })
})
