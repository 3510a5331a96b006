import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { blockHash } from '../../src/hub/adapters/store/block-hash.js'
import { type LedgerEntry, ledgerLineText } from '../../src/protocol/ledger/ledger-line.js'
import type { Receipt, Settlement, SignedReceipt } from '../../src/protocol/coins/receipt.js'
import type { LedgerHead } from '../../src/protocol/signaling/signal.js'
import { headText, receiptText, registerText, settledText } from '../../src/protocol/signaling/signed-texts.js'

/** A key pair. */
export type Keys = ReturnType<typeof nodeCrypto.generateKeyPair>

export const newKeys = (): Keys => nodeCrypto.generateKeyPair()

/** What the consumer signs, signed. */
export function signReceipt(receipt: Receipt, consumer: Keys): SignedReceipt {
  return { ...receipt, signature: nodeCrypto.sign(consumer.privKey, receiptText(receipt)) }
}

/** A name and its key, with the signature of who registers. */
export function namedBy(
  nickname: string,
  { pubKey, privKey }: Keys,
): { readonly nickname: string; readonly pubKey: string; readonly signature: string } {
  return { nickname, pubKey, signature: nodeCrypto.sign(privKey, registerText(nickname, pubKey)) }
}

/** A ledger that a spec writes as it likes, with the hub's key in its hand. */
export class SpecLedger {
  readonly entries: LedgerEntry[] = []

  constructor(readonly hub: Keys = newKeys()) {}

  /** Another one that begins with the first `count` blocks of this one. */
  branch(count: number): SpecLedger {
    const other = new SpecLedger(this.hub)
    other.entries.push(...this.entries.slice(0, count))
    return other
  }

  append(block: Pick<LedgerEntry, 'kind' | 'from' | 'to' | 'bytes' | 'receipt'>): LedgerEntry {
    const last = this.entries.at(-1)
    const seq = (last?.seq ?? 0) + 1
    const chained = {
      seq,
      prev_hash: last?.hash ?? '0'.repeat(128),
      time: 1_764_000_000_000 + seq * 1000,
      ...block,
      hash: '',
    }
    const entry = { ...chained, hash: blockHash(chained) }
    this.entries.push(entry)
    return entry
  }

  grant(to: string, bytes = 100_000_000): LedgerEntry {
    return this.append({ kind: 'grant', from: null, to, bytes, receipt: null })
  }

  /** Moves what the receipt is ahead of `settled`. */
  transfer(receipt: SignedReceipt, settled = 0): LedgerEntry {
    const { consumer: from, seeder: to, bytes } = receipt
    return this.append({ kind: 'transfer', from, to, bytes: bytes - settled, receipt })
  }

  receipt(consumer: Keys, seeder: Keys, session: string, bytes: number): SignedReceipt {
    return signReceipt(
      { hub_key: this.hub.pubKey, session, seeder: seeder.pubKey, consumer: consumer.pubKey, bytes },
      consumer,
    )
  }

  head(at = this.entries.length): LedgerHead {
    const { seq, hash } = this.entries[at - 1]!
    return { seq, hash, signature: nodeCrypto.sign(this.hub.privKey, headText(seq, hash)) }
  }

  /** What the hub says about a block that settles. */
  settlement({ seq, hash, receipt }: LedgerEntry): Settlement {
    const said = { session: receipt!.session, bytes: receipt!.bytes, coins: '1.000000', seq, hash }
    return { ...said, signature: nodeCrypto.sign(this.hub.privKey, settledText(said)) }
  }

  lines(): string[] {
    return this.entries.map(ledgerLineText)
  }

  /** As it is exported. */
  text(): string {
    return this.lines()
      .map(line => `${line}\n`)
      .join('')
  }
}

/** Three people, their grants, and two sessions that are settled twice each. */
export function smallLedger(): { readonly ledger: SpecLedger; readonly people: readonly [Keys, Keys, Keys] } {
  const ledger = new SpecLedger()
  const people = [newKeys(), newKeys(), newKeys()] as const
  for (const { pubKey } of people) ledger.grant(pubKey)
  const [a, b, c] = people
  ledger.transfer(ledger.receipt(a, b, 'session-of-a-and-b', 1_000_000))
  ledger.transfer(ledger.receipt(c, b, 'session-of-c-and-b', 5))
  ledger.transfer(ledger.receipt(a, b, 'session-of-a-and-b', 1_500_000), 1_000_000)
  ledger.transfer(ledger.receipt(c, b, 'session-of-c-and-b', 3_000_000_000 / 100), 5)
  return { ledger, people }
}
