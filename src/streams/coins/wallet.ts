import { distinctUntilChanged, filter, map, merge, type Observable, scan, type SchedulerLike } from 'rxjs'
import { parseCoins } from '../../protocol/coins/amount.js'
import type { Settlement } from '../../protocol/coins/receipt.js'
import { newer, unknownWallet, type Wallet, type WalletNews } from '../../protocol/coins/wallet.js'
import type { SignalingEvent } from '../signaling/signaling.js'

export interface WalletOptions {
  readonly hubEvent$: Observable<SignalingEvent>
  readonly settled$: Observable<Settlement>
  readonly lookedUp$: Observable<WalletNews>
  readonly scheduler: SchedulerLike
}

function signedIn(event: SignalingEvent): WalletNews | undefined {
  if (event.type === 'balance') return { type: 'signed-in', balanceBytes: event.bytes }
  const hubKey = event.type === 'session' ? event.session?.hubKey : undefined
  return hubKey === undefined ? undefined : { type: 'hub', hubKey }
}

function settled({ coins, seq }: Settlement): WalletNews | undefined {
  const balanceBytes = parseCoins(coins)
  return balanceBytes === undefined ? undefined : { type: 'settled', balanceBytes, seq }
}

/** This peer's wallet, each time that the hub says what counts. Ends and errors with its sources; buffers nothing. */
export function walletChanges$({ hubEvent$, settled$, lookedUp$, scheduler }: WalletOptions): Observable<Wallet> {
  return merge(hubEvent$.pipe(map(signedIn)), settled$.pipe(map(settled)), lookedUp$).pipe(
    filter(news => news !== undefined),
    scan((wallet, news) => newer(wallet, news, scheduler.now()), unknownWallet),
    distinctUntilChanged(),
  )
}
