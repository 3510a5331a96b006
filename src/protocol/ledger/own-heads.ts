import type { Evidence } from './evidence.js'
import { earlyEnd, fork, headBlock, lineFork, type SignedBlock } from './signed-block.js'
import type { LedgerEntry } from './ledger-line.js'
import type { LedgerHead } from '../signaling/signal.js'

/** What somebody keeps of the heads of one hub. */
export interface OwnHeadsOptions {
  readonly hubKey: string
  readonly headsAt: (seq: number) => readonly LedgerHead[]
  readonly newest: LedgerHead | undefined
  readonly verify: (pubKey: string, text: string, signature: string) => boolean
}

/** Compares the lines of a ledger with the heads of its hub that somebody keeps. Holds nothing of either. */
export class OwnHeads {
  /** Heads that were the line with their number. */
  count = 0
  readonly #newest: SignedBlock | undefined

  constructor(private readonly options: OwnHeadsOptions) {
    this.#newest = options.newest && this.#signed([options.newest])[0]
  }

  /** Takes the next line, whether or not the chain is right. Returns what is wrong with it. */
  step(entry: LedgerEntry): Evidence | undefined {
    if (this.#newest === undefined || entry.seq > this.#newest.seq) return undefined
    const kept = this.#signed(this.options.headsAt(entry.seq))
    const found = [...kept.slice(1).map(head => fork(kept[0]!, head)), ...kept.map(head => lineFork(entry, head))].find(
      each => each !== undefined,
    )
    if (found === undefined) this.count += kept.length
    return found
  }

  /** What is wrong with a ledger that ends with this block. */
  end(seq: number): Evidence | undefined {
    return this.#newest === undefined || this.#newest.seq <= seq ? undefined : earlyEnd(seq, this.#newest)
  }

  /** The highest number of which a head is kept. */
  get newestSeq(): number | undefined {
    return this.#newest?.seq
  }

  /** What proves something. */
  #signed(heads: readonly LedgerHead[]): readonly SignedBlock[] {
    const { hubKey, verify } = this.options
    return heads.map(head => headBlock(hubKey, head)).filter(({ by, text, signature }) => verify(by, text, signature))
  }
}
