import {
  catchError,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  type Observable,
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
import { receiptRefusalAck, settlementFor } from '../../protocol/settlement/receipt-rules.js'

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

type Settled = SettleResult & { readonly type: 'settled' }

function refuse(requests: readonly SettlementRequest[], code: ReceiptRefusal, metrics: HubMetrics): void {
  for (const { acknowledge } of requests) {
    metrics.receipt(code)
    acknowledge(receiptRefusalAck(code))
  }
}

/** Acknowledges a batch, and notifies both parties of each transfer. */
function answer(
  requests: readonly SettlementRequest[],
  results: readonly SettleResult[],
  { keys, crypto, bus, metrics }: SettlementParts,
): void {
  const signed = new Map<string, Settlement>()
  /** All results of a session are equal, so each party's settlement is signed once. */
  const settlementOf = (party: string, { session, consumer }: SignedReceipt, result: Settled): Settlement => {
    const role = party === consumer ? 'consumer' : 'seeder'
    const known = signed.get(`${session} ${role}`)
    const settlement = known ?? settlementFor(role, session, result, text => crypto.sign(keys.privKey, text))
    signed.set(`${session} ${role}`, settlement)
    return settlement
  }
  for (const [index, request] of requests.entries()) {
    const { receipt, sender, acknowledge } = request
    const result = results[index]
    if (result?.type !== 'settled') {
      refuse([request], result?.code ?? 'unavailable', metrics)
      continue
    }
    metrics.receipt(result.moved ? 'settled' : 'repeated')
    acknowledge({ settled: settlementOf(sender, receipt, result) })
    // A repeated receipt concerns its sender only. A party that is offline learns of it when it submits the receipt itself.
    if (!result.moved) continue
    metrics.settlement()
    for (const party of [receipt.consumer, receipt.seeder]) {
      void bus.deliver(party, 'settled', settlementOf(party, receipt, result))
    }
  }
}

/** One transaction. Never emits, never errors. */
function settle$(batched: readonly SettlementRequest[], parts: SettlementParts): Observable<never> {
  const { store, scheduler, clock, logger, metrics } = parts
  // Highest first: it settles the lower ones of its session too, and where the wallet cannot pay it, the next one may be paid.
  const requests = batched.toSorted((one, other) => other.receipt.bytes - one.receipt.bytes)
  const receipts = requests.map(({ receipt }) => receipt)
  return defer(() => {
    const startedMs = clock.now()
    return from(store.settle(receipts, scheduler.now())).pipe(
      timeout({ first: settleTimeoutMs, scheduler }),
      tap(() => metrics.settlementBatch({ receipts: receipts.length, seconds: (clock.now() - startedMs) / 1000 })),
    )
  }).pipe(
    tap(results => answer(requests, results, parts)),
    catchError((error: unknown) => {
      logger.error({ err: error, receipts: receipts.length }, 'receipts could not be settled')
      refuse(requests, 'unavailable', metrics)
      return EMPTY
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
 * Of several receipts of one session in a batch, the highest that the wallet can pay is settled, and the lower ones are acknowledged
 * with the same settlement. Holds at most 4,096 receipts.
 */
export function settlementService(parts: SettlementParts): SettlementService {
  const request$ = new Subject<SettlementRequest>()
  let pending = 0
  const bounds = { maxMs: gatherMs, maxItems: maxBatchReceipts, scheduler: parts.scheduler }
  const work$ = (requests: readonly SettlementRequest[]): Observable<never> =>
    settle$(requests, parts).pipe(
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
