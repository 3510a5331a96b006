import type { CryptoPort } from '../../ports.js'
import type { SessionStore, StatementStore } from '../../ports/receipts.js'
import { setBounded } from '../../protocol/bounded-map.js'
import type { Settlement } from '../../protocol/coins/receipt.js'
import { LighthouseError } from '../../protocol/errors.js'
import type { Evidence } from '../../protocol/ledger/evidence.js'
import {
  beyondReceipt,
  fork,
  headBlock,
  rollback,
  settledBlock,
  type SignedBlock,
} from '../../protocol/ledger/signed-block.js'
import type { LedgerHead } from '../../protocol/signaling/signal.js'

/** Settlements of this process that are remembered by the number of their block: 2 MB. The store has the highest of each session. */
const rememberedSettlements = 4_096

export interface SignedBlocksOptions {
  readonly identity: { readonly pubKey: string }
  readonly crypto: Pick<CryptoPort, 'verify'>
  readonly store: StatementStore & Pick<SessionStore, 'session'>
}

/** The blocks that one hub has signed for, each new one compared with all that are kept. Throws `store-failed`. */
export class SignedBlocks {
  readonly #recent = new Map<number, Settlement>()
  /** The highest block that it had signed when it last showed less than that. */
  #disputedSeq = 0

  constructor(
    readonly hubKey: string,
    private readonly options: SignedBlocksOptions,
  ) {}

  /**
   * The head that the hub shows as its newest at a sign-in. Throws `bad-signature` for one that it has not signed, which
   * proves nothing.
   */
  shown(head: LedgerHead | undefined): readonly Evidence[] {
    const { hubKey } = this
    const { store } = this.options
    const block = head && headBlock(hubKey, head)
    if (block !== undefined && !this.#isSigned(block)) {
      throw new LighthouseError('bad-signature', `the head ${block.seq} that the hub shows is not signed by its key`)
    }
    const forks = head === undefined ? [] : this.head(head)
    const newest = [
      ...[store.newestHead(hubKey)].flatMap(each => (each === undefined ? [] : headBlock(hubKey, each))),
      ...this.#settled(store.newestSettlement(hubKey)).filter(each => this.#isSigned(each)),
    ]
    const signedSeq = Math.max(0, ...newest.map(({ seq }) => seq))
    if (signedSeq <= Math.max(head?.seq ?? 0, this.#disputedSeq)) return forks
    this.#disputedSeq = signedSeq
    return [...forks, ...newest.flatMap(signed => rollback(block, signed) ?? [])]
  }

  /** A head from anywhere. Kept when the hub has signed it; nothing otherwise, since anybody can make one up. */
  head(head: LedgerHead): readonly Evidence[] {
    const { hubKey } = this
    const { store } = this.options
    const block = headBlock(hubKey, head)
    const kept = store.headsAt(hubKey, head.seq)
    if (kept.some(({ hash }) => hash === head.hash) || !this.#isSigned(block)) return []
    const found = [
      this.#fork(
        kept.map(each => headBlock(hubKey, each)),
        block,
      ),
      this.#fork(this.#settled(this.#recent.get(head.seq), ...store.settlementsAt(head.seq)), block),
    ]
    store.keepHead(hubKey, head)
    return found.filter(each => each !== undefined)
  }

  /** A settlement whose signature was checked, before the store has it. */
  settlement(settlement: Settlement): readonly Evidence[] {
    const { hubKey } = this
    const { store, identity } = this.options
    const { session, seq } = settlement
    const block = settledBlock(hubKey, settlement)
    const kept = store.session(session)
    const found = [
      this.#fork(this.#settled(this.#recent.get(seq), kept?.settlement, ...store.settlementsAt(seq)), block),
      this.#fork(
        store.headsAt(hubKey, seq).map(each => headBlock(hubKey, each)),
        block,
      ),
      kept?.consumer === identity.pubKey ? beyondReceipt(hubKey, settlement, kept.receipt) : undefined,
    ]
    if (!this.#recent.has(seq)) setBounded(this.#recent, seq, settlement, rememberedSettlements)
    return found.filter(each => each !== undefined)
  }

  #settled(...settlements: readonly (Settlement | undefined)[]): readonly SignedBlock[] {
    return settlements.filter(each => each !== undefined).map(each => settledBlock(this.hubKey, each))
  }

  /** The first of these that contradicts the block. What another hub signed proves nothing about this one. */
  #fork(others: readonly SignedBlock[], block: SignedBlock): Evidence | undefined {
    const other = others.find(each => fork(each, block) !== undefined && this.#isSigned(each))
    return other && fork(other, block)
  }

  #isSigned({ by, text, signature }: SignedBlock): boolean {
    return this.options.crypto.verify(by, text, signature)
  }
}
