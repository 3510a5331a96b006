import {
  type BehaviorSubject,
  catchError,
  concatMap,
  debounceTime,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  from,
  groupBy,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  repeat,
  type SchedulerLike,
  Subject,
  switchMap,
  takeUntil,
  timer,
} from 'rxjs'
import { exhaustMapWithTrailing } from '../operators/exhaust-map-with-trailing.js'
import type { CryptoPort, ReceiptBook } from '../ports.js'
import { isLighthouseError, type LighthouseError, toLighthouseError } from '../protocol/errors.js'
import type { ReceiptRefusal, Settlement, SignedReceipt } from '../protocol/receipt.js'
import { settledText } from '../protocol/signed-texts.js'
import type { HubSession } from './signaling.js'

/**
 * Before a receipt that the hub could not take now is offered again: half a second, doubled up to eight. Well within the
 * 20 s for which a seeder holds its data, so that nobody is cut off for the wait after the hub can settle again.
 */
function retryMs(attempts: number): number {
  return Math.min(8_000, 500 * 2 ** Math.min(attempts - 1, 4))
}

/** A session of which no receipt has come for so long is forgotten here; the book still has it. */
const quietMs = 60_000

/** Receipts of earlier runs that are offered at a sign-in, oldest first. More wait for the next one. */
const maxOldReceipts = 1_000

/** Of these, how many are under way to the hub at a time. */
const oldAtOnce = 16

export interface SettlingOptions {
  /** Receipts to settle, newer ones of a session replacing older ones. */
  readonly receipt$: Observable<SignedReceipt>
  /** Emits when what is unsettled should be brought once more. */
  readonly again$: Observable<void>
  readonly hubSession$: BehaviorSubject<HubSession | undefined>
  readonly book: ReceiptBook
  readonly crypto: CryptoPort
  readonly scheduler: SchedulerLike
}

export type SettlingEvent =
  /** The hub's word, checked. */
  | { readonly type: 'settled'; readonly settlement: Settlement }
  /** The hub will not take it, today or tomorrow. */
  | {
      readonly type: 'receipt-refused'
      readonly receipt: SignedReceipt
      readonly code: ReceiptRefusal
      readonly message: string
    }
  | BookFailure

/** The book cannot be read or written: what it was asked for did not happen. */
export interface BookFailure {
  readonly type: 'book-failed'
  readonly reason: LighthouseError
}

/** These pass by themselves; anything else is for good. */
const passing: readonly ReceiptRefusal[] = ['rate-limited', 'unavailable']

/**
 * Brings receipts to the hub: one at a time for each session, always the newest, and at each sign-in all that the book has
 * unsettled, so that a crash or a hub that was away loses no claim. While the hub is away nothing is kept here: it is in
 * the book. Never completes and never errors.
 */
export function settling$(options: SettlingOptions): Observable<SettlingEvent> {
  const { receipt$, again$, hubSession$, book, crypto, scheduler } = options

  const isSettled = ({ session, bytes }: SignedReceipt): boolean => (book.settlement(session)?.bytes ?? 0) >= bytes

  /** The hub's answer in one go: an event, nothing, or `again` when it passes by itself. */
  const ask$ = (hub: HubSession, receipt: SignedReceipt, again: () => void): Observable<SettlingEvent> =>
    hub.connection.settle$(receipt).pipe(
      concatMap((ack): Observable<SettlingEvent> => {
        if ('settled' in ack) {
          const { settled } = ack
          const genuine =
            settled.session === receipt.session &&
            settled.bytes >= receipt.bytes &&
            // Often it came as an event before, and was checked then.
            !isSettled({ ...receipt, bytes: settled.bytes }) &&
            crypto.verify(hub.hubKey, settledText(settled), settled.signature)
          return genuine ? of({ type: 'settled', settlement: settled }) : EMPTY
        }
        const { code, message } = ack.error
        if (!passing.includes(code)) return of({ type: 'receipt-refused', receipt, code, message })
        again()
        return EMPTY
      }),
      catchError((error: unknown) => {
        // Nonsense: the next sign-in brings the receipt again.
        if (isLighthouseError(error, 'hub-protocol')) return EMPTY
        if (!isLighthouseError(error, 'hub-unreachable')) throw error
        // The answer was lost. Whether the receipt was settled is found out by asking again.
        again()
        return EMPTY
      }),
    )

  /** Until the hub has answered for good, or is another one or away: then the next sign-in brings the receipt. */
  const submit$ = (receipt: SignedReceipt): Observable<SettlingEvent> =>
    defer(() => {
      const hub = hubSession$.value
      if (hub === undefined || hub.hubKey !== receipt.hub_key) return EMPTY
      let again = false
      const once$ = defer(() => {
        again = false
        const newest = book.receipt(receipt.session) ?? receipt
        return isSettled(newest) ? EMPTY : ask$(hub, newest, () => (again = true))
      })
      return once$.pipe(
        repeat({ delay: attempts => (again ? timer(retryMs(attempts), scheduler) : EMPTY) }),
        takeUntil(hubSession$.pipe(filter(session => session !== hub))),
      )
    }).pipe(catchError(failed))

  const old$ = merge(hubSession$.pipe(distinctUntilChanged()), again$.pipe(map(() => hubSession$.value))).pipe(
    switchMap(session =>
      session === undefined
        ? EMPTY
        : defer(() => from(book.unsettled(maxOldReceipts))).pipe(mergeMap(submit$, oldAtOnce), catchError(failed)),
    ),
  )
  const new$ = defer(() => {
    // Its groups would hold the source, and their timers, beyond the end of the subscription.
    const over$ = new Subject<void>()
    const duration = (group$: Observable<SignedReceipt>): Observable<SignedReceipt> =>
      group$.pipe(debounceTime(quietMs, scheduler), takeUntil(over$))
    return receipt$.pipe(
      groupBy(({ session }) => session, { duration }),
      mergeMap(group$ => group$.pipe(exhaustMapWithTrailing(submit$))),
      finalize(() => over$.next()),
    )
  })
  return merge(new$, old$)
}

function failed(error: unknown): Observable<BookFailure> {
  return of({ type: 'book-failed', reason: toLighthouseError('store-failed', error, 'receipts') })
}
