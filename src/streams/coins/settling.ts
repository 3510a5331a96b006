import {
  type BehaviorSubject,
  catchError,
  concat,
  concatMap,
  connect,
  debounceTime,
  defer,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  filter,
  from,
  groupBy,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  repeat,
  retry,
  type SchedulerLike,
  startWith,
  switchMap,
  takeUntil,
  throwError,
  timer,
} from 'rxjs'
import { exhaustMapWithTrailing } from '../../operators/exhaust-map-with-trailing.js'
import type { CryptoPort, HubClient } from '../../ports.js'
import type { SettlingStore, StatementStore } from '../../ports/receipts.js'
import { isLighthouseError, LighthouseError } from '../../protocol/errors.js'
import {
  isSameSettlement,
  type ReceiptAck,
  type ReceiptRefusal,
  type SignedReceipt,
} from '../../protocol/coins/receipt.js'
import { settledText } from '../../protocol/signaling/signed-texts.js'
import type { HubConnection } from '../signaling/signaling.js'
import { missedPayments$ } from './missed-payments.js'
import { type HubSilent, type ReceiptRefused, type Settled, storeFailure, type StoreFailure } from './payment-event.js'

/**
 * Before a receipt that the hub could not take now is offered again: half a second, doubled up to eight. Well within the
 * 20 s for which a seeder holds its data, so that nobody is disconnected for this wait once the hub can settle again.
 */
function retryMs(attempts: number): number {
  return Math.min(8_000, 500 * 2 ** Math.min(attempts - 1, 4))
}

/** How long the hub may take to answer before it counts as silent: settling takes it some milliseconds. */
const silentMs = 1_000

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
 * own: five minutes, doubled up to eighty. This peer is not notified when others' wallets grow.
 */
function reofferMs(times: number): number {
  return 300_000 * 2 ** Math.min(times, 4)
}

export interface SettlingOptions {
  /** Receipts to settle, newer ones of a session replacing older ones. Hot. */
  readonly receipt$: Observable<SignedReceipt>
  /** Emits when the hub has refused a receipt for want of coins. Hot. */
  readonly short$: Observable<unknown>
  /** Emits when what this peer itself owes should be brought once more. */
  readonly again$: Observable<unknown>
  /** This peer's key. */
  readonly pubKey: string
  readonly hubConnection$: BehaviorSubject<HubConnection | undefined>
  readonly hub: Pick<HubClient, 'ledger$'>
  readonly store: SettlingStore & Pick<StatementStore, 'newestHead'>
  readonly crypto: CryptoPort
  readonly scheduler: SchedulerLike
}

export type SettlingEvent = Settled | ReceiptRefused | HubSilent | StoreFailure

const silent: HubSilent = { type: 'hub-silent' }

/** These pass by themselves; anything else is for good. */
const passing: readonly ReceiptRefusal[] = ['rate-limited', 'unavailable']

/**
 * Brings receipts to the hub: one at a time for each session, always the newest, and at each sign-in all that the store has
 * unsettled, newest session first, so that no receipt is lost by a crash or while the hub is away. What keys that owe have settled is
 * asked for then too: the hub notifies only parties that are signed in. While the hub is away nothing is kept
 * here: it is in the store. Holds a page of the store. Never completes and never errors.
 */
export function settling$(options: SettlingOptions): Observable<SettlingEvent> {
  const { receipt$, short$, again$, pubKey, hubConnection$, store, crypto, scheduler } = options

  const isSettled = ({ session, bytes }: SignedReceipt): boolean =>
    (store.session(session)?.settlement?.bytes ?? 0) >= bytes

  /** What follows from the hub's answer: an event or nothing. Errors with `hub-unreachable` when it is worth to ask again. */
  const onAck$ = (hub: HubConnection, receipt: SignedReceipt, ack: ReceiptAck): Observable<SettlingEvent> => {
    const known = store.session(receipt.session)?.settlement
    if ('settled' in ack) {
      const { settled } = ack
      const genuine =
        settled.session === receipt.session &&
        settled.bytes >= receipt.bytes &&
        // Often it came as an event before, and was checked then.
        !(known !== undefined && isSameSettlement(known, settled)) &&
        crypto.verify(hub.hubKey, settledText(settled), settled.signature)
      return genuine ? of({ type: 'settled', settlement: settled }) : EMPTY
    }
    const { code, message } = ack.error
    const again$ = throwError(() => new LighthouseError('hub-unreachable', message))
    if (passing.includes(code)) return code === 'unavailable' ? concat(of(silent), again$) : again$
    const moreBytes = receipt.bytes - (known?.bytes ?? 0)
    return of({ type: 'receipt-refused', receipt, moreBytes, code, message })
  }

  const ask$ = (hub: HubConnection, receipt: SignedReceipt): Observable<SettlingEvent> =>
    hub.socket.settle$(receipt).pipe(
      connect(ack$ =>
        merge(
          timer(silentMs, scheduler).pipe(
            map(() => silent),
            takeUntil(ack$),
          ),
          ack$.pipe(concatMap(ack => onAck$(hub, receipt, ack))),
        ),
      ),
    )

  /** Until the hub has answered for good, or is another one or away: then the next sign-in brings the receipt. */
  const bring$ = (receipt: SignedReceipt, isDone: (newest: SignedReceipt) => boolean): Observable<SettlingEvent> =>
    defer(() => {
      const hub = hubConnection$.value
      if (hub === undefined || hub.hubKey !== receipt.hub_key) return EMPTY
      return defer(() => {
        const newest = store.session(receipt.session)?.receipt ?? receipt
        return isDone(newest) ? EMPTY : ask$(hub, newest)
      }).pipe(
        retry({
          // Where the answer was lost, asking again shows whether the receipt was settled.
          delay: (error: unknown, attempts) =>
            isLighthouseError(error, 'hub-unreachable') ? timer(retryMs(attempts), scheduler) : throwError(() => error),
        }),
        // Not what was asked for: the next sign-in brings the receipt again.
        catchError((error: unknown) => (isLighthouseError(error, 'hub-protocol') ? EMPTY : throwError(() => error))),
        takeUntil(hubConnection$.pipe(filter(connection => connection !== hub))),
      )
    }).pipe(catchError((error: unknown) => of(storeFailure(error))))

  const submit$ = (receipt: SignedReceipt): Observable<SettlingEvent> => bring$(receipt, isSettled)

  const due$ = (wanted: (receipt: SignedReceipt) => boolean): Observable<SettlingEvent> =>
    defer(() => {
      let last: readonly SignedReceipt[] = []
      const page$ = defer(() => {
        last = store.due(pageReceipts, last.at(-1)?.session)
        return from(last.filter(wanted)).pipe(mergeMap(submit$, oldAtOnce))
      })
      return page$.pipe(repeat({ delay: () => (last.length < pageReceipts ? EMPTY : timer(0, scheduler)) }))
    }).pipe(catchError((error: unknown) => of(storeFailure(error))))

  const settledOfDebtors = (): readonly SignedReceipt[] =>
    store
      .ofDebtors()
      .flatMap(({ receipt }) => receipt ?? [])
      .filter(isSettled)
      .slice(0, maxAsked)
  /** Refusals are ignored: these receipts are settled already. */
  const owing$ = defer(() => from(settledOfDebtors())).pipe(
    mergeMap(receipt => bring$(receipt, () => false), oldAtOnce),
    filter(({ type }) => type !== 'receipt-refused'),
    catchError((error: unknown) => of(storeFailure(error))),
  )
  const sparsely$ = short$.pipe(
    exhaustMap((_, times) => timer(reofferMs(times), scheduler)),
    exhaustMap(() => due$(() => true)),
  )
  const own$ = again$.pipe(switchMap(() => due$(({ consumer }) => consumer === pubKey)))
  const old$ = hubConnection$.pipe(
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
            missedPayments$(hub, options).pipe(mergeMap(submit$, oldAtOnce)),
          ),
    ),
  )
  const new$ = receipt$.pipe(
    groupBy(({ session }) => session, {
      // Not of the group itself, which would hold the source beyond the end of the subscription.
      duration: ({ key }) =>
        receipt$.pipe(
          filter(({ session }) => session === key),
          startWith(undefined),
          debounceTime(quietMs, scheduler),
        ),
    }),
    mergeMap(group$ => group$.pipe(exhaustMapWithTrailing(submit$))),
  )
  return merge(new$, old$)
}
