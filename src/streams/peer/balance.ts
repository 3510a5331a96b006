import { catchError, map, type Observable, of, type SchedulerLike, throwError, timeout } from 'rxjs'
import type { HubClient } from '../../ports.js'
import { isLighthouseError, LighthouseError } from '../../protocol/errors.js'
import type { Wallet } from '../../protocol/coins/wallet.js'
import type { Balance } from '../../protocol/peer/stats.js'

/** How long the hub is asked before the last wallet known is shown: less than the 5 s that the command waits. */
export const balancePatienceMs = 3_000

function hubAway(): LighthouseError {
  return new LighthouseError('hub-unreachable', 'the hub did not answer in time; it is tried again automatically')
}

/** Asks the hub for the wallet of that key, in bytes. Errors with `not-authenticated` where it has none. */
export function askBalance$(hub: Pick<HubClient, 'balance$'>, pubKey: string): Observable<number> {
  return hub.balance$(pubKey).pipe(
    map(bytes => {
      if (bytes === undefined)
        throw new LighthouseError('not-authenticated', 'the hub does not know this peer; register again')
      return bytes
    }),
  )
}

/**
 * The hub's answer, or the last wallet known where the hub is away or silent for 3 s. Errors as the question does, and with
 * `hub-unreachable` where no wallet is known.
 */
export function balanceOrLast$(
  asked$: Observable<number>,
  last: () => Wallet,
  scheduler: SchedulerLike,
): Observable<Balance> {
  return asked$.pipe(
    timeout({ first: balancePatienceMs, scheduler, with: () => throwError(hubAway) }),
    map((bytes): Balance => ({ bytes, asOfMs: undefined })),
    catchError((error: unknown) => {
      const { balanceBytes, atMs } = last()
      if (balanceBytes === undefined || !isLighthouseError(error, 'hub-unreachable')) throw error
      return of({ bytes: balanceBytes, asOfMs: atMs })
    }),
  )
}
