import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  type Observable,
  type SchedulerLike,
  startWith,
  Subject,
  switchMap,
  timer,
} from 'rxjs'
import { exhaustMapWithTrailing } from '../operators/exhaust-map-with-trailing.js'
import type { Evidence, EvidenceKind } from '../protocol/evidence.js'
import type { Settlement } from '../protocol/receipt.js'
import { type LedgerHead, parseHead, type Signal } from '../protocol/signal.js'
import { HubAudit, type HubAuditOptions } from './hub-audit.js'
import { type AuditEvent, keep$, type LedgerSource, look$, postponed, said } from './ledger-look.js'

/** Between two looks at the hub's ledger. What is dishonest stays so. */
const roundGapMs = 10_000

/** A peer that hears of nothing looks all the same: what is taken from its wallet meanwhile is seen within this time. */
const idleGapMs = 600_000

/** Findings of one kind that are said, none of them twice. A hundred small ones must not hide a large one of another kind. */
const maxOfKind = 100

/** What the audit needs. The observables are hot; what they emit without a subscription is missed. */
export interface LedgerAuditOptions extends HubAuditOptions {
  readonly hub: LedgerSource
  /** The session with the hub, undefined while there is none. Replays the current one. */
  readonly session$: Observable<{ readonly hubKey: string; readonly head: LedgerHead | undefined } | undefined>
  /** Every signal for this peer: offers and answers carry heads. */
  readonly signal$: Observable<Signal>
  /** Settlements whose signature was checked, however they came. */
  readonly settled$: Observable<Settlement>
  readonly scheduler: SchedulerLike
}

/** Heads that other peers know, as their offers and answers carry them. Unchecked. */
function headOf(signal: Signal): LedgerHead | undefined {
  return signal.type === 'offer' || signal.type === 'answer' ? parseHead(signal.payload.head) : undefined
}

/** All that is heard while one session with the hub lasts. */
function sessionAudit$(
  auditOf: (hubKey: string) => HubAudit,
  { hubKey, head }: { readonly hubKey: string; readonly head: LedgerHead | undefined },
  options: LedgerAuditOptions,
): Observable<AuditEvent> {
  const { signal$, settled$, scheduler } = options
  return defer(() => {
    const audit = auditOf(hubKey)
    const news$ = new Subject<void>()
    /** What one event comes to. That a store failed ends nothing. */
    const say$ = (work: () => readonly Evidence[], isNews: () => boolean): Observable<AuditEvent> =>
      defer(() => {
        const found = said(audit, work())
        if (isNews()) news$.next()
        return found
      }).pipe(catchError(postponed))
    const isNone = (): boolean => false
    const own$ = concat(
      say$(() => audit.refill(), isNone),
      say$(() => audit.onOwnHead(head, audit.signed()), isNone),
      keep$(audit).pipe(catchError(postponed)),
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
    const looks$ = merge(news$, interval(idleGapMs, scheduler)).pipe(
      startWith(undefined),
      exhaustMapWithTrailing(() => {
        const before = audit.steps
        const more$ = defer(() => {
          // A look has its bounds; the rest is for the next one.
          if (audit.steps !== before && audit.isBehind()) news$.next()
          return EMPTY
        })
        const gap$ = timer(roundGapMs, scheduler).pipe(ignoreElements())
        return concat(look$(audit, options.hub, scheduler), gap$, more$.pipe(catchError(postponed)))
      }),
    )
    return merge(own$, heads$, settlements$, looks$)
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
 * from the first head that it sees. Where the ledger does not go on from there it says so, and follows it from the head that
 * the hub shows by then. Says a fork, a rollback, a missing, changed or forged line, and coins that nothing covers, each once,
 * and of each kind a hundred. A head of the hub's own that it has not signed is not gone by.
 *
 * Never completes before `session$` and never errors: what cannot be reached or kept is `postponed`, and `unchecked` when that
 * goes on. Looks at the hub after signing in, after a settlement, when another peer knows a newer head, and every ten minutes.
 * Holds 4,096 blocks, 10,000 settlements whose blocks were not seen yet, 10,000 sessions and keys, from one session with the hub
 * to the next, and what one look holds.
 *
 * @see docs/PROTOCOL.md section 4
 */
export function ledgerAudit$(options: LedgerAuditOptions): Observable<AuditEvent> {
  return defer(() => {
    const reported = new Map<EvidenceKind, Set<string>>()
    const isNew = (event: AuditEvent): boolean =>
      event.type !== 'evidence' || reported.get(event.kind)?.has(event.message) !== true
    /** What goes beyond a hundred of its kind is not said, but that it is not. */
    const bounded = (event: AuditEvent): AuditEvent | undefined => {
      if (event.type !== 'evidence') return event
      const { kind, hub, message } = event
      const same = reported.get(kind) ?? new Set()
      if (same.size > maxOfKind) return undefined
      reported.set(kind, same.add(message))
      return same.size > maxOfKind ? { type: 'left-out', hub, kind } : event
    }
    let audit: HubAudit | undefined
    const auditOf = (hubKey: string): HubAudit => {
      if (audit?.hubKey !== hubKey) audit = new HubAudit(hubKey, options)
      return audit
    }
    return options.session$.pipe(
      switchMap(session => (session === undefined ? EMPTY : sessionAudit$(auditOf, session, options))),
      filter(isNew),
      map(bounded),
      filter(event => event !== undefined),
    )
  })
}
