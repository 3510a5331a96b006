import {
  type BehaviorSubject,
  defer,
  filter,
  map,
  merge,
  type Observable,
  share,
  Subject,
  tap,
  type SchedulerLike,
} from 'rxjs'
import type { CryptoPort, HubClient } from '../../ports.js'
import type { ReceiptStore } from '../../ports/receipts.js'
import { parseCoins } from '../../protocol/coins/amount.js'
import { type LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import type { Settlement } from '../../protocol/coins/receipt.js'
import type { SpendingLimits, SpendingStop } from '../../protocol/coins/spending.js'
import type { SessionAccount } from './account.js'
import { missedPayments$ } from './missed-payments.js'
import { createCrediting, type ServedSession } from './crediting.js'
import { createPaying, type PaidSession } from './paying.js'
import { type StoreFailure, settling$, type SettlingEvent } from './settling.js'
import type { HubSession, SignalingEvent } from '../signaling/signaling.js'
import { createWallet, type KnownWallet } from './wallet.js'

export interface AccountsOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly store: ReceiptStore
  readonly limits: SpendingLimits
  readonly hubSession$: BehaviorSubject<HubSession | undefined>
  readonly hub: Pick<HubClient, 'ledger$'>
  readonly scheduler: SchedulerLike
}

/** What the accounts report. */
export type AccountsReport =
  | { readonly type: 'coins'; readonly bytes: number }
  | Extract<SettlingEvent, { type: 'receipt-refused' }>
  | StoreFailure

/** The coins of one peer: what it owes and pays, what it is owed and gets. */
export interface Accounts {
  paid(session: PaidSession): SessionAccount
  served(session: ServedSession): SessionAccount
  /** What the hub said: wallets and settlements. */
  heard(event: SignalingEvent): void
  /** The wallet as the hub told it last. */
  readonly wallet: KnownWallet | undefined
  /** Asks the hub for the wallet with `balance$`; emits what counts then. */
  lookUp$(balance$: Observable<number>): Observable<number>
  /** Why this key is not served now, in words for its owner. Undefined when it is, or the store cannot say. */
  refusal(consumer: string): string | undefined
  /** Whether this key has paid for something here. False where the store cannot say. */
  hasPaid(consumer: string): boolean
  /** Asks nothing more for what this key owes here. Returns how many bytes that was. Throws `store-failed`. */
  forgive(consumer: string): number
  /** Every settlement whose signature was checked, pushed or as an acknowledgement, also those that move nothing. Hot. */
  readonly settled$: Observable<Settlement>
  /** Why nothing can be paid for now; for one seeder where its key is given. */
  stop(seeder?: string): SpendingStop | undefined
  /** Runs while subscribed (once): brings receipts to the hub. Never completes, never errors. */
  readonly report$: Observable<AccountsReport>
}

/** Joins both sides of the coins with the store and the hub. Throws `store-failed` when the store cannot be read. */
export function createAccounts(options: AccountsOptions): Accounts {
  const { identity, crypto, store, limits, hubSession$, hub, scheduler } = options
  const failure$ = new Subject<StoreFailure>()
  const onFailure = (reason: LighthouseError): void => failure$.next({ type: 'receipts-failed', reason })
  const signedIn$ = hubSession$.pipe(map(session => session !== undefined))
  const paying = createPaying({ identity, crypto, store, limits, onFailure, scheduler })
  const crediting = createCrediting({ identity, crypto, store, signedIn$, onFailure, scheduler })

  /** The least that takes one of this peer's receipts which the hub refused for want of coins: with that they are brought again. */
  let neededBytes: number | undefined
  let walletBytes = 0
  const again$ = new Subject<void>()
  const told$ = new Subject<number>()
  const wallet = createWallet(scheduler, bytes => {
    told$.next(bytes)
    const enough = neededBytes !== undefined && bytes > walletBytes && bytes >= neededBytes
    walletBytes = bytes
    paying.wallet(bytes)
    if (!enough) return
    neededBytes = undefined
    again$.next()
  })

  /** What the store cannot do is told; the peer goes on. */
  const attempt = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      onFailure(toLighthouseError('store-failed', error, 'receipts'))
    }
  }

  const settled$ = new Subject<Settlement>()
  const settle = (settlement: Settlement): void => {
    settled$.next(settlement)
    const givenUpBytes = store.givenUp(settlement.session)
    const ahead = store.settle(settlement)
    // The wallet first: what was signed comes off it either way, and must not be counted as free in between.
    const bytes = parseCoins(settlement.coins)
    if (bytes !== undefined) wallet.settled(settlement.seq, bytes)
    const parties = store.parties(settlement.session)
    if (ahead === 0 || parties === undefined) return
    if (parties.consumer === identity.pubKey) {
      // What was given up no longer counts as signed and not settled.
      const { session, bytes: totalBytes } = settlement
      paying.settled(session, totalBytes, Math.min(ahead, Math.max(0, totalBytes - givenUpBytes)))
    } else crediting.settled(parties.consumer, ahead)
  }

  const refused = ({ receipt, code }: Extract<SettlingEvent, { type: 'receipt-refused' }>): void => {
    const { session, consumer, bytes } = receipt
    if (code !== 'no-coins') {
      store.giveUp(session)
      return paying.recount()
    }
    // It stays due, and is offered again. Of the wallets of others nothing is known here.
    if (consumer !== identity.pubKey) return
    const moreBytes = bytes - (store.settlement(session)?.bytes ?? 0)
    neededBytes = Math.min(neededBytes ?? Infinity, moreBytes)
  }

  return {
    paid: session => paying.account(session),
    served: session => crediting.account(session),
    get wallet() {
      return wallet.known
    },
    lookUp$: balance$ => wallet.lookUp$(balance$),
    settled$,
    heard(event) {
      if (event.type === 'session' && event.session !== undefined) {
        const { hubKey } = event.session
        attempt(() => paying.signedIn(hubKey))
      }
      if (event.type === 'coins') wallet.signedIn(event.bytes)
      if (event.type === 'settled') attempt(() => settle(event.settlement))
    },
    refusal(consumer) {
      let reason: string | undefined
      attempt(() => (reason = crediting.refusal(consumer)))
      return reason
    },
    hasPaid(consumer) {
      let paid = false
      attempt(() => (paid = crediting.hasPaid(consumer)))
      return paid
    },
    forgive: consumer => crediting.forgive(consumer),
    stop(seeder) {
      const { peerBytes } = limits
      const spent = seeder !== undefined && peerBytes !== undefined && store.signedFor(seeder) >= peerBytes
      return spent ? 'spending-limit' : paying.stop()
    },
    report$: defer(() =>
      merge(
        failure$,
        told$.pipe(map((bytes): AccountsReport => ({ type: 'coins', bytes }))),
        settling$({
          receipt$: merge(paying.receipt$, crediting.receipt$, missedPayments$({ hubSession$, hub, store, scheduler })),
          again$,
          pubKey: identity.pubKey,
          hubSession$,
          store,
          crypto,
          scheduler,
        }).pipe(
          tap(event => {
            if (event.type === 'settled') attempt(() => settle(event.settlement))
            if (event.type === 'repeated') settled$.next(event.settlement)
            if (event.type !== 'receipt-refused') return
            attempt(() => refused(event))
          }),
          filter(event => event.type !== 'settled' && event.type !== 'repeated'),
        ),
      ),
    ).pipe(share()),
  }
}
