import { parseCoins } from './amount.js'
import type { Settlement } from './receipt.js'

/** This peer's wallet, as its hub described it last. */
export interface Wallet {
  /** The hub that this peer signed in at last. */
  readonly hubKey: string | undefined
  /** Undefined until that hub has sent it. */
  readonly balanceBytes: number | undefined
  /** When the balance was received, in milliseconds. */
  readonly atMs: number
  /** The block of the newest settlement that counted since the sign-in. */
  readonly seq: number
}

export const unknownWallet: Wallet = { hubKey: undefined, balanceBytes: undefined, atMs: 0, seq: 0 }

/** What is received about a wallet. */
export type WalletNews =
  /** Signed in, or out. What another hub sent does not count. */
  | { readonly type: 'hub-connection'; readonly hub: { readonly hubKey: string } | undefined }
  /** Sent at a sign-in: counts, and blocks are counted anew, since a hub that was restored may have begun lower. */
  | { readonly type: 'balance'; readonly bytes: number }
  /** Counts unless a later block came before, as it may from several processes of a hub. */
  | { readonly type: 'settled'; readonly settlement: Settlement }
  /** The answer to a question: counts unless something newer came while it was on its way. */
  | { readonly type: 'looked-up'; readonly bytes: number; readonly asked: Wallet }

/** The wallet after news: the same one where something newer is known. */
export function newer(wallet: Wallet, news: WalletNews, nowMs: number): Wallet {
  switch (news.type) {
    case 'hub-connection': {
      const { hubKey = wallet.hubKey } = news.hub ?? {}
      return hubKey === wallet.hubKey ? wallet : { ...unknownWallet, hubKey }
    }
    case 'balance':
      return { ...wallet, balanceBytes: news.bytes, atMs: nowMs, seq: 0 }
    case 'looked-up':
      return news.asked === wallet ? { ...wallet, balanceBytes: news.bytes, atMs: nowMs } : wallet
    case 'settled': {
      const { coins, seq } = news.settlement
      const balanceBytes = parseCoins(coins)
      return balanceBytes === undefined || seq < wallet.seq ? wallet : { ...wallet, balanceBytes, atMs: nowMs, seq }
    }
  }
}
