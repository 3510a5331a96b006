import { catchError, defer, map, type Observable, of } from 'rxjs'
import { bytesPerCoin, formatCoins } from '../../protocol/coins/amount.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { Payments } from './payments.js'
import type { PayableSession, SessionPayment } from './session-payment.js'

/**
 * Why nothing new can be paid for, as far as is known; for one seeder where its key is given. Undefined while the balance is
 * unknown.
 */
export function unpayable(payments: Pick<Payments, 'stop' | 'wallet'>, seeder?: string): LighthouseError | undefined {
  const limit = (what: string): LighthouseError =>
    new LighthouseError('spending-limit', `your spending limit ${what} is reached`)
  if (payments.stop() === 'spending-limit') return limit('for a day')
  if (seeder !== undefined && payments.stop(seeder) === 'spending-limit') return limit('for this peer')
  const { balanceBytes } = payments.wallet
  if (balanceBytes === undefined) return undefined
  const coins = formatCoins(balanceBytes)
  if (balanceBytes < bytesPerCoin) {
    return new LighthouseError('no-coins', `your wallet holds ${coins} coins, and a new request needs at least one`)
  }
  if (payments.stop() !== 'no-coins') return undefined
  return new LighthouseError('no-coins', `all ${coins} coins in your wallet are signed away and not settled yet`)
}

/**
 * Emits once when there is something to pay with, for the seeder with this key where it is known; else errors with why not. A
 * wallet that seems empty is asked for again first, with `balance$`: others may have paid in.
 */
export function payable$(
  payments: Pick<Payments, 'stop' | 'wallet'>,
  balance$: Observable<unknown>,
  seeder?: string,
): Observable<void> {
  return defer(() => {
    const reason = unpayable(payments, seeder)
    if (reason?.code !== 'no-coins') return of(reason)
    return balance$.pipe(
      catchError(() => of(undefined)),
      map(() => unpayable(payments, seeder)),
    )
  }).pipe(
    map(reason => {
      if (reason !== undefined) throw reason
    }),
  )
}

/**
 * A payment that names the reason why a connection is over also where the other side closed it because nothing could be paid.
 *
 * @param objection why nothing can be paid for now.
 */
function explained(payment: SessionPayment, objection: () => LighthouseError | undefined): SessionPayment {
  const explain = (reason: LighthouseError): LighthouseError => {
    const known = payment.explain?.(reason) ?? reason
    if (known.code !== 'channel-closed') return known
    try {
      return objection() ?? known
    } catch {
      // The store cannot be read, which is reported elsewhere; the reason is still right.
      return known
    }
  }
  const follow: SessionPayment['follow'] = source$ =>
    source$.pipe(
      payment.follow,
      catchError((error: unknown) => {
        throw explain(toInternalError(error))
      }),
    )
  return { ...payment, explain, follow }
}

/** How sessions are paid for on which this peer consumes. A reason that has to do with its own coins is named. */
export function consumption(
  payments: Pick<Payments, 'consume' | 'stop' | 'wallet'>,
): (session: PayableSession) => SessionPayment {
  return session => explained(payments.consume(session), () => unpayable(payments))
}
