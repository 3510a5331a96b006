import type { CryptoPort, LedgerMark, ReceiptBook } from '../ports.js'
import { type Evidence, headStatement } from '../protocol/evidence.js'
import type { LedgerHead } from '../protocol/signal.js'
import { headText } from '../protocol/signed-texts.js'

/** Where heads are kept, and what checks them. */
export interface SignedHeadsOptions {
  readonly crypto: Pick<CryptoPort, 'verify'>
  readonly book: Pick<ReceiptBook, 'keepHead' | 'headsAt' | 'newestHead'>
}

/** The heads that one hub has signed, as far as they were seen. */
export class SignedHeads {
  /** The newest of them up to which the ledger was followed. */
  #reached: LedgerHead | undefined

  constructor(
    private readonly hubKey: string,
    private readonly options: SignedHeadsOptions,
  ) {}

  isSigned({ seq, hash, signature }: LedgerHead): boolean {
    return this.options.crypto.verify(this.hubKey, headText(seq, hash), signature)
  }

  at(seq: number): readonly LedgerHead[] {
    return this.options.book.headsAt(this.hubKey, seq)
  }

  keep(head: LedgerHead): void {
    this.options.book.keepHead(this.hubKey, head)
  }

  get newest(): LedgerHead | undefined {
    return this.options.book.newestHead(this.hubKey)
  }

  /** The newest that counts, for somebody who follows the ledger and is here: of what is disputed only where he is. */
  counting(mark: LedgerMark | undefined): LedgerHead | undefined {
    const { newest } = this
    return newest === undefined || mark === undefined || newest.seq > (mark.disputed ?? 0) ? newest : this.#where(mark)
  }

  /** The ledger was followed up to here. */
  reach(mark: LedgerMark): void {
    this.#reached = this.#where(mark) ?? this.#reached
  }

  /**
   * Evidence that rests on blocks, which nobody signs one by one, with the heads of the ledger that they are of: the one up to
   * which it was followed, and the newest. Whoever fetches the blocks between those can see whether they are there.
   */
  vouch(evidence: Evidence): Evidence {
    if (evidence.lines.length === 0 && evidence.kind !== 'missing') return evidence
    const known = new Set(evidence.statements.map(({ text }) => text))
    const heads = [this.#reached, this.newest].filter(head => head !== undefined)
    const added = heads.map(head => headStatement(this.hubKey, head)).filter(({ text }) => !known.has(text))
    const isTwice = added[0]?.text === added[1]?.text
    return { ...evidence, statements: [...evidence.statements, ...(isTwice ? added.slice(1) : added)] }
  }

  #where({ seq, hash }: LedgerMark): LedgerHead | undefined {
    return this.at(seq).find(head => head.hash === hash)
  }
}
