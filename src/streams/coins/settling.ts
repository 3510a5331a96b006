import {
  type BehaviorSubject,
  catchError,
  concat,
  concatMap,
  debounceTime,
  defer,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  from,
  groupBy,
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
import { exhaustMapWithTrailing } from '../../operators/exhaust-map-with-trailing.js'
import type { CryptoPort } from '../../ports.js'
import type { SettlementStore } from '../../ports/receipts.js'
import { isLighthouseError, type LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import {
  isSameSettlement,
  type ReceiptRefusal,
  type Settlement,
  type SignedReceipt,
} from '../../protocol/coins/receipt.js'
import { settledText } from '../../protocol/signaling/signed-texts.js'
import type { HubSession } from '../signaling/signaling.js'

/**
 * Before a receipt that the hub could not take now is offered again: half a second, doubled up to eight. Well within the
 * 20 s for which a seeder holds its data, so that nobody is cut off for the wait after the hub can settle again.
 */
function retryMs(attempts: number): number {
  return Math.min(8_000, 500 * 2 ** Math.min(attempts - 1, 4))
}

/** A session of which no receipt has come for so long is forgotten here; the store still has it. */
const quietMs = 60_000

/** Receipts that the store has unsettled are read so many at a time, half a megabyte, until there are no more. */
const pageReceipts = 1_000

/** Of these, how many are under way to the hub at a time. */
const oldAtOnce = 16

/** Receipts of keys that owe which are asked about at a sign-in though they are settled here. */
const maxAsked = 100

/**
 * Before everything unsettled is offered once more after the hub refused some of it for want of coins, others' or this peer's
 * own: five minutes, doubled up to eighty. Nobody here hears when others' wallets grow.
 */
function reofferMs(times: number): number {
  return 300_000 * 2 ** Math.min(times, 4)
}

export interface SettlingOptions {
  /** Receipts to settle, newer ones of a session replacing older ones. */
  readonly receipt$: Observable<SignedReceipt>
  /** Emits when what this peer itself owes should be brought once more. */
  readonly again$: Observable<void>
  /** This peer's key. */
  readonly pubKey: string
  readonly hubSession$: BehaviorSubject<HubSession | undefined>
  readonly store: SettlementStore
  readonly crypto: CryptoPort
  readonly scheduler: SchedulerLike
}

export type SettlingEvent =
  /** The hub's word, checked. */
  | { readonly type: 'settled'; readonly settlement: Settlement }
  /** The hub's word, checked, for what the store has as settled with another block. It moves nothing. */
  | { readonly type: 'repeated'; readonly settlement: Settlement }
  /** The hub will not take it, today or tomorrow. */
  | {
      readonly type: 'receipt-refused'
      readonly receipt: SignedReceipt
      readonly code: ReceiptRefusal
      readonly message: string
    }
  | StoreFailure

/** The store cannot be read or written: what it was asked for did not happen. */
export interface StoreFailure {
  readonly type: 'receipts-failed'
  readonly reason: LighthouseError
}

/** These pass by themselves; anything else is for good. */
const passing: readonly ReceiptRefusal[] = ['rate-limited', 'unavailable']

/**
 * Brings receipts to the hub: one at a time for each session, always the newest, and at each sign-in all that the store has
 * unsettled, newest session first, so that a crash or a hub that was away loses no claim. What keys that owe have settled is
 * asked for then too: the hub tells a settlement to who is signed in, and to nobody later. While the hub is away nothing is kept
 * here: it is in the store. Holds a page of the store. Never completes and never errors.
 */
export function settling$(options: SettlingOptions): Observable<SettlingEvent> {
  const { receipt$, again$, pubKey, hubSession$, store, crypto, scheduler } = options
  const short$ = new Subject<void>()

  const isSettled = ({ session, bytes }: SignedReceipt): boolean => (store.settlement(session)?.bytes ?? 0) >= bytes

  /** The hub's answer in one go: an event, nothing, or `again` when it passes by itself. */
  const ask$ = (hub: HubSession, receipt: SignedReceipt, again: () => void): Observable<SettlingEvent> =>
    hub.connection.settle$(receipt).pipe(
      concatMap((ack): Observable<SettlingEvent> => {
        if ('settled' in ack) {
          const { settled } = ack
          const known = store.settlement(receipt.session)
          const genuine =
            settled.session === receipt.session &&
            settled.bytes >= receipt.bytes &&
            // Often it came as an event before, and was checked then.
            !(known !== undefined && isSameSettlement(known, settled)) &&
            crypto.verify(hub.hubKey, settledText(settled), settled.signature)
          if (!genuine) return EMPTY
          const isNew = settled.bytes > (known?.bytes ?? 0)
          return of({ type: isNew ? 'settled' : 'repeated', settlement: settled })
        }
        const { code, message } = ack.error
        if (code === 'no-coins') short$.next()
        if (!passing.includes(code)) return of({ type: 'receipt-refused', receipt, code, message })
        again()
        return EMPTY
      }),
      catchError((error: unknown) => {
        // Not what was asked for: the next sign-in brings the receipt again.
        if (isLighthouseError(error, 'hub-protocol')) return EMPTY
        if (!isLighthouseError(error, 'hub-unreachable')) throw error
        // The answer was lost. Whether the receipt was settled is found out by asking again.
        again()
        return EMPTY
      }),
    )

  /** Until the hub has answered for good, or is another one or away: then the next sign-in brings the receipt. */
  const bring$ = (receipt: SignedReceipt, isDone: (newest: SignedReceipt) => boolean): Observable<SettlingEvent> =>
    defer(() => {
      const hub = hubSession$.value
      if (hub === undefined || hub.hubKey !== receipt.hub_key) return EMPTY
      let again = false
      const once$ = defer(() => {
        again = false
        const newest = store.receipt(receipt.session) ?? receipt
        return isDone(newest) ? EMPTY : ask$(hub, newest, () => (again = true))
      })
      return once$.pipe(
        repeat({ delay: attempts => (again ? timer(retryMs(attempts), scheduler) : EMPTY) }),
        takeUntil(hubSession$.pipe(filter(session => session !== hub))),
      )
    }).pipe(catchError(failed))

  const submit$ = (receipt: SignedReceipt): Observable<SettlingEvent> => bring$(receipt, isSettled)

  const due$ = (wanted: (receipt: SignedReceipt) => boolean): Observable<SettlingEvent> =>
    defer(() => {
      let last: readonly SignedReceipt[] = []
      const page$ = defer(() => {
        last = store.due(pageReceipts, last.at(-1)?.session)
        return from(last.filter(wanted)).pipe(mergeMap(submit$, oldAtOnce))
      })
      return page$.pipe(repeat({ delay: () => (last.length < pageReceipts ? EMPTY : timer(0, scheduler)) }))
    }).pipe(catchError(failed))

  /** A refusal says nothing new about what is settled already. */
  const owing$ = defer(() => from(store.ofDebtors(maxAsked).filter(isSettled))).pipe(
    mergeMap(receipt => bring$(receipt, () => false), oldAtOnce),
    filter(({ type }) => type !== 'receipt-refused'),
    catchError(failed),
  )
  const sparsely$ = defer(() =>
    short$.pipe(
      exhaustMap((_, times) => timer(reofferMs(times), scheduler)),
      exhaustMap(() => due$(() => true)),
    ),
  )
  const own$ = again$.pipe(switchMap(() => due$(({ consumer }) => consumer === pubKey)))
  const old$ = hubSession$.pipe(
    distinctUntilChanged(),
    switchMap(hub =>
      hub === undefined
        ? EMPTY
        : merge(
            sparsely$,
            own$,
            concat(
              due$(() => true),
              owing$,
            ),
          ),
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

function failed(error: unknown): Observable<StoreFailure> {
  return of({ type: 'receipts-failed', reason: toLighthouseError('store-failed', error, 'receipts') })
}
