import {
  catchError,
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  from,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  startWith,
  Subject,
  switchMap,
  take,
  takeUntil,
  takeWhile,
  tap,
  timer,
} from 'rxjs'
import { exhaustMapWithTrailing } from '../operators/exhaust-map-with-trailing.js'
import type { HubClient } from '../ports.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import type { Evidence, EvidenceKind } from '../protocol/evidence.js'
import { earlyEnd } from '../protocol/head-rules.js'
import type { Settlement } from '../protocol/receipt.js'
import { type LedgerHead, parseHead, type Signal } from '../protocol/signal.js'
import { HubAudit, type HubAuditOptions } from './hub-audit.js'

/** Between two looks at the hub's ledger. What is dishonest stays so. */
const roundGapMs = 10_000

/** A peer that hears of nothing looks all the same: what is taken from its wallet meanwhile is seen within this time. */
const idleGapMs = 600_000

/** Looks in a row that come to nothing. A hub that is restarted or out of reach for a moment costs one or two. */
const maxFailedLooks = 3

/** For a whole look: a hub that gives out its ledger drop by drop holds up nothing but itself. */
const roundLimitMs = 60_000

/** Blocks that are fetched in one look: 10 MB, and a second and a half of checking signatures, spread over its pieces. */
const roundBlocks = 10_000

/** Blocks that were passed before somebody said what they settle, and are fetched one by one in a look. */
const roundOldBlocks = 32

/** Findings of one kind that are said, none of them twice. A hundred small ones must not hide a large one of another kind. */
const maxOfKind = 100

/** What the audit says. */
export type AuditEvent =
  /** Something that the hub did, with what shows it. Each is said once. */
  | (Evidence & { readonly type: 'evidence'; readonly hub: string })
  /** More of this kind was found than is said: a hundred. Said once. */
  | { readonly type: 'left-out'; readonly hub: string; readonly kind: EvidenceKind }
  /** The ledger was followed up to this block. */
  | { readonly type: 'checked'; readonly hub: string; readonly seq: number }
  /** A look had to be given up, or could not be kept; the next one is ten seconds later at the soonest, ten minutes at the latest. */
  | { readonly type: 'postponed'; readonly reason: LighthouseError }
  /** Three looks in a row came to nothing, the last for this reason: nobody knows what this hub does. Said once, until one succeeds. */
  | { readonly type: 'unchecked'; readonly hub: string; readonly reason: LighthouseError }

/** What the audit needs. The observables are hot; what they emit without a subscription is missed. */
export interface LedgerAuditOptions extends HubAuditOptions {
  readonly hub: Pick<HubClient, 'head$' | 'ledger$'>
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

function said(audit: HubAudit, found: readonly Evidence[]): Observable<AuditEvent> {
  return from(found.map(evidence => ({ type: 'evidence' as const, hub: audit.hubKey, ...audit.vouch(evidence) })))
}

/** Keeps what is new, once it was said. */
function keep$(audit: HubAudit): Observable<never> {
  return defer(() => {
    audit.keep()
    return EMPTY
  })
}

function endsEarly$(audit: HubAudit, seq: number, head: LedgerHead): Observable<AuditEvent> {
  const evidence = earlyEnd(audit.hubKey, seq, head)
  return concat(said(audit, [evidence]), postponed(new LighthouseError('hub-protocol', evidence.message)))
}

/** Fetches what is new up to `head`, or `roundBlocks` of it, and checks it line by line. */
function follow$(audit: HubAudit, head: LedgerHead, hub: LedgerAuditOptions['hub']): Observable<AuditEvent> {
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
        return concat(said(audit, found), of(undefined))
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
function lookBack$(audit: HubAudit, hub: LedgerAuditOptions['hub']): Observable<AuditEvent> {
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
function round$(audit: HubAudit, { hub, scheduler }: LedgerAuditOptions): Observable<AuditEvent> {
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

/** The look, and what is to be said when it is one too many that came to nothing. */
function counted$(audit: HubAudit, look$: Observable<AuditEvent>): Observable<AuditEvent> {
  return defer(() => {
    let reason: LighthouseError | undefined
    const outcome$ = defer(() => {
      const failed = audit.looked(reason === undefined)
      const isTold = reason === undefined || failed !== maxFailedLooks
      return isTold ? EMPTY : of<AuditEvent>({ type: 'unchecked', hub: audit.hubKey, reason: reason! })
    })
    const heard$ = look$.pipe(
      tap(event => {
        if (event.type === 'postponed') reason = event.reason
      }),
    )
    return concat(heard$, outcome$)
  })
}

function postponed(error: unknown): Observable<AuditEvent> {
  return of({ type: 'postponed', reason: toLighthouseError('store-failed', error) })
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
    const look$ = new Subject<void>()
    /** What one event comes to. That a store failed ends nothing. */
    const say$ = (work: () => readonly Evidence[], isNews: () => boolean): Observable<AuditEvent> =>
      defer(() => {
        const found = said(audit, work())
        if (isNews()) look$.next()
        return found
      }).pipe(catchError(postponed))
    const own$ = say$(
      () => [...audit.refill(), ...audit.onOwnHead(head, audit.signed())],
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
    const rounds$ = merge(look$, interval(idleGapMs, scheduler)).pipe(
      startWith(undefined),
      exhaustMapWithTrailing(() => {
        const before = audit.steps
        const more$ = defer(() => {
          // A look has its bounds; the rest is for the next one.
          if (audit.steps !== before && audit.isBehind()) look$.next()
          return EMPTY
        })
        const gap$ = timer(roundGapMs, scheduler).pipe(ignoreElements())
        return concat(counted$(audit, round$(audit, options)), gap$, more$.pipe(catchError(postponed)))
      }),
    )
    return merge(concat(own$, keep$(audit).pipe(catchError(postponed))), heads$, settlements$, rounds$)
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
 * from the first head that it sees. Where the ledger does not go on from there it says so, and follows it from the head that the
 * hub shows by then. Says a fork, a rollback, a missing, changed or forged line, and coins that nothing
 * covers, each once, and of each kind a hundred. A head of the hub's own that it has not signed is not gone by.
 *
 * Never completes before `session$` and never errors: what cannot be reached or kept is `postponed`, and
 * `unchecked` when that goes on. Looks at the hub after
 * signing in, after a settlement, when another peer knows a newer head, and every ten minutes, for at most a minute and 10,000 blocks at a
 * time, and for 32 older blocks of which it heard a settlement only then. Holds 4,096 blocks, 10,000 settlements whose blocks
 * were not seen yet, 10,000 sessions and keys, and one piece of the hub's answer, from one session with the hub to the next.
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
