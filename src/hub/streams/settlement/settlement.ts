import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  map,
  type Observable,
  of,
  type SchedulerLike,
  Subject,
  tap,
  timeout,
} from 'rxjs'
import type { CryptoPort, MonotonicClock } from '../../../ports.js'
import type { ReceiptAck, ReceiptRefusal, Settlement, SignedReceipt } from '../../../protocol/coins/receipt.js'
import { batch } from '../../../operators/batch.js'
import type { HubBus } from '../../ports/bus.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubMetrics } from '../../ports/metrics.js'
import type { HubStore, KeyPair } from '../../ports/store.js'
import type { SettleResult } from '../../protocol/settlement/settlement.js'
import {
  collapseReceipts,
  receiptRefusalAck,
  type SessionReceipts,
  settlementFor,
} from '../../protocol/settlement/receipt-rules.js'

/** How long the first receipt of a batch waits for others: less than anybody notices, and some syncs of a fast disk. */
const gatherMs = 3

/** Receipts of one transaction: some milliseconds of work, during which a hub on SQLite does nothing else. */
const maxBatchReceipts = 500

/** Receipts that wait or are being settled, of all peers together; about 3 MB. More are refused. */
export const maxPendingReceipts = 4_096

/** Above the limits of the stores themselves. What became of the batch is not known then; sending it again finds out. */
const settleTimeoutMs = 15_000

/** A receipt that was checked, from whom it came, and the way to answer. */
export interface SettlementRequest {
  readonly receipt: SignedReceipt
  /** The consumer's key, or the seeder's. */
  readonly sender: string
  acknowledge(ack: ReceiptAck): void
}

/** What settles the receipts of a whole hub. */
export interface SettlementService {
  /**
   * Settles as long as it is subscribed to (once). Never emits, never completes, never errors: what goes wrong is
   * answered with `unavailable` and logged.
   */
  readonly settle$: Observable<never>
  /** Receipts that wait or are being settled. */
  readonly pending: number
  /** Hands a receipt over; it is acknowledged when it is durable. Refused at once with `rate-limited` beyond 4,096 that wait. */
  submit(request: SettlementRequest): void
}

/** What the service needs of its hub. */
export interface SettlementParts {
  readonly store: Pick<HubStore, 'settle'>
  readonly keys: KeyPair
  readonly crypto: Pick<CryptoPort, 'sign'>
  readonly bus: Pick<HubBus, 'deliver'>
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
  readonly logger: HubLogger
  readonly metrics: HubMetrics
}

type Group = SessionReceipts<SettlementRequest>
type Settled = SettleResult & { readonly type: 'settled' }

/** Tells the parties of one session; what is signed for a party is signed once. */
function tell({ highest, items }: Group, result: Settled, { keys, crypto, bus, metrics }: SettlementParts): void {
  const { session, consumer, seeder } = highest
  const made = new Map<string, Settlement>()
  const settlementOf = (party: string): Settlement => {
    const known = made.get(party)
    if (known !== undefined) return known
    const role = party === consumer ? 'consumer' : 'seeder'
    const settlement = settlementFor(role, session, result, text => crypto.sign(keys.privKey, text))
    made.set(party, settlement)
    return settlement
  }
  for (const { sender, acknowledge } of items) {
    metrics.receipt(result.moved ? 'settled' : 'repeated')
    acknowledge({ settled: settlementOf(sender) })
  }
  // A repetition is the sender's affair. Who is not there learns it when it sends the receipt itself.
  if (!result.moved) return
  metrics.settlement()
  for (const party of [consumer, seeder]) void bus.deliver(party, 'settled', settlementOf(party))
}

function refuse(requests: readonly SettlementRequest[], code: ReceiptRefusal, metrics: HubMetrics): void {
  for (const { acknowledge } of requests) {
    metrics.receipt(code)
    acknowledge(receiptRefusalAck(code))
  }
}

/**
 * Answers a batch. Where the wallet does not hold what the highest receipt of a session moves, one of the others may
 * still be paid: those are given back, to be settled one by one.
 */
function answer(
  groups: readonly Group[],
  results: readonly SettleResult[],
  parts: SettlementParts,
): readonly SettlementRequest[] {
  return groups.flatMap((group, index): readonly SettlementRequest[] => {
    const result = results[index]
    if (result?.type === 'settled') tell(group, result, parts)
    else if (result?.code === 'no-coins' && group.items.some(({ receipt }) => receipt.bytes < group.highest.bytes)) {
      return group.items
    } else refuse(group.items, result?.code ?? 'unavailable', parts.metrics)
    return []
  })
}

/** One transaction over what stands for each group. Emits the results, in order, when they are durable. */
function commit$(groups: readonly Group[], parts: SettlementParts): Observable<readonly SettleResult[]> {
  const { store, scheduler, clock, metrics } = parts
  return defer(() => {
    const startedMs = clock.now()
    const receipts = groups.map(({ highest }) => highest)
    return from(store.settle(receipts, scheduler.now())).pipe(
      timeout({ first: settleTimeoutMs, scheduler }),
      tap(() => metrics.settlementBatch({ receipts: receipts.length, seconds: (clock.now() - startedMs) / 1000 })),
    )
  })
}

/** Settles groups and answers them. Emits the requests that were given back. Never errors. */
function settleGroups$(groups: readonly Group[], parts: SettlementParts): Observable<readonly SettlementRequest[]> {
  const { logger, metrics } = parts
  return commit$(groups, parts).pipe(
    map(results => answer(groups, results, parts)),
    catchError((error: unknown) => {
      logger.error({ err: error, sessions: groups.length }, 'receipts could not be settled')
      for (const { items } of groups) refuse(items, 'unavailable', metrics)
      return of([])
    }),
  )
}

function settleRequests$(requests: readonly SettlementRequest[], parts: SettlementParts): Observable<never> {
  return settleGroups$(collapseReceipts(requests), parts).pipe(
    concatMap(back => {
      const ascending = back.toSorted((one, other) => one.receipt.bytes - other.receipt.bytes)
      const single = ascending.map((request): Group => ({ highest: request.receipt, items: [request] }))
      return single.length === 0 ? EMPTY : settleGroups$(single, parts)
    }),
    ignoreElements(),
  )
}

/**
 * Settles the receipts of a hub in batches: one transaction for all that come within 3 ms or while another batch is
 * being settled, at most 500. Nothing is told to anybody before it is durable; then each sender is acknowledged and, when
 * coins moved, both parties get `settled`, wherever they are connected.
 *
 * ```
 * submitted    a-b-c--d--------▶
 * store        ---(abc)--(d)---▶   one at a time
 * answered     --------abc---d-▶
 * ```
 *
 * Receipts of one session in one batch are settled as the highest of them, and all are acknowledged with that. Holds at
 * most 4,096 receipts.
 */
export function settlementService(parts: SettlementParts): SettlementService {
  const request$ = new Subject<SettlementRequest>()
  let pending = 0
  const bounds = { maxMs: gatherMs, maxItems: maxBatchReceipts, scheduler: parts.scheduler }
  const work$ = (requests: readonly SettlementRequest[]): Observable<never> =>
    settleRequests$(requests, parts).pipe(
      finalize(() => {
        pending -= requests.length
      }),
    )
  return {
    get pending() {
      return pending
    },
    settle$: request$.pipe(batch(bounds, work$)),
    submit(request) {
      if (pending >= maxPendingReceipts) {
        parts.metrics.limited('pending-receipts')
        return refuse([request], 'rate-limited', parts.metrics)
      }
      pending += 1
      request$.next(request)
    },
  }
}
