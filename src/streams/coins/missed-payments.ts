import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  from,
  map,
  type Observable,
  type SchedulerLike,
  takeUntil,
  takeWhile,
  timer,
} from 'rxjs'
import type { HubClient } from '../../ports.js'
import type { SettlingStore, StatementStore } from '../../ports/receipts.js'
import type { SignedReceipt } from '../../protocol/coins/receipt.js'
import { parseLedgerLine } from '../../protocol/ledger/ledger-line.js'
import type { LedgerHead } from '../../protocol/signaling/signal.js'

/** At most so many blocks are read at a sign-in, the newest, 9 MB. A busy hub makes them in some minutes. */
const maxBlocks = 10_000

/** For reading them. */
const patienceMs = 60_000

/** Sessions whose receipts are searched for. */
const maxSessions = 100

export interface MissedPaymentsOptions {
  readonly hub: Pick<HubClient, 'ledger$'>
  readonly store: Pick<SettlingStore & StatementStore, 'ofDebtors' | 'newestHead'>
  readonly scheduler: SchedulerLike
}

/**
 * Receipts that the ledger has and this peer as seeder never saw, because it was gone when the consumer brought its first one
 * of a session to the hub. Reads the ledger after a sign-in where a key owes something in such a session, from the newest head
 * of the time before. What it emits is unchecked: the hub is asked for its signed settlement with it. Never errors; what
 * cannot be read stays a debt.
 */
export function missedPayments$(
  { hubKey, head }: { readonly hubKey: string; readonly head: LedgerHead | undefined },
  { hub, store, scheduler }: MissedPaymentsOptions,
): Observable<SignedReceipt> {
  return defer(() => {
    const unpaid = head === undefined ? [] : store.ofDebtors().filter(kept => !kept.receipt && !kept.settlement)
    if (head === undefined || unpaid.length === 0) return EMPTY
    const wanted = new Set(unpaid.slice(0, maxSessions).map(({ session }) => session))
    const before = store.newestHead(hubKey, head.seq)?.seq ?? 0
    return hub.ledger$(Math.max(before, head.seq - maxBlocks)).pipe(
      concatMap(lines => from(lines)),
      map(parseLedgerLine),
      takeWhile(entry => entry !== undefined && entry.seq <= head.seq),
      map(entry => entry?.receipt ?? undefined),
      filter(receipt => receipt !== undefined),
      filter(({ session }) => wanted.has(session)),
      takeUntil(timer(patienceMs, scheduler)),
    )
  }).pipe(
    // A hub or a store that fails: the next one that needs it reports that.
    catchError(() => EMPTY),
  )
}
