import type { CryptoPort } from '../../ports.js'
import type { SessionStore, StatementStore } from '../../ports/receipts.js'
import { setBounded } from '../../protocol/bounded-map.js'
import { LighthouseError } from '../../protocol/errors.js'
import type { Evidence } from '../../protocol/ledger/evidence.js'
import {
  beyondReceipt,
  headFork,
  headRollback,
  settlementFork,
  settlementRollback,
  settlementsFork,
} from '../../protocol/ledger/consistency.js'
import type { Settlement } from '../../protocol/coins/receipt.js'
import type { LedgerHead } from '../../protocol/signaling/signal.js'
import { headText, settledText } from '../../protocol/signaling/signed-texts.js'

/** Settlements of this process that are remembered by the number of their block: 2 MB. The store has the highest of each session. */
const rememberedSettlements = 4_096

export interface SignedStatementsOptions {
  readonly identity: { readonly pubKey: string }
  readonly crypto: Pick<CryptoPort, 'verify'>
  readonly store: StatementStore & Pick<SessionStore, 'session'>
}

/** What one hub has signed, each new statement compared with all that are kept. Throws `store-failed`. */
export class SignedStatements {
  readonly #recent = new Map<number, Settlement>()
  /** The highest block that it had signed when it last showed less than that. */
  #disputedSeq = 0

  constructor(
    readonly hubKey: string,
    private readonly options: SignedStatementsOptions,
  ) {}

  /**
   * The head that the hub shows as its newest at a sign-in. Throws `bad-signature` for one that it has not signed, which says
   * nothing.
   */
  onShownHead(head: LedgerHead | undefined): readonly Evidence[] {
    const { hubKey } = this
    if (head !== undefined && !this.#isSigned(head)) {
      throw new LighthouseError('bad-signature', `the head ${head.seq} that the hub shows is not signed by its key`)
    }
    const forks = head === undefined ? [] : this.onHead(head)
    const { store } = this.options
    const signed = store.newestHead(hubKey)
    const settled = this.#genuine(store.newestSettlement(hubKey))
    const signedSeq = Math.max(signed?.seq ?? 0, settled?.seq ?? 0)
    if (signedSeq <= Math.max(head?.seq ?? 0, this.#disputedSeq)) return forks
    this.#disputedSeq = signedSeq
    return [
      ...forks,
      signed && headRollback(hubKey, head, signed),
      settled && settlementRollback(hubKey, head, settled),
    ].filter(evidence => evidence !== undefined)
  }

  /** A head from anywhere. Kept when the hub has signed it; nothing otherwise, since anybody can make one up. */
  onHead(head: LedgerHead): readonly Evidence[] {
    const { hubKey } = this
    const { store } = this.options
    const kept = store.headsAt(hubKey, head.seq)
    if (kept.some(({ hash }) => hash === head.hash) || !this.#isSigned(head)) return []
    const settlements = [this.#recent.get(head.seq), ...store.settlementsAt(head.seq)]
    const found = [
      headFork(hubKey, head, kept),
      settlements
        .filter(settlement => settlement !== undefined)
        .filter(settlement => settlement.hash !== head.hash && this.#genuine(settlement) !== undefined)
        .map(settlement => settlementFork(hubKey, head, settlement))[0],
    ]
    store.keepHead(hubKey, head)
    return found.filter(evidence => evidence !== undefined)
  }

  /** A settlement whose signature was checked, before the store has it. */
  onSettlement(settlement: Settlement): readonly Evidence[] {
    const { hubKey } = this
    const { store, identity } = this.options
    const { session, seq } = settlement
    const kept = store.session(session)
    const others = [this.#recent.get(seq), kept?.settlement, ...store.settlementsAt(seq)]
    const other = others.find(
      each => each !== undefined && settlementsFork(hubKey, each, settlement) && this.#genuine(each) !== undefined,
    )
    if (!this.#recent.has(seq)) setBounded(this.#recent, seq, settlement, rememberedSettlements)
    return [
      other && settlementsFork(hubKey, other, settlement),
      ...store.headsAt(hubKey, seq).map(head => settlementFork(hubKey, head, settlement)),
      kept?.consumer === identity.pubKey ? beyondReceipt(hubKey, settlement, kept.receipt) : undefined,
    ].filter(evidence => evidence !== undefined)
  }

  #isSigned({ seq, hash, signature }: LedgerHead): boolean {
    return this.options.crypto.verify(this.hubKey, headText(seq, hash), signature)
  }

  /** Undefined for one that another hub signed, which says nothing about this one. */
  #genuine(settlement: Settlement | undefined): Settlement | undefined {
    const isGenuine =
      settlement !== undefined && this.options.crypto.verify(this.hubKey, settledText(settlement), settlement.signature)
    return isGenuine ? settlement : undefined
  }
}
