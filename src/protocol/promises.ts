import { type Evidence, settlementStatement } from './evidence.js'
import { settlementsFork } from './head-rules.js'
import type { LedgerEntry } from './ledger-line.js'
import { brokenPromise, keepsPromise } from './own-lines.js'
import { isSameSettlement, type Settlement } from './receipt.js'

/** Settlements that wait for their blocks: 5 MB. A book keeps more of them, which follow when these are done. */
const maxWaiting = 10_000

/** Different ones for one block. Two are evidence already. */
const maxForBlock = 16

/**
 * What one hub has signed as settlements, each a promise about one block, until it was compared with that block. Different ones
 * for one block are kept beside each other, so that a truth does not cover a lie.
 */
export class Promises {
  readonly #waiting = new Map<number, Settlement[]>()
  #count = 0
  #compared: Settlement[] = []

  constructor(private readonly hubKey: string) {}

  get isFull(): boolean {
    return this.#count >= maxWaiting
  }

  at(seq: number): readonly Settlement[] {
    return this.#waiting.get(seq) ?? []
  }

  has(settlement: Settlement): boolean {
    return this.at(settlement.seq).some(other => isSameSettlement(other, settlement))
  }

  /** Takes one whose signature was checked. Returns what the hub has signed against it, if it has. */
  add(settlement: Settlement): Evidence | undefined {
    if (this.has(settlement)) return undefined
    const { seq } = settlement
    const others = this.at(seq)
    if (!this.isFull && others.length < maxForBlock) {
      this.#waiting.set(seq, [...others, settlement])
      this.#count += 1
    }
    return others[0] && settlementsFork(this.hubKey, others[0], settlement)
  }

  /** Compares those for this block with it. */
  compare(entry: LedgerEntry): readonly Evidence[] {
    return this.#take(entry.seq)
      .filter(each => !keepsPromise(entry, each))
      .map(each => brokenPromise(this.hubKey, entry, { ...each, receipt: undefined }))
  }

  /** The hub does not have the block with this number, or shows what is none. */
  absent(seq: number, instead: LedgerEntry | undefined): readonly Evidence[] {
    return this.#take(seq).map(each => ({
      kind: 'missing',
      message: `the hub signed that block ${seq} settles session ${each.session}, and does not give out a block with that number`,
      statements: [settlementStatement(this.hubKey, each)],
      lines: instead === undefined ? [] : [instead],
    }))
  }

  /** The lowest blocks up to this one for which some wait. */
  upTo(seq: number, limit: number): readonly number[] {
    const passed = [...this.#waiting.keys()].filter(number => number <= seq)
    return passed.toSorted((one, other) => one - other).slice(0, limit)
  }

  /** What was compared since this was asked last. */
  takeCompared(): readonly Settlement[] {
    const compared = this.#compared
    this.#compared = []
    return compared
  }

  #take(seq: number): readonly Settlement[] {
    const taken = this.at(seq)
    this.#waiting.delete(seq)
    this.#count -= taken.length
    this.#compared.push(...taken)
    return taken
  }
}
