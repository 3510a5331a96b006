import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  startWith,
  Subject,
  switchMap,
  takeUntil,
  takeWhile,
  throwError,
  timer,
} from 'rxjs'
import { exhaustMapWithTrailing } from '../operators/exhaust-map-with-trailing.js'
import type { AuditMarks, CryptoPort, HubClient, LedgerMark, ReceiptBook } from '../ports.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import type { Evidence } from '../protocol/evidence.js'
import {
  earlyEnd,
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
import { brokenPromise, keepsPromise } from '../protocol/own-lines.js'
import type { Settlement } from '../protocol/receipt.js'
import { type LedgerHead, parseHead, type Signal } from '../protocol/signal.js'
import { headText, settledText } from '../protocol/signed-texts.js'

/** Between two looks at the hub's ledger. What is dishonest stays so. */
const roundGapMs = 10_000

/** For a whole look: a hub that gives out its ledger drop by drop holds up nothing but itself. */
const roundLimitMs = 60_000

/** Blocks that are fetched in one look: 10 MB, and a second and a half of checking signatures, spread over its pieces. */
const roundBlocks = 10_000

/** Checked blocks whose hashes are remembered, for settlements that arrive after a look has passed them: 1.5 MB. */
const rememberedBlocks = 4_096

/** Settlements whose blocks were not seen yet. */
const maxDue = 10_000

/** Findings that are not said again. */
const maxReported = 1_000

/** What the audit says. */
export type AuditEvent =
  /** Something that the hub did and cannot deny. Each is said once. */
  | (Evidence & { readonly type: 'evidence'; readonly hub: string })
  /** The ledger was followed up to this block. */
  | { readonly type: 'checked'; readonly hub: string; readonly seq: number }
  /** A look had to be given up, or could not be kept; the next one is ten seconds later at the soonest. */
  | { readonly type: 'postponed'; readonly reason: LighthouseError }

/** What the audit needs. The observables are hot; what they emit without a subscription is missed. */
export interface LedgerAuditOptions {
  readonly identity: { readonly pubKey: string }
  readonly crypto: Pick<CryptoPort, 'verify'>
  /** Of a block, as lowercase hex. */
  readonly hash: (entry: LedgerEntry) => string
  readonly hub: Pick<HubClient, 'head$' | 'ledger$'>
  readonly book: Pick<ReceiptBook, 'keepHead' | 'headsAt' | 'newestHead' | 'settlements'>
  readonly marks: AuditMarks
  /** The session with the hub, undefined while there is none. Replays the current one. */
  readonly session$: Observable<{ readonly hubKey: string; readonly head: LedgerHead | undefined } | undefined>
  /** Every signal for this peer: offers and answers carry heads. */
  readonly signal$: Observable<Signal>
  /** Settlements whose signature was checked. */
  readonly settled$: Observable<Settlement>
  readonly scheduler: SchedulerLike
}

/** Heads that other peers know, as their offers and answers carry them. Unchecked. */
function headOf(signal: Signal): LedgerHead | undefined {
  return signal.type === 'offer' || signal.type === 'answer' ? parseHead(signal.payload.head) : undefined
}

/** What is known of one hub while one session with it lasts. */
class HubAudit {
  readonly #due = new Map<number, Settlement>()
  readonly #hashes = new Map<number, string>()
  readonly #rules: LineRules
  #mark: LedgerMark | undefined
  #settled: Settlement | undefined

  constructor(
    private readonly hubKey: string,
    private readonly options: LedgerAuditOptions,
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
    const { crypto, book } = this.options
    const kept = book.headsAt(this.hubKey, head.seq)
    if (kept.some(({ hash }) => hash === head.hash)) return []
    if (!crypto.verify(this.hubKey, headText(head.seq, head.hash), head.signature)) return []
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

  /** A head that the hub itself shows as its newest, and what it had signed before it was asked. */
  onOwnHead(head: LedgerHead | undefined, before: ReturnType<HubAudit['signed']>): Evidence[] {
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
    const { book, hash } = this.options
    const mark = this.#mark!
    const seq = mark.seq + 1
    const entry = parseLedgerLine(text)
    if (entry === undefined || entry.seq !== seq || entry.prev_hash !== mark.hash || hash(entry) !== entry.hash) {
      found.push(rewritten(this.hubKey, seq, entry, book.newestHead(this.hubKey)))
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

  #advance({ seq, hash }: LedgerMark): void {
    // Copies: the texts are slices of what was read.
    this.#mark = JSON.parse(JSON.stringify({ seq, hash })) as LedgerMark
    this.#hashes.set(seq, this.#mark.hash)
    if (this.#hashes.size > rememberedBlocks) this.#hashes.delete(this.#hashes.keys().next().value!)
  }
}

function said(hub: string, found: readonly Evidence[]): Observable<AuditEvent> {
  return from(found.map(evidence => ({ type: 'evidence' as const, hub, ...evidence })))
}

/** Fetches what is new up to `head`, or `roundBlocks` of it, and checks it line by line. */
function follow$(
  hubKey: string,
  audit: HubAudit,
  head: LedgerHead,
  hub: LedgerAuditOptions['hub'],
): Observable<AuditEvent> {
  return defer(() => {
    const start = audit.mark!.seq
    if (head.seq <= start) return EMPTY
    const target = Math.min(head.seq, start + roundBlocks)
    let isBroken = false
    const lines$ = hub.ledger$(start).pipe(
      concatMap(lines => {
        const found: Evidence[] = []
        for (const line of lines) {
          if (isBroken || audit.mark!.seq >= target) break
          isBroken = !audit.onLine(line, found)
        }
        return concat(said(hubKey, found), of(undefined))
      }),
      takeWhile(event => event !== undefined || (!isBroken && audit.mark!.seq < target)),
      filter(event => event !== undefined),
    )
    const end$ = defer(() => {
      const { seq } = audit.mark!
      if (seq > start) audit.keep()
      const early = !isBroken && seq < target ? said(hubKey, [earlyEnd(hubKey, seq, head)]) : EMPTY
      return seq > start ? concat(early, of<AuditEvent>({ type: 'checked', hub: hubKey, seq })) : early
    })
    return concat(lines$, end$)
  })
}

/** One look at the hub: its head now, and the blocks up to it. */
function round$(hubKey: string, audit: HubAudit, { hub, scheduler }: LedgerAuditOptions): Observable<AuditEvent> {
  const tooLate$ = timer(roundLimitMs, scheduler).pipe(
    map(() => {
      const message = `the hub took more than ${roundLimitMs / 1000} s to give out its ledger`
      throw new LighthouseError('hub-unreachable', message)
    }),
  )
  return defer(() => {
    const before = audit.signed()
    return hub.head$().pipe(
      concatMap(answer => {
        if (answer.hubKey !== hubKey) {
          const message = 'the hub shows another key over HTTP than where this peer signed in'
          return throwError(
            () => new LighthouseError('key-changed', message, { expected: hubKey, actual: answer.hubKey }),
          )
        }
        const { head } = answer
        const found = said(hubKey, audit.onOwnHead(head, before))
        return head === undefined || audit.mark === undefined ? found : concat(found, follow$(hubKey, audit, head, hub))
      }),
    )
  }).pipe(
    takeUntil(tooLate$),
    catchError((error: unknown) => postponed(error)),
  )
}

function postponed(error: unknown): Observable<AuditEvent> {
  return of({ type: 'postponed', reason: toLighthouseError('store-failed', error) })
}

/** All that is heard while one session with the hub lasts. */
function sessionAudit$(
  hubKey: string,
  head: LedgerHead | undefined,
  options: LedgerAuditOptions,
): Observable<AuditEvent> {
  const { signal$, settled$, scheduler } = options
  return defer(() => {
    const audit = new HubAudit(hubKey, options)
    const look$ = new Subject<void>()
    /** What one event comes to. That a store failed ends nothing. */
    const say$ = (work: () => readonly Evidence[], isNews: () => boolean): Observable<AuditEvent> =>
      defer(() => {
        const found = said(hubKey, work())
        if (isNews()) look$.next()
        return found
      }).pipe(catchError(postponed))
    const own$ = say$(
      () => audit.onOwnHead(head, audit.signed()),
      () => false,
    )
    const heads$ = signal$.pipe(
      map(headOf),
      filter(other => other !== undefined),
      mergeMap(other =>
        say$(
          () => audit.onHead(other),
          () => audit.isBehind(),
        ),
      ),
    )
    const settlements$ = settled$.pipe(
      mergeMap(settlement =>
        say$(
          () => audit.onSettlement(settlement),
          () => true,
        ),
      ),
    )
    const rounds$ = look$.pipe(
      startWith(undefined),
      exhaustMapWithTrailing(() => {
        const before = audit.mark
        const more$ = defer(() => {
          // A look has its bounds; the rest is for the next one.
          if (audit.mark !== before && audit.isBehind()) look$.next()
          return EMPTY
        })
        const gap$ = timer(roundGapMs, scheduler).pipe(ignoreElements())
        return concat(round$(hubKey, audit, options), gap$, more$.pipe(catchError(postponed)))
      }),
    )
    return merge(own$, heads$, settlements$, rounds$)
  }).pipe(catchError(postponed))
}

/**
 * A peer's eye on its hub's ledger, as long as it is subscribed to.
 *
 *     session$       s---------------------------------------
 *     head$, ledger$ [look]    [look]             [look]          at most every 10 s
 *     settled$       ------x-------------------------x-------
 *     ledgerAudit$   -----c----c-----------------e----c------     c checked, e evidence
 *
 * Keeps every head that the hub signed, its own and those that other peers send along, and compares them with each other,
 * with settlements, and with the blocks that the hub gives out, which it follows from the last one it has checked; at first
 * from the first head that it sees. Says a fork, a rollback, a missing, changed or forged line, and coins that nothing
 * covers, each once.
 *
 * Never completes before `session$` and never errors: what cannot be reached or kept is `postponed`. Looks at the hub after
 * signing in, after a settlement and when another peer knows a newer head, for at most a minute and 10,000 blocks at a
 * time. Holds 4,096 hashes, 10,000 settlements whose blocks were not seen yet, 10,000 sessions and keys, and one piece of the
 * hub's answer.
 *
 * @see docs/PROTOCOL.md section 4
 */
export function ledgerAudit$(options: LedgerAuditOptions): Observable<AuditEvent> {
  return defer(() => {
    const reported = new Set<string>()
    return options.session$.pipe(
      switchMap(session => (session === undefined ? EMPTY : sessionAudit$(session.hubKey, session.head, options))),
      filter(event => {
        if (event.type !== 'evidence') return true
        const isNew = !reported.has(event.message) && reported.size < maxReported
        if (isNew) reported.add(event.message)
        return isNew
      }),
    )
  })
}
