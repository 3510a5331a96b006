import {
  BehaviorSubject,
  concat,
  concatMap,
  defer,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  filter,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  pairwise,
  scan,
  type SchedulerLike,
  share,
  skip,
  startWith,
  Subject,
  switchMap,
  take,
  tap,
  timer,
  withLatestFrom,
} from 'rxjs'
import type { CryptoPort, HubClient } from '../../ports.js'
import type { ReceiptStore } from '../../ports/receipts.js'
import type { Settlement } from '../../protocol/coins/receipt.js'
import type { SpendingLimits, SpendingStop } from '../../protocol/coins/spending.js'
import { newer, unknownWallet, type Wallet } from '../../protocol/coins/wallet.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import type { HubConnection, SignalingEvent } from '../signaling/signaling.js'
import { creditSession } from './crediting.js'
import { Credits } from './credits.js'
import { createPaying } from './paying.js'
import { attempt, type PaymentEvent, type ReceiptRefused, type StoreFailure } from './payment-event.js'
import type { PayableSession, SessionPayment } from './session-payment.js'
import { settling$ } from './settling.js'

/**
 * How long after a sign-in, or the first answer of a hub that was silent, receipts still count that are here and not settled:
 * they are under way, and a consumer may come back to the hub later than this peer.
 */
const settlingMs = 10_000

export interface PaymentsOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly store: ReceiptStore
  readonly limits: SpendingLimits
  readonly hubConnection$: BehaviorSubject<HubConnection | undefined>
  /** What the hub sends. Hot. */
  readonly hubEvent$: Observable<SignalingEvent>
  readonly hub: Pick<HubClient, 'ledger$'>
  readonly scheduler: SchedulerLike
}

/** What is reported of coins. `balance` for each balance from the hub that counts. */
export type PaymentReport = { readonly type: 'balance'; readonly bytes: number } | ReceiptRefused | StoreFailure

/** What this peer owes and pays, what it is owed and gets. */
export interface Payments {
  /** The payment of a session in which this peer consumes. */
  readonly consume: (session: PayableSession) => SessionPayment
  /** The payment of a session in which this peer serves. */
  readonly serve: (session: PayableSession) => SessionPayment
  readonly wallet: Wallet
  /**
   * Asks for the balance with `balance$`, and emits what counts then: the answer, or a balance that was received meanwhile,
   * which is newer. Errors as the question does.
   */
  lookUp$(balance$: Observable<number>): Observable<number>
  /** Why this key is not served now, in words for its owner. Undefined when it is, or the store fails. */
  readonly refusal: (consumer: string) => string | undefined
  /** Whether this key has paid for something here. False where the store fails. */
  readonly hasPaid: (consumer: string) => boolean
  /** Asks nothing more for what this key owes here. Returns how many bytes that was. Throws `store-failed`. */
  forgive(consumer: string): number
  /** Every settlement whose signature was checked, before the store has it, also those that move nothing. Hot. */
  readonly settled$: Observable<Settlement>
  /** Why nothing can be paid for now; for one seeder where its key is given. Undefined when it can, or the store fails. */
  readonly stop: (seeder?: string) => SpendingStop | undefined
  /** Runs while subscribed (once): brings receipts to the hub. Never completes, never errors. */
  readonly report$: Observable<PaymentReport>
}

/**
 * The coins of a peer.
 *
 *     hub ──settlement, balance──▶ store ──▶ wallet$ ──▶ debts, sessions ──receipts──▶ event$ ──▶ settling$ ──▶ hub
 *                                    └──▶ credit of keys ──▶ sessions                    ▲           │
 *                                                                                        └──answers──┘
 *
 * `event$` is the one place where what was done comes round as an event; everything else is derived from it and the hub's
 * events. Throws `store-failed` when the store cannot be read.
 */
export function createPayments(options: PaymentsOptions): Payments {
  const { identity, crypto, store, limits, hubConnection$, hubEvent$, scheduler } = options
  const event$ = new Subject<PaymentEvent>()
  const refused$ = event$.pipe(filter(event => event.type === 'receipt-refused'))

  /** A settlement as it is received, and then what it moved in the store. */
  const settlement$ = merge(hubEvent$, event$).pipe(
    filter(event => event.type === 'settled'),
    concatMap(received =>
      concat(
        of(received),
        defer(() => {
          const moved = attempt(event$, () => store.settle(received.settlement))
          return moved === undefined ? EMPTY : of({ type: 'moved' as const, ...moved })
        }),
      ),
    ),
    share(),
  )
  const received$ = settlement$.pipe(filter(event => event.type === 'settled'))
  const moved$ = settlement$.pipe(filter(event => event.type === 'moved'))

  const wallet$ = new BehaviorSubject(unknownWallet)
  const walletChange$ = merge(
    hubEvent$.pipe(filter(event => event.type === 'hub-connection' || event.type === 'balance')),
    // Before the store has them: what was signed must not be counted as free in between.
    received$,
    event$.pipe(filter(event => event.type === 'looked-up')),
  ).pipe(
    scan((wallet, news) => newer(wallet, news, scheduler.now()), unknownWallet),
    distinctUntilChanged(),
    share({ connector: () => wallet$ }),
  )
  const balanceBytes$ = wallet$.pipe(
    skip(1),
    map(({ balanceBytes }) => balanceBytes),
    filter(bytes => bytes !== undefined),
  )

  /** What the hub refuses for other reasons than coins it will not settle: that does not count as signed any more. */
  const givenUp$ = refused$.pipe(
    filter(({ code }) => code !== 'no-coins'),
    map(({ receipt }) => attempt(event$, () => store.giveUp(receipt.session))),
    share(),
  )
  const doubted$ = refused$.pipe(
    filter(({ receipt }) => receipt.seeder === identity.pubKey),
    map(({ receipt }) => attempt(event$, () => credits.doubt(receipt.consumer))),
  )
  const funds$ = merge(
    balanceBytes$.pipe(distinctUntilChanged()),
    moved$.pipe(filter(({ consumer }) => consumer === identity.pubKey)),
    givenUp$,
  )
  const credits = new Credits({ store, event$, clock: scheduler })
  const earned$ = moved$.pipe(
    filter(({ consumer }) => consumer !== identity.pubKey),
    map(({ consumer, session, bytes }) => attempt(event$, () => credits.settled(consumer, session, bytes))),
  )
  const receipt$ = event$.pipe(
    filter(event => event.type === 'receipt'),
    map(({ receipt }) => receipt),
  )
  const short$ = refused$.pipe(filter(({ code }) => code === 'no-coins'))
  // Of the wallets of others nothing is known here.
  const needed$ = short$.pipe(
    filter(({ receipt }) => receipt.consumer === identity.pubKey),
    map(({ moreBytes }) => moreBytes),
  )
  /** Emits when the balance has grown to what the least of this peer's receipts needs that were refused for want of coins. */
  const again$ = needed$.pipe(
    exhaustMap(bytes =>
      wallet$.pipe(
        map(({ balanceBytes = 0 }) => balanceBytes),
        pairwise(),
        withLatestFrom(
          needed$.pipe(
            startWith(bytes),
            scan((least, more) => Math.min(least, more)),
          ),
        ),
        filter(([[before, now], needed]) => now > before && now >= needed),
        take(1),
      ),
    ),
  )
  const paying = createPaying({ identity, crypto, store, limits, wallet$, funds$, received$, event$, scheduler })
  /** Whether the hub can be expected to settle. Its answers are what says so again once it was silent. */
  const settles$ = new BehaviorSubject(false)
  const settlesChange$ = merge(
    hubConnection$.pipe(map(connection => connection !== undefined)),
    event$.pipe(
      filter(event => event.type === 'hub-silent'),
      map(() => false),
    ),
    merge(received$, refused$).pipe(map(() => true)),
  ).pipe(
    distinctUntilChanged(),
    tap(settles => settles$.next(settles)),
    switchMap(settles => (settles ? timer(settlingMs, scheduler).pipe(map(() => false)) : of(true))),
    map(isAway => attempt(event$, () => credits.hubAway(isAway))),
  )

  return {
    consume: session => paying.session(session),
    serve: session => creditSession({ identity, crypto, store, credits, settles$, event$, scheduler }, session),
    get wallet() {
      return wallet$.value
    },
    lookUp$: balance$ =>
      defer(() => {
        const asked = wallet$.value
        return balance$.pipe(
          map(bytes => {
            event$.next({ type: 'looked-up', bytes, asked })
            return wallet$.value.balanceBytes ?? bytes
          }),
        )
      }),
    settled$: received$.pipe(map(({ settlement }) => settlement)),
    refusal: consumer => attempt(event$, () => credits.refusal(consumer)),
    hasPaid: consumer => attempt(event$, () => credits.hasPaid(consumer)) ?? false,
    forgive: consumer => credits.forgive(consumer),
    stop: seeder => attempt(event$, () => paying.stop(seeder)),
    report$: defer(() =>
      merge(
        event$.pipe(filter(event => event.type === 'receipts-failed' || event.type === 'receipt-refused')),
        balanceBytes$.pipe(map((bytes): PaymentReport => ({ type: 'balance', bytes }))),
        merge(paying.debt$, earned$, doubted$, settlesChange$, walletChange$).pipe(ignoreElements()),
        settling$({ ...options, pubKey: identity.pubKey, receipt$, short$, again$ }).pipe(
          tap(event => event$.next(event)),
          ignoreElements(),
        ),
      ),
    ).pipe(share()),
  }
}
