import {
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
  type SchedulerLike,
  share,
  Subject,
  switchMap,
  tap,
} from 'rxjs'
import { receiptPace } from '../operators/receipt-pace.js'
import type { CryptoPort, ReceiptBook } from '../ports.js'
import { fromBase64 } from '../protocol/base64.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import type { Identity } from '../protocol/metadata.js'
import type { Receipt, SignedReceipt } from '../protocol/receipt.js'
import { receiptText } from '../protocol/signed-texts.js'
import type { FramedReceipt } from '../protocol/smux.js'
import { receiptStep, signable, type SpendingLimits, type SpendingStop } from '../protocol/spending.js'
import type { SessionAccount } from './account.js'

/** One session in which this peer receives. */
export interface PaidSession {
  readonly hubKey: string
  readonly session: string
  /** Public key of the other side. */
  readonly seeder: string
}

export interface PayingOptions {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly book: ReceiptBook
  readonly limits: SpendingLimits
  /** The book failed where no connection could be ended for it. */
  readonly onFailure: (reason: LighthouseError) => void
  readonly scheduler: SchedulerLike
}

/** The consumer's side of the coins: what was received is signed for, as far as wallet and limits go. */
export interface Paying {
  /** Wallet in bytes as the hub told it last. */
  wallet(bytes: number): void
  /** Settled of sessions in which this peer pays: so much more than before. */
  settled(bytes: number): void
  /** The book changed in what is signed and not settled, otherwise than by a settlement. */
  recount(): void
  /** Receipts as they are signed; for the hub. */
  readonly receipt$: Observable<SignedReceipt>
  /** Why nothing more could be signed now, over all sessions; undefined when something could. */
  stop(): SpendingStop | undefined
  account(session: PaidSession): SessionAccount
}

interface Signed {
  readonly receipt: SignedReceipt | undefined
  readonly stop: SpendingStop | undefined
}

function startOfDay(scheduler: SchedulerLike): number {
  const now = scheduler.now()
  return now - (now % 86_400_000)
}

/**
 * Signs for what this peer receives: cumulative receipts, paced by `receiptPace`, for no more than was received, than the
 * wallet holds and than the owner's limits allow. What could not be signed is signed as soon as coins arrive, after the
 * end of its session too: it stays a debt, and the seeder gives nothing beyond its credit window before it is paid.
 */
export function createPaying({ identity, crypto, book, limits, onFailure, scheduler }: PayingOptions): Paying {
  const receipt$ = new Subject<SignedReceipt>()
  const funds$ = new Subject<void>()
  let walletBytes: number | undefined
  // Of earlier runs too: what was signed then comes off the wallet when it is settled.
  let unsettledBytes = book.unsettledBytes(identity.pubKey)

  const spendingOf = (seeder: string, receivedBytes: number, signedBytes: number) => ({
    receivedBytes,
    signedBytes,
    walletBytes: walletBytes ?? 0,
    unsettledBytes,
    signedTodayBytes: limits.dayBytes === undefined ? 0 : book.signedSince(startOfDay(scheduler)),
    signedForPeerBytes: limits.peerBytes === undefined ? 0 : book.signedFor(seeder),
    limits,
  })

  /** Signs as far as wallet and limits go, and keeps it before it is anywhere else. */
  const signUpTo = (due: Receipt, signedBytes: number): Signed => {
    const { bytes, stop } = signable(spendingOf(due.seeder, due.bytes, signedBytes))
    if (bytes <= signedBytes) return { stop, receipt: undefined }
    const receipt = { ...due, bytes }
    const signed: SignedReceipt = { ...receipt, signature: crypto.sign(identity.privKey, receiptText(receipt)) }
    book.keep(signed)
    unsettledBytes += bytes - signedBytes
    return { stop, receipt: signed }
  }

  /** What sessions that ended without coins still owe is paid first: their seeders give no more before. */
  const payDebts = (): void => {
    for (const debt of book.owed()) {
      const { receipt, stop } = signUpTo(debt, book.receipt(debt.session)?.bytes ?? 0)
      if (receipt !== undefined) receipt$.next(receipt)
      if (stop === 'no-coins') return
    }
  }

  const funded = (): void => {
    try {
      payDebts()
    } catch (error) {
      onFailure(toLighthouseError('store-failed', error, 'receipts'))
    }
    funds$.next()
  }

  return {
    wallet(bytes) {
      if (bytes === walletBytes) return
      walletBytes = bytes
      funded()
    },
    settled(bytes) {
      unsettledBytes = Math.max(0, unsettledBytes - bytes)
      funded()
    },
    recount() {
      unsettledBytes = book.unsettledBytes(identity.pubKey)
      funded()
    },
    receipt$,
    stop: () => signable({ ...spendingOf('', 1, 0), limits: { dayBytes: limits.dayBytes } }).stop,
    account({ hubKey, session, seeder }) {
      const framed$ = new Subject<FramedReceipt>()
      let receivedBytes = 0
      let signedBytes = 0
      let stop: SpendingStop | undefined

      const dueOf = (bytes: number): Receipt => ({
        hub_key: hubKey,
        session,
        seeder,
        consumer: identity.pubKey,
        bytes,
      })
      const sign = (dueBytes: number): void => {
        const { receipt, stop: reached } = signUpTo(dueOf(dueBytes), signedBytes)
        stop = reached
        if (receipt === undefined) return
        signedBytes = receipt.bytes
        framed$.next({ bytes: signedBytes, signature: fromBase64(receipt.signature) })
        receipt$.next(receipt)
      }

      return {
        receipt$: framed$,
        follow$: event$ =>
          defer(() => {
            const session$ = event$.pipe(share())
            const counted$ = session$.pipe(
              filter(event => event.type === 'account'),
              tap(event => (receivedBytes = event.receivedBytes)),
              map(event => event.countedBytes),
              distinctUntilChanged(),
            )
            const streamEnded$ = session$.pipe(
              filter(event => event.type === 'streams'),
              map(({ open }) => open),
              pairwise(),
              filter(([before, now]) => now < before),
              share(),
            )
            book.open({ session, seeder, consumer: identity.pubKey })
            const before = book.signedFor(seeder)
            const step = (): number => receiptStep(before + signedBytes)
            const due$ = counted$.pipe(receiptPace(step, { flush$: streamEnded$, scheduler }))
            // What cannot be signed now is looked at again when coins arrive.
            const signed$ = due$.pipe(
              switchMap(due => merge(of(due), funds$.pipe(map(() => due)))),
              tap(sign),
            )
            // All the time, and not only while something is unsigned: it compares with the number of streams before.
            return merge(streamEnded$, signed$)
          }).pipe(
            ignoreElements(),
            finalize(() => {
              try {
                // What local programs had not taken was received all the same.
                sign(receivedBytes)
                if (receivedBytes > signedBytes) book.owe(dueOf(receivedBytes))
              } catch (error) {
                // There is no connection left to end for it.
                onFailure(toLighthouseError('store-failed', error, 'receipts'))
              }
            }),
          ),
        reason: error => {
          if (stop === undefined) return error
          const message =
            stop === 'no-coins'
              ? 'your coins are used up, so the transfer was held and then ended; what arrived is incomplete'
              : 'a limit that you set on what may be spent is reached, so the transfer was held and then ended'
          return new LighthouseError(stop, message, {}, { cause: error })
        },
      }
    },
  }
}
