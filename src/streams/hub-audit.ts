import type { AuditMarks, LedgerMark, ReceiptBook, SessionCharge } from '../ports.js'
import { isWellFormed } from '../protocol/block-shape.js'
import { setBounded } from '../protocol/bounded-map.js'
import { LighthouseError } from '../protocol/errors.js'
import type { Evidence } from '../protocol/evidence.js'
import {
  headAgainstLine,
  headFork,
  headRollback,
  lineFork,
  rewritten,
  settlementAgainstLine,
  settlementFork,
  settlementRollback,
} from '../protocol/head-rules.js'
import { type LedgerEntry, parseLedgerLine } from '../protocol/ledger-line.js'
import { type KnownCharge, LineRules } from '../protocol/line-rules.js'
import { forgedTransfer } from '../protocol/own-lines.js'
import { Promises } from '../protocol/promises.js'
import type { Settlement, SignedReceipt } from '../protocol/receipt.js'
import type { LedgerHead } from '../protocol/signal.js'
import { settledText } from '../protocol/signed-texts.js'
import { SignedHeads, type SignedHeadsOptions } from './signed-heads.js'

/** Followed blocks that are remembered, for heads and settlements that arrive after a look has passed them: 4 MB. */
const rememberedBlocks = 4_096

/** What is needed to judge what a hub says. */
export interface HubAuditOptions extends SignedHeadsOptions {
  readonly identity: { readonly pubKey: string }
  /** Of a block, as lowercase hex. */
  readonly hash: (entry: LedgerEntry) => string
  readonly book: SignedHeadsOptions['book'] &
    Pick<ReceiptBook, 'settlement' | 'uncompared' | 'compared' | 'charged' | 'charge'>
  readonly marks: AuditMarks
}

/** A block that was followed; its line where it was not only vouched for by a head. */
interface Followed {
  readonly hash: string
  readonly line: string | undefined
}

/** A copy that does not keep the piece alive of which it is a slice. */
const copy = (text: string): string => JSON.parse(JSON.stringify(text)) as string

/** What is known of one hub, from one session with it to the next. */
export class HubAudit {
  readonly #followed = new Map<number, Followed>()
  readonly #promises: Promises
  readonly #heads: SignedHeads
  #rules: LineRules
  /** Of this peer's sessions, since they were kept last. */
  readonly #charges = new Map<string, SessionCharge>()
  /** What was paid to this peer and the book does not have. At most a piece of the ledger, since each is taken after it. */
  #unheard: SignedReceipt[] = []
  #mark: LedgerMark | undefined
  #settled: Settlement | undefined
  /** Blocks that were looked at, by which a look can be told that came to nothing. */
  #steps = 0
  #failedLooks = 0

  constructor(
    readonly hubKey: string,
    private readonly options: HubAuditOptions,
  ) {
    this.#promises = new Promises(hubKey)
    this.#heads = new SignedHeads(hubKey, options)
    this.#rules = this.#newRules()
    this.#mark = options.marks.read(hubKey)
    if (this.#mark !== undefined) this.#advance(this.#mark, undefined)
  }

  get mark(): LedgerMark | undefined {
    return this.#mark
  }

  get steps(): number {
    return this.#steps
  }

  /** The newest that the hub has signed until now: what it shows to a question from now on must not be behind. */
  signed(): { readonly head: LedgerHead | undefined; readonly settled: Settlement | undefined } {
    return { head: this.#heads.counting(this.#mark), settled: this.#settled }
  }

  /** With what vouches for the blocks that it rests on. */
  vouch(evidence: Evidence): Evidence {
    return this.#heads.vouch(evidence)
  }

  /** Whether the hub has signed for blocks that were not looked at. */
  isBehind(): boolean {
    const signed = this.#heads.counting(this.#mark)
    return (signed !== undefined && signed.seq > (this.#mark?.seq ?? 0)) || this.unseen(1).length > 0
  }

  /** Takes up the settlements of the book that were never compared with the ledger, as far as there is room. */
  refill(): Evidence[] {
    const { book, crypto } = this.options
    const found: Evidence[] = []
    const foreign: Settlement[] = []
    for (const settlement of book.uncompared()) {
      if (this.#promises.isFull) break
      if (this.#promises.has(settlement)) continue
      if (crypto.verify(this.hubKey, settledText(settlement), settlement.signature)) {
        found.push(...this.#hear(settlement))
        if (settlement.seq > this.#disputed) this.#raise(settlement)
      } else foreign.push(settlement)
    }
    // What another hub signed says nothing about this one.
    if (foreign.length > 0) book.compared(foreign)
    return found
  }

  /** A head from anywhere. Kept when the hub has signed it; nothing otherwise, since anybody can make one up. */
  onHead(head: LedgerHead): Evidence[] {
    const kept = this.#heads.at(head.seq)
    if (kept.some(({ hash }) => hash === head.hash) || !this.#heads.isSigned(head)) return []
    const followed = this.#followed.get(head.seq)
    const entry = followed?.line === undefined ? undefined : parseLedgerLine(followed.line)
    const found = [
      headFork(this.hubKey, head, kept),
      ...this.#promises.at(head.seq).map(settlement => settlementFork(this.hubKey, head, settlement)),
      followed === undefined || followed.hash === head.hash ? undefined : headAgainstLine(this.hubKey, head, entry),
    ]
    this.#heads.keep(head)
    return found.filter(evidence => evidence !== undefined)
  }

  /** Whether a head that the hub shows is behind what it had signed before it was asked: the evidence. */
  rollbacks(head: LedgerHead | undefined, { head: signed, settled }: ReturnType<HubAudit['signed']>): Evidence[] {
    const rollback = signed && headRollback(this.hubKey, head, signed)
    const unsettled = head && settled && settlementRollback(this.hubKey, head, settled)
    return [rollback, unsettled].filter(evidence => evidence !== undefined)
  }

  /**
   * A head that the hub itself shows as its newest, and what it had signed before it was asked. Throws `bad-signature` for one
   * that it has not signed, which says nothing and is not gone by. What is new has to be kept then.
   */
  onOwnHead(head: LedgerHead | undefined, before: ReturnType<HubAudit['signed']>): Evidence[] {
    if (head === undefined) return this.rollbacks(head, before)
    if (!this.#heads.isSigned(head)) {
      throw new LighthouseError('bad-signature', `the head ${head.seq} that the hub shows is not signed by its key`)
    }
    const rollbacks = this.rollbacks(head, before)
    const found = [...this.onHead(head), ...rollbacks]
    const isOther = head.seq === this.#mark?.seq && head.hash !== this.#mark.hash
    if (isOther || rollbacks.length > 0) this.anchor(head)
    // Trust starts with the first head.
    else if (this.#mark === undefined) this.#advance(head, undefined)
    return found
  }

  /** A settlement whose signature was checked. Compared with its block at once where that is remembered, else when it is seen. */
  onSettlement(settlement: Settlement): Evidence[] {
    this.#raise(settlement)
    return this.#hear(settlement)
  }

  /** Goes on from this head, since the ledger does not go on from where it was; that was reported. */
  anchor(head: LedgerHead): void {
    const disputed = Math.max(
      this.#heads.newest?.seq ?? 0,
      this.#settled?.seq ?? 0,
      this.#mark?.seq ?? 0,
      this.#disputed,
    )
    this.#settled = undefined
    this.#followed.clear()
    this.#charges.clear()
    this.#rules = this.#newRules()
    this.#advance({ ...head, disputed }, undefined)
  }

  /** The next line of the ledger. False when nothing can be said of what follows. */
  onLine(text: string, found: Evidence[]): boolean {
    const { identity, crypto } = this.options
    const mark = this.#mark!
    const seq = mark.seq + 1
    const line = copy(text)
    const entry = parseLedgerLine(line)
    this.#steps += 1
    if (!this.#isBlock(entry, seq) || entry.prev_hash !== mark.hash) {
      const isBlock = entry !== undefined && isWellFormed(entry)
      found.push(rewritten(seq, entry, isBlock))
      const forged = entry && forgedTransfer(entry, identity.pubKey, crypto.verify)
      if (forged !== undefined) found.push(forged)
      return false
    }
    for (const head of this.#heads.at(seq)) {
      const fork = lineFork(this.hubKey, entry, head)
      if (fork !== undefined) found.push(fork)
    }
    found.push(...this.#promises.compare(entry))
    const wrong = this.#rules.step(entry)
    if (wrong !== undefined) found.push(wrong)
    const { from, to, receipt } = entry
    if (receipt !== null && (from === identity.pubKey || to === identity.pubKey)) {
      this.#charges.set(receipt.session, { seq, bytes: receipt.bytes })
      const isUnheard =
        to === identity.pubKey && receipt.bytes > (this.options.book.settlement(receipt.session)?.bytes ?? 0)
      if (isUnheard && wrong === undefined) this.#unheard.push(receipt)
    }
    this.#advance(entry, line)
    return true
  }

  /** The receipts of this peer's lines since the last call that pay it more than its book has as settled. */
  takeUnheard(): readonly SignedReceipt[] {
    const unheard = this.#unheard
    this.#unheard = []
    return unheard
  }

  /** Blocks that were passed, are not remembered, and for which a settlement waits; at most so many. */
  unseen(limit: number): readonly number[] {
    return this.#promises.upTo(this.#mark?.seq ?? 0, limit)
  }

  /** What the hub gives out as the block with a number that was passed; undefined when that is nothing. */
  onOldLine(seq: number, text: string | undefined): readonly Evidence[] {
    const entry = text === undefined ? undefined : parseLedgerLine(text)
    this.#steps += 1
    return this.#isBlock(entry, seq) ? this.#promises.compare(entry) : this.#promises.absent(seq, entry)
  }

  /** A look is over. Returns how many in a row came to nothing. */
  looked(isDone: boolean): number {
    this.#failedLooks = isDone ? 0 : this.#failedLooks + 1
    return this.#failedLooks
  }

  /** Keeps how far it has come, what this peer was charged and paid there, and which settlements were compared. */
  keep(): void {
    const { marks, book } = this.options
    for (const [session, charge] of this.#charges) book.charge(session, charge)
    this.#charges.clear()
    const kept = marks.read(this.hubKey)
    const isNew = kept?.hash !== this.#mark?.hash || kept?.disputed !== this.#mark?.disputed
    if (this.#mark !== undefined && isNew) marks.write(this.hubKey, this.#mark)
    const compared = this.#promises.takeCompared()
    if (compared.length > 0) book.compared(compared)
  }

  /** The newest settlement is what a head must not be behind. */
  #raise(settlement: Settlement): void {
    if (this.#settled === undefined || this.#settled.seq < settlement.seq) this.#settled = settlement
  }

  /** Compares it with all that is known of its block. */
  #hear(settlement: Settlement): Evidence[] {
    const { seq, hash } = settlement
    const followed = this.#followed.get(seq)
    const entry = followed?.line === undefined ? undefined : parseLedgerLine(followed.line)
    const found = [
      ...this.#heads.at(seq).map(head => settlementFork(this.hubKey, head, settlement)),
      this.#promises.add(settlement),
      ...(entry === undefined ? [] : this.#promises.compare(entry)),
      entry === undefined && followed !== undefined && followed.hash !== hash
        ? settlementAgainstLine(this.hubKey, settlement)
        : undefined,
    ]
    return found.filter(evidence => evidence !== undefined)
  }

  /** Nothing is hashed, and nothing remembered, before it has the shape of a block. */
  #isBlock(entry: LedgerEntry | undefined, seq: number): entry is LedgerEntry {
    return entry !== undefined && isWellFormed(entry) && entry.seq === seq && this.options.hash(entry) === entry.hash
  }

  /** What the book and the look that is under way know was charged. */
  #known(session: string): readonly KnownCharge[] {
    const { book } = this.options
    const [settlement, charge] = [book.settlement(session), this.#charges.get(session) ?? book.charged(session)]
    return [
      ...(settlement === undefined ? [] : [{ seq: settlement.seq, bytes: settlement.bytes, settlement }]),
      ...(charge === undefined ? [] : [charge]),
    ].filter(({ seq }) => seq > this.#disputed)
  }

  get #disputed(): number {
    return this.#mark?.disputed ?? 0
  }

  #newRules(): LineRules {
    const { identity, crypto } = this.options
    return new LineRules({
      ...{ pubKey: identity.pubKey, hubKey: this.hubKey, verify: crypto.verify },
      charges: session => this.#known(session),
    })
  }

  #advance({ seq, hash, disputed = this.#mark?.disputed }: LedgerMark, line: string | undefined): void {
    this.#mark = { seq, hash: copy(hash), ...(disputed === undefined ? {} : { disputed }) }
    setBounded(this.#followed, seq, { hash: this.#mark.hash, line }, rememberedBlocks)
    this.#heads.reach(this.#mark)
  }
}
