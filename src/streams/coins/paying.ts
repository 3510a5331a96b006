import {
  type BehaviorSubject,
  catchError,
  connect,
  defer,
  distinctUntilChanged,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  pairwise,
  scan,
  type SchedulerLike,
  share,
  type Subject,
  switchMap,
  tap,
} from 'rxjs'
import { receiptPace } from '../../operators/receipt-pace.js'
import type { CryptoPort } from '../../ports.js'
import type { ConsumerStore } from '../../ports/receipts.js'
import { fromBase64 } from '../../protocol/base64.js'
import {
  newPaidSession,
  type PaidSessionEvent,
  receiptStep,
  stepPaidSession,
} from '../../protocol/coins/paid-session.js'
import type { Receipt } from '../../protocol/coins/receipt.js'
import { signable, type SpendingLimits, type SpendingStop } from '../../protocol/coins/spending.js'
import type { Wallet } from '../../protocol/coins/wallet.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { receiptText } from '../../protocol/signaling/signed-texts.js'
import type { SessionEvent } from '../mux/session-reports.js'
import { attempt, type PaymentEvent, type Settled } from './payment-event.js'
import type { PayableSession, SessionPayment } from './session-payment.js'

export interface PayingOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly store: ConsumerStore
  readonly limits: SpendingLimits
  /** Its hub is where debts are paid. While its balance is unknown nothing is signed. */
  readonly wallet$: BehaviorSubject<Wallet>
  /** Emits when there may be more to sign with. Hot. */
  readonly funds$: Observable<unknown>
  /** Settlements as they are received. Hot. */
  readonly received$: Observable<Settled>
  /** Receipts go here as they are signed, and what the store failed in where no connection could be ended for it. */
  readonly event$: Subject<PaymentEvent>
  readonly scheduler: SchedulerLike
}

/** The consumer's side of the coins: what was received is signed for, as far as wallet and limits go. */
export interface Paying {
  /** Why nothing more could be signed now, for this seeder where its key is given; undefined when something could. */
  stop(seeder?: string): SpendingStop | undefined
  session(session: PayableSession): SessionPayment
  /** Pays debts while subscribed, as coins arrive. Emits nothing, never errors. */
  readonly debt$: Observable<never>
}

interface Signed {
  /** More than was signed before. */
  readonly bytes: number
  readonly stop: SpendingStop | undefined
}

const dryMessage = 'your coins are used up, so the transfer was held and then ended; what arrived is incomplete'
const limitMessage = 'a limit that you set on what may be spent is reached, so the connection was ended'

function startOfDay(scheduler: SchedulerLike): number {
  const now = scheduler.now()
  return now - (now % 86_400_000)
}

/** What is left of a limit. */
function rest(limit: number | undefined, bytes: number): number | undefined {
  return limit === undefined ? undefined : Math.max(0, limit - bytes)
}

/** Emits when a stream has ended. */
function streamEnded$(event$: Observable<SessionEvent>): Observable<unknown> {
  return event$.pipe(
    filter(event => event.type === 'streams'),
    pairwise(),
    filter(([before, now]) => now.open < before.open),
  )
}

/**
 * Signs for what this peer receives: cumulative receipts, paced by `receiptPace`, for no more than was received, than the
 * wallet holds and than the owner's limits allow. What could not be signed is signed as soon as coins arrive, after the
 * end of its session too: it stays a debt, and the seeder gives nothing beyond its credit window before it is paid.
 */
export function createPaying(options: PayingOptions): Paying {
  const { identity, crypto, store, limits, wallet$, funds$, received$, event$, scheduler } = options
  const { pubKey: consumer } = identity

  const spending = (seeder: string, receivedBytes: number, signedBytes: number, own: SpendingLimits) => {
    const { hubKey, balanceBytes = 0 } = wallet$.value
    return {
      receivedBytes,
      signedBytes,
      walletBytes: balanceBytes,
      unsettledBytes: hubKey === undefined ? 0 : store.unsettledBytes(consumer, hubKey),
      signedTodayBytes: limits.dayBytes === undefined ? 0 : store.signedSince(startOfDay(scheduler)),
      signedForPeerBytes: own.peerBytes === undefined ? 0 : store.signedFor(seeder),
      limits: own,
    }
  }
  const stop = (seeder?: string): SpendingStop | undefined => {
    const { dayBytes, peerBytes } = limits
    return signable(spending(seeder ?? '', 1, 0, { dayBytes, peerBytes: seeder === undefined ? undefined : peerBytes }))
      .stop
  }

  /** Signs as far as wallet and limits go, and keeps it before it is anywhere else. `allowance`: what a connection may still cost. */
  const sign = (due: Receipt, allowance?: number): Signed => {
    const signedBytes = store.session(due.session)?.receipt?.bytes ?? 0
    const connectionBytes = allowance === undefined ? undefined : signedBytes + allowance
    const { bytes, stop } = signable(spending(due.seeder, due.bytes, signedBytes, { ...limits, connectionBytes }))
    if (bytes <= signedBytes) return { bytes: 0, stop }
    const receipt = { ...due, bytes }
    const signed = { ...receipt, signature: crypto.sign(identity.privKey, receiptText(receipt)) }
    store.keep(signed)
    event$.next({ type: 'receipt', receipt: signed })
    return { bytes: bytes - signedBytes, stop }
  }

  /**
   * Signs for what sessions without coins left unpaid, oldest first: their seeders give no more before. To one seeder also what
   * connections left because the owner's limit was reached. It comes off what a new one may cost: so no connection costs more
   * than it may, and nobody is locked out by his own limit.
   */
  const payDebts = (seeder?: string): Signed => {
    const { hubKey } = wallet$.value
    let paidBytes = 0
    for (const debt of hubKey === undefined ? [] : store.owed(hubKey)) {
      if (seeder !== undefined && debt.seeder !== seeder) continue
      const { bytes, stop } = sign(debt, rest(limits.connectionBytes, paidBytes))
      paidBytes += bytes
      if (stop === 'no-coins' || (seeder !== undefined && stop !== undefined)) return { bytes: paidBytes, stop }
    }
    return { bytes: paidBytes, stop: undefined }
  }

  return {
    stop,
    // Where the owner limits what a connection may cost, a debt waits for one to that seeder.
    debt$: funds$.pipe(
      filter(() => limits.connectionBytes === undefined),
      map(() =>
        attempt(event$, () => {
          if (stop() === undefined) payDebts()
        }),
      ),
      ignoreElements(),
    ),
    session({ hubKey, session, pubKey: seeder }) {
      const receipt$ = event$.pipe(
        filter(event => event.type === 'receipt'),
        map(({ receipt }) => receipt),
        filter(receipt => receipt.session === session),
      )
      let stop: SpendingStop | undefined
      const explain = (reason: LighthouseError): LighthouseError => {
        if (stop === undefined || reason.code === stop) return reason
        return new LighthouseError(stop, stop === 'no-coins' ? dryMessage : limitMessage, {}, { cause: reason })
      }
      return {
        explain,
        receipt$: receipt$.pipe(map(({ bytes, signature }) => ({ bytes, signature: fromBase64(signature) }))),
        follow: source$ =>
          defer(() => {
            store.open({ session, seeder, consumer })
            let paid = newPaidSession
            const carried = payDebts(seeder)
            stop = carried.stop
            const paidBefore = store.signedFor(seeder)
            const pay = (dueBytes: number): void => {
              const due = { hub_key: hubKey, session, seeder, consumer, bytes: dueBytes }
              stop = sign(due, rest(limits.connectionBytes, carried.bytes + paid.signedBytes)).stop
              // Now and not at the end, which a process that is killed does not come to.
              if (stop !== undefined) store.owe({ ...due, bytes: Math.max(dueBytes, paid.receivedBytes) })
            }
            const paid$ = (own$: Observable<SessionEvent>): Observable<never> => {
              const step$ = merge(
                own$.pipe(filter(event => event.type === 'bytes' || event.type === 'traffic')),
                receipt$.pipe(map(({ bytes }): PaidSessionEvent => ({ type: 'signed', bytes }))),
                received$.pipe(
                  filter(({ settlement }) => settlement.session === session),
                  map(({ settlement }): PaidSessionEvent => ({ type: 'settled', bytes: settlement.bytes })),
                ),
              )
              const ended$ = streamEnded$(own$).pipe(share())
              const signed$ = step$.pipe(
                scan(stepPaidSession, newPaidSession),
                tap(newest => (paid = newest)),
                map(({ countableBytes }) => countableBytes),
                distinctUntilChanged(),
                receiptPace(() => receiptStep(paid, paidBefore), { flush$: ended$, scheduler }),
                // What cannot be signed now is tried again when coins arrive.
                switchMap(due => merge(of(due), funds$.pipe(map(() => due)))),
                tap(due => {
                  pay(due)
                  if (stop === 'spending-limit') throw new LighthouseError(stop, limitMessage)
                }),
              )
              // All the time, and not only while something is unsigned: it compares with the number of streams before.
              return merge(ended$, signed$).pipe(ignoreElements())
            }
            return source$.pipe(
              connect(own$ => merge(paid$(own$), own$)),
              // What local programs had not consumed was received all the same. What cannot be paid is owed.
              finalize(() => attempt(event$, () => pay(paid.receivedBytes))),
              catchError((error: unknown) => {
                throw explain(toInternalError(error))
              }),
            )
          }),
      }
    },
  }
}
