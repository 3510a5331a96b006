import {
  auditTime,
  combineLatest,
  defer,
  distinctUntilChanged,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  NEVER,
  type Observable,
  type SchedulerLike,
  share,
  startWith,
  Subject,
  switchMap,
  tap,
  timer,
} from 'rxjs'
import type { CryptoPort } from '../../ports.js'
import type { SeederStore } from '../../ports/receipts.js'
import { toBase64 } from '../../protocol/base64.js'
import { setBounded } from '../../protocol/bounded-map.js'
import { bytesPerCoin, formatCoins } from '../../protocol/coins/amount.js'
import {
  announced,
  announcement,
  closeSession,
  createCredit,
  type Credit,
  forgive,
  limitOf,
  openSession,
  sent,
  settled,
} from '../../protocol/coins/credit.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import type { SignedReceipt } from '../../protocol/coins/receipt.js'
import { receiptText } from '../../protocol/signaling/signed-texts.js'
import type { FramedReceipt } from '../../protocol/mux/frame.js'
import type { SessionAccount } from './account.js'

/** How long data is held for a settlement. */
const unpaidMs = 20_000

/** A signature is checked at most so often for each session: only the newest receipt counts, and a flood costs no more. */
const receiptAuditMs = 50

/** How long a key is turned away, with the reason in words, that has just been given up as unpaid. */
const turnedAwayMs = 60_000

/** Keys that are turned away at a time; beyond, the oldest may come again sooner, and gets nothing all the same. */
const maxTurnedAway = 1_000

/** A receipt that the consumer does not bring to the hub itself within this time is brought by the seeder. */
const patienceMs = 2_000

/** One session in which this peer serves. */
export interface ServedSession {
  readonly hubKey: string
  readonly session: string
  /** Public key of the other side. */
  readonly consumer: string
}

export interface CreditingOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly store: SeederStore
  /** Whether this peer is signed in: while it is not, nobody can be expected to pay. */
  readonly signedIn$: Observable<boolean>
  /** The store failed where no connection could be ended for it. */
  readonly onFailure: (reason: LighthouseError) => void
  readonly scheduler: SchedulerLike
}

/** The seeder's side of the coins: a window of credit for each key, and data held when it is used up. */
export interface Crediting {
  /** The hub settled so much more of a session with this key. */
  settled(consumer: string, bytes: number): void
  /**
   * Why this key gets no connection now: it was given up as unpaid within the last minute, and has not paid since. In
   * words for its owner, who sees nothing but a transfer that stops otherwise. Later it may try again, and pay then.
   */
  refusal(consumer: string): string | undefined
  /** Whether this key has ever paid for a coin's worth of what it was sent. Throws `store-failed`. */
  hasPaid(consumer: string): boolean
  /** Asks nothing more for what this key owes. Returns how many bytes that was. Throws `store-failed`. */
  forgive(consumer: string): number
  /** Receipts that consumers gave and did not bring to the hub in time. */
  readonly receipt$: Observable<SignedReceipt>
  account(session: ServedSession): SessionAccount
}

/**
 * Lets each key take what its credit window allows over all its sessions, and what it has paid. Debt belongs to the key, is
 * kept in the store ahead of sending, and outlives connection and process.
 */
export function createCrediting(options: CreditingOptions): Crediting {
  const { identity, crypto, store, signedIn$, onFailure, scheduler } = options
  const credits = new Map<string, Credit>()
  const grown$ = new Subject<string>()
  const paid$ = new Subject<string>()
  const late$ = new Subject<SignedReceipt>()
  /** Until when, by key. */
  const turnedAway = new Map<string, number>()

  const remember = (consumer: string, credit: Credit): void => {
    if (credit.sessions.size === 0) credits.delete(consumer)
    else credits.set(consumer, credit)
  }

  /** What was announced is on disk before anything of it is sent. */
  const update = (consumer: string, change: (credit: Credit) => Credit): void => {
    const before = credits.get(consumer) ?? createCredit(store.account(consumer))
    const credit = change(before)
    // Before the store is told, which may fail: what was sent is a debt all the same.
    remember(consumer, credit)
    const due = announcement(credit)
    if (due !== undefined) {
      store.serve(consumer, due)
      remember(consumer, announced(credit, due))
    }
    if (due !== undefined || credit.paidBytes > before.paidBytes) grown$.next(consumer)
  }

  /** For the end of a session, where no connection is left to end for what the store cannot do. */
  const attempt = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      onFailure(toLighthouseError('store-failed', error, 'receipts'))
    }
  }

  return {
    settled(consumer, bytes) {
      if (bytes <= 0) return
      turnedAway.delete(consumer)
      // With no session live the store alone knows the key, and it has been told.
      if (!credits.has(consumer)) return
      try {
        update(consumer, credit => settled(credit, bytes))
      } finally {
        // Who paid has paid, also where the store could not be told of what may be sent now.
        paid$.next(consumer)
      }
    },
    refusal(consumer) {
      if ((turnedAway.get(consumer) ?? 0) <= scheduler.now()) return undefined
      const { servedBytes, paidBytes } = credits.get(consumer) ?? store.account(consumer)
      return (
        `${formatCoins(servedBytes - paidBytes)} coins are owed here for what was sent to you and not paid, what was under ` +
        'way when a connection broke included; there is nothing more before they are paid, or the owner forgives them'
      )
    },
    hasPaid(consumer) {
      return (credits.get(consumer) ?? store.account(consumer)).paidBytes >= bytesPerCoin
    },
    forgive(consumer) {
      const credit = credits.get(consumer) ?? createCredit(store.account(consumer))
      const forgiven = forgive(credit)
      const bytes = credit.servedBytes - forgiven.servedBytes
      if (bytes > 0) {
        store.serve(consumer, forgiven.servedBytes)
        remember(consumer, announced(forgiven, forgiven.servedBytes))
      }
      turnedAway.delete(consumer)
      update(consumer, same => same)
      return bytes
    },
    receipt$: late$,
    account({ hubKey, session, consumer }) {
      const limit = (): number => {
        const credit = credits.get(consumer)
        return credit === undefined ? 0 : limitOf(credit, session)
      }
      /** The newest receipt that was not looked at. */
      let given: FramedReceipt | undefined
      const keepGiven = (): boolean => {
        if (given === undefined) return true
        const { bytes, signature } = given
        given = undefined
        const receipt = { hub_key: hubKey, session, seeder: identity.pubKey, consumer, bytes }
        const signed = { ...receipt, signature: toBase64(signature) }
        if (bytes === 0 || !crypto.verify(consumer, receiptText(receipt), signed.signature)) return false
        store.keep(signed)
        return true
      }
      const bringKept = (): void => {
        const kept = store.receipt(session)
        if (kept?.consumer !== consumer || kept.bytes <= (store.settlement(session)?.bytes ?? 0)) return
        late$.next(kept)
      }
      return {
        credit: { bytes: limit, grown$: grown$.pipe(filter(key => key === consumer)) },
        follow$: event$ =>
          defer(() => {
            store.open({ session, seeder: identity.pubKey, consumer })
            update(consumer, credit => openSession(credit, session))
            const session$ = event$.pipe(share())
            const sent$ = session$.pipe(
              filter(event => event.type === 'account'),
              map(({ sentBytes }) => sentBytes),
              distinctUntilChanged(),
              tap(bytes => update(consumer, credit => sent(credit, session, bytes))),
            )
            const held$ = session$.pipe(
              filter(event => event.type === 'held'),
              map(({ on }) => on),
            )
            const paidNow$ = paid$.pipe(
              filter(key => key === consumer),
              startWith(consumer),
            )
            // Anew with each payment: who pays and takes at once what that opens is held all the time.
            const unpaid$ = combineLatest([held$, signedIn$, paidNow$]).pipe(
              switchMap(([held, signedIn]) => (held && signedIn ? timer(unpaidMs, scheduler) : NEVER)),
              map(() => {
                setBounded(turnedAway, consumer, scheduler.now() + turnedAwayMs, maxTurnedAway)
                const message = 'the other side took what it may on credit and paid nothing for 20 s'
                throw new LighthouseError('unpaid', message)
              }),
            )
            const receipts$ = session$.pipe(
              filter(event => event.type === 'receipt'),
              tap(({ receipt }) => (given = receipt)),
              auditTime(receiptAuditMs, scheduler),
              tap(() => {
                if (keepGiven()) return
                throw new LighthouseError('bad-signature', 'the other side gave a receipt that it did not sign')
              }),
              auditTime(patienceMs, scheduler),
              tap(bringKept),
            )
            return merge(sent$, unpaid$, receipts$)
          }).pipe(
            ignoreElements(),
            finalize(() => {
              // Its last receipt counts, and who has gone may not bring it to the hub any more.
              attempt(() => {
                keepGiven()
                bringKept()
              })
              attempt(() => update(consumer, credit => closeSession(credit, session)))
            }),
          ),
        reason: error => error,
      }
    },
  }
}
