/** This peer's wallet as its hub said last. */
export interface Wallet {
  /** The hub that this peer signed in at last. */
  readonly hubKey: string | undefined
  /** Undefined until that hub has said. */
  readonly balanceBytes: number | undefined
  /** When it said so, in milliseconds. */
  readonly atMs: number
  /** The block of the newest settlement that counted since the sign-in. */
  readonly seq: number
}

export const unknownWallet: Wallet = { hubKey: undefined, balanceBytes: undefined, atMs: 0, seq: 0 }

/** What a hub says about a wallet. */
export type WalletNews =
  /** Signed in. What another hub said counts for nothing there. */
  | { readonly type: 'hub'; readonly hubKey: string }
  /** Said at a sign-in: counts, and blocks are counted anew, since a hub that was restored may have begun lower. */
  | { readonly type: 'signed-in'; readonly balanceBytes: number }
  /** Said with a settlement: counts unless a later block came before, as it may from several processes of a hub. */
  | { readonly type: 'settled'; readonly balanceBytes: number; readonly seq: number }
  /** The answer to a question: counts unless something newer came while it was on its way. */
  | { readonly type: 'looked-up'; readonly balanceBytes: number; readonly asked: Wallet }

/** The wallet after news: the same one where something newer is known. */
export function newer(wallet: Wallet, news: WalletNews, nowMs: number): Wallet {
  if (news.type === 'hub') {
    return news.hubKey === wallet.hubKey ? wallet : { ...unknownWallet, hubKey: news.hubKey }
  }
  const { balanceBytes } = news
  const said = { ...wallet, balanceBytes, atMs: nowMs }
  if (news.type === 'signed-in') return { ...said, seq: 0 }
  if (news.type === 'looked-up') return news.asked === wallet ? said : wallet
  return news.seq < wallet.seq ? wallet : { ...said, seq: news.seq }
}
