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
  scan,
  type SchedulerLike,
  share,
  Subject,
  switchMap,
  tap,
} from 'rxjs'
import { receiptPace } from '../../operators/receipt-pace.js'
import type { CryptoPort } from '../../ports.js'
import type { ConsumerStore } from '../../ports/receipts.js'
import { fromBase64 } from '../../protocol/base64.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { receiptAsked, receiptSettled, receiptStep, unknownLag } from '../../protocol/coins/receipt-step.js'
import type { Receipt, SignedReceipt } from '../../protocol/coins/receipt.js'
import { receiptText } from '../../protocol/signaling/signed-texts.js'
import type { FramedReceipt } from '../../protocol/mux/frame.js'
import { signable, type SpendingLimits, type SpendingStop } from '../../protocol/coins/spending.js'
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
  readonly store: ConsumerStore
  readonly limits: SpendingLimits
  /** The store failed where no connection could be ended for it. */
  readonly onFailure: (reason: LighthouseError) => void
  readonly scheduler: SchedulerLike
}

/** The consumer's side of the coins: what was received is signed for, as far as wallet and limits go. */
export interface Paying {
  /** This peer is signed in at this hub: wallet, receipts and debts are those there. Before, nothing is signed. */
  signedIn(hubKey: string): void
  /** Wallet in bytes as the hub told it last. */
  wallet(bytes: number): void
  /** Of a session in which this peer pays `totalBytes` are settled, `bytes` more than before that were not given up. */
  settled(session: string, totalBytes: number, bytes: number): void
  /** The store changed in what is signed and not settled, otherwise than by a settlement. */
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

const dryMessage = 'your coins are used up, so the transfer was held and then ended; what arrived is incomplete'
const limitMessage = 'a limit that you set on what may be spent is reached, so the connection was ended'

function startOfDay(scheduler: SchedulerLike): number {
  const now = scheduler.now()
  return now - (now % 86_400_000)
}

/**
 * Signs for what this peer receives: cumulative receipts, paced by `receiptPace`, for no more than was received, than the
 * wallet holds and than the owner's limits allow. What could not be signed is signed as soon as coins arrive, after the
 * end of its session too: it stays a debt, and the seeder gives nothing beyond its credit window before it is paid.
 */
export function createPaying({ identity, crypto, store, limits, onFailure, scheduler }: PayingOptions): Paying {
  const receipt$ = new Subject<SignedReceipt>()
  const funds$ = new Subject<void>()
  /** Sessions that sign for themselves, and how they are told what is settled of them. */
  const live = new Map<string, (totalBytes: number) => void>()
  let hubKey: string | undefined
  let walletBytes: number | undefined
  let unsettledBytes = 0

  const spendingOf = (seeder: string, receivedBytes: number, signedBytes: number, connectionBytes?: number) => ({
    receivedBytes,
    signedBytes,
    walletBytes: walletBytes ?? 0,
    unsettledBytes,
    signedTodayBytes: limits.dayBytes === undefined ? 0 : store.signedSince(startOfDay(scheduler)),
    signedForPeerBytes: limits.peerBytes === undefined ? 0 : store.signedFor(seeder),
    limits: { ...limits, connectionBytes },
  })

  /** Signs as far as wallet and limits go, and keeps it before it is anywhere else. */
  const signUpTo = (due: Receipt, signedBytes: number, connectionBytes = limits.connectionBytes): Signed => {
    const { bytes, stop } = signable(spendingOf(due.seeder, due.bytes, signedBytes, connectionBytes))
    if (bytes <= signedBytes) return { stop, receipt: undefined }
    const receipt = { ...due, bytes }
    const signed: SignedReceipt = { ...receipt, signature: crypto.sign(identity.privKey, receiptText(receipt)) }
    store.keep(signed)
    unsettledBytes += bytes - signedBytes
    return { stop, receipt: signed }
  }

  /** What is owed of sessions that are over, and what was signed of each. */
  const debts = (): readonly (readonly [Receipt, number])[] =>
    (hubKey === undefined ? [] : store.owed(hubKey))
      .filter(({ session }) => !live.has(session))
      .map(debt => [debt, store.receipt(debt.session)?.bytes ?? 0])

  /**
   * What sessions that ended without coins still owe is paid first: their seeders give no more before. Where the owner
   * limits what a connection may cost, it waits for one to that seeder.
   */
  const payDebts = (): void => {
    if (limits.connectionBytes !== undefined) return
    for (const [debt, signedBytes] of debts()) {
      const { receipt, stop } = signUpTo(debt, signedBytes)
      if (receipt !== undefined) receipt$.next(receipt)
      if (stop === 'no-coins') return
    }
  }

  /**
   * What connections to this seeder left unpaid because the owner's limit was reached. It comes off what the new one may
   * cost: so no connection costs more than it may, and nobody is locked out by his own limit.
   */
  const payDebtsTo = (to: string): { readonly paidBytes: number; readonly stop: SpendingStop | undefined } => {
    let paidBytes = 0
    for (const [debt, signedBytes] of debts()) {
      if (debt.seeder !== to) continue
      const { connectionBytes } = limits
      const most = connectionBytes === undefined ? undefined : signedBytes + connectionBytes - paidBytes
      const { receipt, stop } = signUpTo(debt, signedBytes, most)
      if (receipt !== undefined) {
        paidBytes += receipt.bytes - signedBytes
        receipt$.next(receipt)
      }
      if (stop !== undefined) return { paidBytes, stop }
    }
    return { paidBytes, stop: undefined }
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
    signedIn(key) {
      if (key === hubKey) return
      // Of earlier runs too: what was signed then comes off the wallet when it is settled.
      unsettledBytes = store.unsettledBytes(identity.pubKey, key)
      hubKey = key
      walletBytes = undefined
    },
    wallet(bytes) {
      if (bytes === walletBytes) return
      walletBytes = bytes
      funded()
    },
    settled(session, totalBytes, bytes) {
      live.get(session)?.(totalBytes)
      unsettledBytes = Math.max(0, unsettledBytes - bytes)
      funded()
    },
    recount() {
      if (hubKey !== undefined) unsettledBytes = store.unsettledBytes(identity.pubKey, hubKey)
      funded()
    },
    receipt$,
    stop: () => signable({ ...spendingOf('', 1, 0), limits: { dayBytes: limits.dayBytes } }).stop,
    account({ hubKey: hub, session, seeder }) {
      const framed$ = new Subject<FramedReceipt>()
      let receivedBytes = 0
      let countedBytes = 0
      let signedBytes = 0
      /** Paid for connections before this one. */
      let carriedBytes = 0
      let stop: SpendingStop | undefined
      let lag = unknownLag

      const dueOf = (bytes: number): Receipt => ({
        hub_key: hub,
        session,
        seeder,
        consumer: identity.pubKey,
        bytes,
      })
      const sign = (dueBytes: number): void => {
        const { connectionBytes } = limits
        const most = connectionBytes === undefined ? undefined : Math.max(0, connectionBytes - carriedBytes)
        const { receipt, stop: reached } = signUpTo(dueOf(dueBytes), signedBytes, most)
        stop = reached
        // Now and not at the end, which a process that is killed does not come to.
        if (stop !== undefined) store.owe(dueOf(Math.max(dueBytes, receivedBytes)))
        if (receipt === undefined) return
        signedBytes = receipt.bytes
        lag = receiptAsked(lag, signedBytes, receivedBytes)
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
              tap(event => ({ receivedBytes, countedBytes } = event)),
              map(event => event.countedBytes),
            )
            // What arrived for programs that have stopped to read counts too when it is all that there is: a film that is
            // paused would use up the seeder's credit with it otherwise, and hold everything else until that ends.
            const stalled$ = session$.pipe(
              filter(event => event.type === 'traffic'),
              map(() => countedBytes),
              pairwise(),
              filter(([before, now]) => now === before),
              map(() => receivedBytes),
            )
            const countable$ = merge(counted$, stalled$).pipe(
              scan((most, bytes) => Math.max(most, bytes), 0),
              distinctUntilChanged(),
            )
            const streamEnded$ = session$.pipe(
              filter(event => event.type === 'streams'),
              map(({ open }) => open),
              pairwise(),
              filter(([before, now]) => now < before),
              share(),
            )
            store.open({ session, seeder, consumer: identity.pubKey })
            live.set(session, totalBytes => (lag = receiptSettled(lag, totalBytes, receivedBytes)))
            ;({ paidBytes: carriedBytes, stop } = payDebtsTo(seeder))
            const before = store.signedFor(seeder)
            const step = (): number => receiptStep(before + signedBytes, lag, receivedBytes - countedBytes)
            const due$ = countable$.pipe(receiptPace(step, { flush$: streamEnded$, scheduler }))
            // What cannot be signed now is looked at again when coins arrive.
            const signed$ = due$.pipe(
              switchMap(due => merge(of(due), funds$.pipe(map(() => due)))),
              tap(due => {
                sign(due)
                if (stop === 'spending-limit') throw new LighthouseError(stop, limitMessage)
              }),
            )
            // All the time, and not only while something is unsigned: it compares with the number of streams before.
            return merge(streamEnded$, signed$)
          }).pipe(
            ignoreElements(),
            finalize(() => {
              live.delete(session)
              try {
                // What local programs had not taken was received all the same. What cannot be paid is owed.
                sign(receivedBytes)
              } catch (error) {
                // There is no connection left to end for it.
                onFailure(toLighthouseError('store-failed', error, 'receipts'))
              }
            }),
          ),
        reason: error => {
          if (stop === undefined || error.code === stop) return error
          return new LighthouseError(stop, stop === 'no-coins' ? dryMessage : limitMessage, {}, { cause: error })
        },
      }
    },
  }
}
