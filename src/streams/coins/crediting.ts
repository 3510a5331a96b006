import {
  auditTime,
  combineLatest,
  connect,
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
  startWith,
  type Subject,
  switchMap,
  tap,
  timer,
} from 'rxjs'
import type { CryptoPort } from '../../ports.js'
import type { SeederStore } from '../../ports/receipts.js'
import { toBase64 } from '../../protocol/base64.js'
import { closeSession, openSession, sent } from '../../protocol/coins/credit.js'
import { LighthouseError } from '../../protocol/errors.js'
import type { FramedReceipt } from '../../protocol/mux/frame.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { receiptText } from '../../protocol/signaling/signed-texts.js'
import type { SessionEvent } from '../mux/session-reports.js'
import type { Credits } from './credits.js'
import { attempt, type PaymentEvent } from './payment-event.js'
import type { PayableSession, SessionPayment } from './session-payment.js'

/** How long data waits for a settlement. */
const unpaidMs = 20_000

/** A signature is checked at most so often for each session: only the newest receipt counts, and a flood costs no more. */
const receiptAuditMs = 50

/** A receipt that the consumer does not bring to the hub itself within this time is brought by the seeder. */
const patienceMs = 2_000
/** The same once data waits for credit. */
const heldPatienceMs = 100

export interface CreditingOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly store: SeederStore
  readonly credits: Credits
  /** Whether the hub settles, as far as this peer sees: while it does not, nobody can be expected to pay. */
  readonly settles$: Observable<boolean>
  /**
   * Tells what keys may be sent. Receipts that consumers gave and did not bring to the hub in time go here, and what the store
   * failed in where no connection could be ended for it.
   */
  readonly event$: Subject<PaymentEvent>
  readonly scheduler: SchedulerLike
}

/** The seeder's side of a session: lets the key take what its credit allows over all its sessions, and takes its receipts. */
export function creditSession(options: CreditingOptions, payable: PayableSession): SessionPayment {
  const { identity, crypto, store, credits, settles$, event$, scheduler } = options
  const { hubKey, session, pubKey: consumer } = payable
  const seeder = identity.pubKey
  const credit$ = event$.pipe(
    filter(event => event.type === 'credit'),
    filter(event => event.consumer === consumer),
  )

  /** Keeps what the other side gave. Returns false where it did not sign that. */
  const keep = ({ bytes, signature }: FramedReceipt): boolean => {
    const receipt = { hub_key: hubKey, session, seeder, consumer, bytes }
    const signed = { ...receipt, signature: toBase64(signature) }
    if (bytes === 0 || !crypto.verify(consumer, receiptText(receipt), signed.signature)) return false
    store.keep(signed)
    credits.promised(consumer, hubKey)
    return true
  }
  const bring = (): void => {
    const { receipt, settlement } = store.session(session) ?? {}
    if (receipt?.consumer !== consumer || receipt.bytes <= (settlement?.bytes ?? 0)) return
    event$.next({ type: 'receipt', receipt })
  }

  /** Whether data waits for credit. */
  const waiting$ = (own$: Observable<SessionEvent>): Observable<boolean> =>
    own$.pipe(
      filter(event => event.type === 'awaiting-credit'),
      map(({ on }) => on),
    )

  /** Errors when data has waited for 20 s. Anew with each payment: who pays and takes at once what that opens waits all the time. */
  const unpaid$ = (own$: Observable<SessionEvent>): Observable<never> => {
    const paid$ = credit$.pipe(
      map(({ paidBytes }) => paidBytes),
      startWith(credits.of(consumer).paidBytes),
      distinctUntilChanged(),
    )
    return combineLatest([waiting$(own$), settles$, paid$]).pipe(
      switchMap(([waiting, settles]) => (waiting && settles ? timer(unpaidMs, scheduler) : NEVER)),
      map(() => {
        credits.turnAway(consumer)
        const message = 'the other side took what it may on credit and paid nothing for 20 s'
        throw new LighthouseError('unpaid', message)
      }),
    )
  }

  return {
    credit: { bytes: () => credits.limitOf(consumer, session), grown$: credit$ },
    follow: source$ =>
      defer(() => {
        store.open({ session, seeder, consumer })
        credits.update(consumer, credit => openSession(credit, session))
        credits.promised(consumer, hubKey)
        /** The newest receipt that has not been checked. */
        let given: FramedReceipt | undefined
        const keepGiven = (): boolean => {
          const newest = given
          given = undefined
          return newest === undefined || keep(newest)
        }
        const receipts$ = (own$: Observable<SessionEvent>): Observable<unknown> => {
          const kept$ = own$.pipe(
            filter(event => event.type === 'receipt'),
            tap(({ receipt }) => (given = receipt)),
            auditTime(receiptAuditMs, scheduler),
            tap(() => {
              if (keepGiven()) return
              throw new LighthouseError('bad-signature', 'the other side gave a receipt that it did not sign')
            }),
          )
          const held$ = waiting$(own$).pipe(switchMap(on => (on ? timer(heldPatienceMs, scheduler) : NEVER)))
          return merge(kept$.pipe(auditTime(patienceMs, scheduler)), held$).pipe(tap(bring))
        }
        const sent$ = (own$: Observable<SessionEvent>): Observable<unknown> =>
          own$.pipe(
            filter(event => event.type === 'bytes'),
            map(({ sentBytes }) => sentBytes),
            distinctUntilChanged(),
            tap(bytes => credits.update(consumer, credit => sent(credit, session, bytes))),
          )
        return source$.pipe(
          connect(own$ => merge(merge(sent$(own$), unpaid$(own$), receipts$(own$)).pipe(ignoreElements()), own$)),
          finalize(() => {
            // Its last receipt counts, and who has gone may not bring it to the hub any more.
            attempt(event$, () => {
              keepGiven()
              bring()
            })
            attempt(event$, () => credits.update(consumer, credit => closeSession(credit, session)))
          }),
        )
      }),
  }
}
