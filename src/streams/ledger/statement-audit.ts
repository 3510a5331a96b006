import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  from,
  map,
  merge,
  type Observable,
  of,
  scan,
  switchMap,
} from 'rxjs'
import { isLighthouseError, type LighthouseError } from '../../protocol/errors.js'
import type { Evidence, EvidenceKind } from '../../protocol/ledger/evidence.js'
import type { Settlement } from '../../protocol/coins/receipt.js'
import { type LedgerHead, parseHead, type Signal } from '../../protocol/signaling/signal.js'
import { storeFailure, type StoreFailure } from '../coins/payment-event.js'
import { SignedBlocks, type SignedBlocksOptions } from './signed-blocks.js'

/** Findings of one kind that are reported. A hundred small ones must not hide a large one of another kind. */
const maxOfKind = 100

/** What comes of comparing what a hub has signed. */
export type AuditEvent =
  /** Something that the hub did, with what shows it. Each is reported once. */
  | (Evidence & { readonly type: 'evidence'; readonly hub: string })
  /** More of this kind was detected than is reported: a hundred. Reported once. */
  | { readonly type: 'left-out'; readonly hub: string; readonly kind: EvidenceKind }
  /** The hub signed in this peer with a head that it has not signed, so nothing can be compared with it. */
  | { readonly type: 'unchecked'; readonly hub: string; readonly reason: LighthouseError }
  | StoreFailure

/** The observables are hot; what they emit without a subscription is missed. */
export interface StatementAuditOptions extends SignedBlocksOptions {
  /** Undefined while there is none. Replays the current one. */
  readonly hubConnection$: Observable<{ readonly hubKey: string; readonly head: LedgerHead | undefined } | undefined>
  /** Every signal for this peer: offers and answers carry heads. */
  readonly signal$: Observable<Signal>
  /** Settlements whose signature was checked, before the store has them. */
  readonly settled$: Observable<Settlement>
}

/** The head that another peer knows, as its offer or answer carries it. Unchecked. */
function headOf(signal: Signal): LedgerHead | undefined {
  return signal.type === 'offer' || signal.type === 'answer' ? parseHead(signal.payload.head) : undefined
}

/** What one statement comes to. A store that fails ends nothing. */
function compare$(hub: string, work: () => readonly Evidence[]): Observable<AuditEvent> {
  return defer(() => from(work())).pipe(
    map((evidence): AuditEvent => ({ type: 'evidence', hub, ...evidence })),
    catchError((error: unknown) => {
      return of<AuditEvent>(
        isLighthouseError(error, 'bad-signature') ? { type: 'unchecked', hub, reason: error } : storeFailure(error),
      )
    }),
  )
}

interface Reported {
  readonly messages: ReadonlyMap<EvidenceKind, ReadonlySet<string>>
  readonly event: AuditEvent | undefined
}

/** Reports each finding once, of each kind a hundred, and then once that there are more. */
function report({ messages }: Reported, event: AuditEvent): Reported {
  if (event.type !== 'evidence') return { messages, event }
  const { kind, hub, message } = event
  const same = messages.get(kind) ?? new Set()
  if (same.has(message) || same.size > maxOfKind) return { messages, event: undefined }
  const grown = new Set(same).add(message)
  return {
    messages: new Map(messages).set(kind, grown),
    event: grown.size > maxOfKind ? { type: 'left-out', hub, kind } : event,
  }
}

/**
 * Compares what a hub signs: the head that it shows at each sign-in, the heads that other peers attach to offers and answers, and
 * this peer's settlements, with each other, with those in the store, and with this peer's own receipts.
 *
 *     hubConnection$    c--------------c------
 *     signal$           ----h------h----------
 *     settled$          ------x-------x-------
 *     statementAudit$   -----------e-----e----      e evidence
 *
 * Reports a fork, a rollback and a settlement beyond what was signed for, each once, and of each kind a hundred. It does not
 * follow the ledger's blocks: `ledger verify` does. Completes with `hubConnection$` and never errors. Holds 4,096 settlements and
 * what it has reported.
 *
 * @see docs/PROTOCOL.md section 5
 */
export function statementAudit$(options: StatementAuditOptions): Observable<AuditEvent> {
  const { hubConnection$, signal$, settled$ } = options
  return defer(() => {
    let blocks: SignedBlocks | undefined
    return hubConnection$.pipe(
      switchMap(connection => {
        if (connection === undefined) return EMPTY
        const { hubKey, head } = connection
        // What was remembered of this hub before counts on.
        const hub = blocks?.hubKey === hubKey ? blocks : new SignedBlocks(hubKey, options)
        blocks = hub
        return merge(
          compare$(hubKey, () => hub.shown(head)),
          signal$.pipe(
            map(headOf),
            filter(other => other !== undefined),
            concatMap(other => compare$(hubKey, () => hub.head(other))),
          ),
          settled$.pipe(concatMap(settlement => compare$(hubKey, () => hub.settlement(settlement)))),
        )
      }),
      scan(report, { messages: new Map(), event: undefined } as Reported),
      map(({ event }) => event),
      filter(event => event !== undefined),
    )
  })
}
