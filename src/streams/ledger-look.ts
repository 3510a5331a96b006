import {
  catchError,
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  from,
  map,
  type Observable,
  of,
  type SchedulerLike,
  take,
  takeUntil,
  takeWhile,
  tap,
  timer,
} from 'rxjs'
import type { HubClient } from '../ports.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import type { Evidence, EvidenceKind } from '../protocol/evidence.js'
import { earlyEnd } from '../protocol/head-rules.js'
import type { SignedReceipt } from '../protocol/receipt.js'
import type { LedgerHead } from '../protocol/signal.js'
import type { HubAudit } from './hub-audit.js'

/** For a whole look: a hub that gives out its ledger drop by drop holds up nothing but itself. */
const roundLimitMs = 60_000

/** Blocks that are fetched in one look: 10 MB, and a second and a half of checking signatures, spread over its pieces. */
const roundBlocks = 10_000

/** Blocks that were passed before somebody said what they settle, and are fetched one by one in a look. */
const roundOldBlocks = 32

/** Looks in a row that come to nothing. A hub that is restarted or out of reach for a moment costs one or two. */
const maxFailedLooks = 3

/** What the audit says. */
export type AuditEvent =
  /** Something that the hub did, with what shows it. Each is said once. */
  | (Evidence & { readonly type: 'evidence'; readonly hub: string })
  /** More of this kind was found than is said: a hundred. Said once. */
  | { readonly type: 'left-out'; readonly hub: string; readonly kind: EvidenceKind }
  /** The ledger has a payment to this peer of which its book does not know, as when it was away while it was made. */
  | { readonly type: 'paid'; readonly receipt: SignedReceipt }
  /** The ledger was followed up to this block. */
  | { readonly type: 'checked'; readonly hub: string; readonly seq: number }
  /** A look had to be given up, or could not be kept; the next one is ten seconds later at the soonest, ten minutes at the latest. */
  | { readonly type: 'postponed'; readonly reason: LighthouseError }
  /** Three looks in a row came to nothing, the last for this reason: nobody knows what this hub does. Said once, until one succeeds. */
  | { readonly type: 'unchecked'; readonly hub: string; readonly reason: LighthouseError }

/** Where a hub's ledger comes from. */
export type LedgerSource = Pick<HubClient, 'head$' | 'ledger$'>

/** Findings as events. */
export function said(audit: HubAudit, found: readonly Evidence[]): Observable<AuditEvent> {
  return from(found.map(evidence => ({ type: 'evidence' as const, hub: audit.hubKey, ...audit.vouch(evidence) })))
}

/** Keeps what is new, once it was said. */
export function keep$(audit: HubAudit): Observable<never> {
  return defer(() => {
    audit.keep()
    return EMPTY
  })
}

/** A failure as an event: it ends nothing. */
export function postponed(error: unknown): Observable<AuditEvent> {
  return of({ type: 'postponed', reason: toLighthouseError('store-failed', error) })
}

function endsEarly$(audit: HubAudit, seq: number, head: LedgerHead): Observable<AuditEvent> {
  const evidence = earlyEnd(audit.hubKey, seq, head)
  return concat(said(audit, [evidence]), postponed(new LighthouseError('hub-protocol', evidence.message)))
}

/** Fetches what is new up to `head`, or `roundBlocks` of it, and checks it line by line. */
function follow$(audit: HubAudit, head: LedgerHead, hub: LedgerSource): Observable<AuditEvent> {
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
        const paid = audit.takeUnheard().map((receipt): AuditEvent => ({ type: 'paid', receipt }))
        return concat(said(audit, found), from(paid), of(undefined))
      }),
      takeWhile(event => event !== undefined || (!isBroken && audit.mark!.seq < target)),
      filter(event => event !== undefined),
    )
    const end$ = defer(() => {
      const { seq } = audit.mark!
      audit.keep()
      if (isBroken) audit.anchor(head)
      const early = !isBroken && seq < target ? endsEarly$(audit, seq, head) : EMPTY
      return seq > start ? concat(early, of<AuditEvent>({ type: 'checked', hub: audit.hubKey, seq })) : early
    })
    return concat(lines$, end$)
  })
}

/** Fetches blocks that were passed, for settlements that were not compared with them. */
function lookBack$(audit: HubAudit, hub: LedgerSource): Observable<AuditEvent> {
  return defer(() => from(audit.unseen(roundOldBlocks))).pipe(
    concatMap(seq =>
      hub.ledger$(seq - 1).pipe(
        filter(lines => lines.length > 0),
        map(([line]) => line),
        take(1),
        defaultIfEmpty(undefined),
        concatMap(line => said(audit, audit.onOldLine(seq, line))),
      ),
    ),
  )
}

/** One look at the hub: its head now, the blocks up to it, and those that there is something new to ask about. */
function once$(audit: HubAudit, hub: LedgerSource, scheduler: SchedulerLike): Observable<AuditEvent> {
  const tooLate$ = timer(roundLimitMs, scheduler).pipe(
    map(() => {
      const message = `the hub took more than ${roundLimitMs / 1000} s to give out its ledger`
      throw new LighthouseError('hub-unreachable', message)
    }),
  )
  const { hubKey } = audit
  return defer(() => {
    const refilled = said(audit, audit.refill())
    const before = audit.signed()
    const ask$ = hub.head$().pipe(
      tap(answer => {
        if (answer.hubKey === hubKey) return
        const message = 'the hub shows another key over HTTP than where this peer signed in'
        throw new LighthouseError('key-changed', message, { expected: hubKey, actual: answer.hubKey })
      }),
    )
    const look$ = ask$.pipe(
      // What others asked for before may be on its way, and be the answer: only the second one is held against the hub.
      concatMap(answer => (audit.rollbacks(answer.head, before).length > 0 ? ask$ : of(answer))),
      concatMap(({ head }) => {
        const found = concat(said(audit, audit.onOwnHead(head, before)), keep$(audit))
        if (head === undefined || audit.mark === undefined) return found
        return concat(found, follow$(audit, head, hub), lookBack$(audit, hub), keep$(audit))
      }),
    )
    return concat(refilled, look$)
  }).pipe(
    takeUntil(tooLate$),
    catchError((error: unknown) => postponed(error)),
  )
}

/**
 * One look at a hub's ledger: its head now, the blocks up to it, 10,000 at most, and 32 older ones that a settlement names. Starts on
 * subscription, takes a minute at most, and never errors: what cannot be done is `postponed`, and `unchecked` when it is the third
 * look in a row that came to nothing. Holds one piece of the hub's answer.
 */
export function look$(audit: HubAudit, hub: LedgerSource, scheduler: SchedulerLike): Observable<AuditEvent> {
  return defer(() => {
    let reason: LighthouseError | undefined
    const heard$ = once$(audit, hub, scheduler).pipe(
      tap(event => {
        if (event.type === 'postponed') reason = event.reason
      }),
    )
    const outcome$ = defer(() => {
      const failed = audit.looked(reason === undefined)
      if (reason === undefined || failed !== maxFailedLooks) return EMPTY
      return of<AuditEvent>({ type: 'unchecked', hub: audit.hubKey, reason })
    })
    return concat(heard$, outcome$)
  })
}
