import type { AuditMarks, CryptoPort, LedgerMark, ReceiptBook } from '../ports.js'
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
  settlementFork,
  settlementRollback,
  settlementsFork,
} from '../protocol/head-rules.js'
import { type LedgerEntry, parseLedgerLine } from '../protocol/ledger-line.js'
import { LineRules } from '../protocol/line-rules.js'
import { brokenPromise, forgedTransfer, keepsPromise } from '../protocol/own-lines.js'
import type { Settlement } from '../protocol/receipt.js'
import type { LedgerHead } from '../protocol/signal.js'
import { headText, settledText } from '../protocol/signed-texts.js'

/** Checked blocks whose hashes are remembered, for settlements that arrive after a look has passed them: 1.5 MB. */
const rememberedBlocks = 4_096

/** Settlements whose blocks were not seen yet. */
const maxDue = 10_000

/** What is needed to judge what a hub says. */
export interface HubAuditOptions {
  readonly identity: { readonly pubKey: string }
  readonly crypto: Pick<CryptoPort, 'verify'>
  /** Of a block, as lowercase hex. */
  readonly hash: (entry: LedgerEntry) => string
  readonly book: Pick<ReceiptBook, 'keepHead' | 'headsAt' | 'newestHead' | 'settlements'>
  readonly marks: AuditMarks
}

/** What is known of one hub while one session with it lasts. */
export class HubAudit {
  readonly #due = new Map<number, Settlement>()
  readonly #hashes = new Map<number, string>()
  readonly #rules: LineRules
  #mark: LedgerMark | undefined
  #settled: Settlement | undefined

  constructor(
    private readonly hubKey: string,
    private readonly options: HubAuditOptions,
  ) {
    const { identity, crypto, marks, book } = options
    this.#rules = new LineRules({ pubKey: identity.pubKey, hubKey, verify: crypto.verify })
    this.#mark = marks.read(hubKey)
    if (this.#mark !== undefined) this.#hashes.set(this.#mark.seq, this.#mark.hash)
    for (const settlement of book.settlements()) {
      // At first only the newest counts: what was settled before the first head is not looked at.
      if (this.#mark === undefined) this.#due.clear()
      else if (settlement.seq <= this.#mark.seq || this.#due.size >= maxDue) continue
      this.#due.set(settlement.seq, settlement)
    }
    for (const settlement of this.#due.values()) {
      // What another hub signed says nothing about this one.
      if (crypto.verify(hubKey, settledText(settlement), settlement.signature)) this.#settled = settlement
      else this.#due.delete(settlement.seq)
    }
  }

  get mark(): LedgerMark | undefined {
    return this.#mark
  }

  /** The newest that the hub has signed until now: what it shows to a question from now on must not be behind. */
  signed(): { readonly head: LedgerHead | undefined; readonly settled: Settlement | undefined } {
    return { head: this.options.book.newestHead(this.hubKey), settled: this.#settled }
  }

  /** Whether the hub has signed for blocks that were not looked at. */
  isBehind(): boolean {
    const signed = this.options.book.newestHead(this.hubKey)
    return signed !== undefined && signed.seq > (this.#mark?.seq ?? 0)
  }

  /** A head from anywhere. Kept when the hub has signed it; nothing otherwise, since anybody can make one up. */
  onHead(head: LedgerHead): Evidence[] {
    const { book } = this.options
    const kept = book.headsAt(this.hubKey, head.seq)
    if (kept.some(({ hash }) => hash === head.hash) || !this.#isSigned(head)) return []
    const due = this.#due.get(head.seq)
    const checked = this.#hashes.get(head.seq)
    const found = [
      headFork(this.hubKey, head, kept),
      due && settlementFork(this.hubKey, head, due),
      checked === undefined || checked === head.hash ? undefined : headAgainstLine(this.hubKey, head),
    ]
    book.keepHead(this.hubKey, head)
    return found.filter(evidence => evidence !== undefined)
  }

  /**
   * A head that the hub itself shows as its newest, and what it had signed before it was asked. Throws `bad-signature` for one
   * that it has not signed, which says nothing and is not gone by.
   */
  onOwnHead(head: LedgerHead | undefined, before: ReturnType<HubAudit['signed']>): Evidence[] {
    if (head !== undefined && !this.#isSigned(head)) {
      throw new LighthouseError('bad-signature', `the head ${head.seq} that the hub shows is not signed by its key`)
    }
    const found = head === undefined ? [] : this.onHead(head)
    const { head: signed, settled } = before
    const rollback = signed && headRollback(this.hubKey, head, signed)
    const unsettled = head && settled && settlementRollback(this.hubKey, head, settled)
    // Trust starts with the first head.
    if (this.#mark === undefined && head !== undefined) {
      this.#advance(head)
      this.keep()
    }
    return [...found, rollback, unsettled].filter(evidence => evidence !== undefined)
  }

  onSettlement(settlement: Settlement): Evidence[] {
    const { seq, hash } = settlement
    const found = this.options.book.headsAt(this.hubKey, seq).map(head => settlementFork(this.hubKey, head, settlement))
    if (this.#settled === undefined || this.#settled.seq < seq) this.#settled = settlement
    const due = this.#due.get(seq)
    if (due !== undefined) found.push(settlementsFork(this.hubKey, due, settlement))
    const checked = this.#hashes.get(seq)
    if (checked !== undefined && checked !== hash) {
      const message = `the hub signed that block ${seq} settles session ${settlement.session}, and its ledger has another block in that place`
      const statements = [{ by: this.hubKey, text: settledText(settlement), signature: settlement.signature }]
      found.push({ kind: 'missing', message, statements, lines: [] })
    }
    if (seq > (this.#mark?.seq ?? 0) && this.#due.size < maxDue) this.#due.set(seq, settlement)
    return found.filter(evidence => evidence !== undefined)
  }

  /** The next line of the ledger. False when nothing can be said of what follows. */
  onLine(text: string, found: Evidence[]): boolean {
    const { book, hash, identity, crypto } = this.options
    const mark = this.#mark!
    const seq = mark.seq + 1
    const entry = parseLedgerLine(text)
    // Nothing is hashed, and nothing remembered, before it has the shape of a block.
    const isBlock = entry !== undefined && isWellFormed(entry)
    if (!isBlock || entry.seq !== seq || entry.prev_hash !== mark.hash || hash(entry) !== entry.hash) {
      found.push(rewritten(this.hubKey, seq, entry, isBlock, book.newestHead(this.hubKey)))
      const forged = entry && forgedTransfer(entry, identity.pubKey, crypto.verify)
      if (forged !== undefined) found.push(forged)
      return false
    }
    for (const head of book.headsAt(this.hubKey, seq)) {
      const fork = lineFork(this.hubKey, entry, head)
      if (fork !== undefined) found.push(fork)
    }
    const due = this.#due.get(seq)
    this.#due.delete(seq)
    if (due !== undefined && !keepsPromise(entry, due)) {
      found.push(brokenPromise(this.hubKey, entry, { ...due, receipt: undefined }))
    }
    const wrong = this.#rules.step(entry)
    if (wrong !== undefined) found.push(wrong)
    this.#advance(entry)
    return true
  }

  /** Keeps how far it has come. */
  keep(): void {
    if (this.#mark !== undefined) this.options.marks.write(this.hubKey, this.#mark)
  }

  #isSigned({ seq, hash, signature }: LedgerHead): boolean {
    return this.options.crypto.verify(this.hubKey, headText(seq, hash), signature)
  }

  #advance({ seq, hash }: LedgerMark): void {
    // Copies: the texts are slices of what was read.
    this.#mark = JSON.parse(JSON.stringify({ seq, hash })) as LedgerMark
    setBounded(this.#hashes, seq, this.#mark.hash, rememberedBlocks)
  }
}
