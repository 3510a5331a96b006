/**
 * The consumer's side of the coins: what it may sign now.
 */

/** What the owner of a wallet lets it cost, in bytes. Undefined: no limit. */
export interface SpendingLimits {
  readonly connectionBytes?: number | undefined
  readonly dayBytes?: number | undefined
  readonly peerBytes?: number | undefined
}

/** Why what was received cannot be signed: the wallet is empty, or the owner's own limit is reached. */
export type SpendingStop = 'no-coins' | 'spending-limit'

/** All that decides about one session's next receipt. Bytes. */
export interface Spending {
  /** Received in this session and countable. */
  readonly receivedBytes: number
  /** The highest receipt signed in this session. */
  readonly signedBytes: number
  /** The balance that the hub sent last. */
  readonly walletBytes: number
  /** Signed and not settled, over all sessions, this one included: it will come off that wallet. */
  readonly unsettledBytes: number
  /** Signed today, and for this seeder since ever; both with this session. */
  readonly signedTodayBytes: number
  readonly signedForPeerBytes: number
  readonly limits: SpendingLimits
}

/** What may be signed. */
export interface Signable {
  /** The highest receipt that may be signed now; never below what is signed. */
  readonly bytes: number
  /** Why it is less than what was received. Where both are reasons it is the owner's limit: coins would not change that. */
  readonly stop: SpendingStop | undefined
}

function left(limit: number | undefined, spentBytes: number): number {
  return limit === undefined ? Infinity : Math.max(0, limit - spentBytes)
}

/** How far the next receipt may go: never beyond what was received, what the wallet holds, and the owner's limits. */
export function signable(spending: Spending): Signable {
  const { receivedBytes, signedBytes, limits } = spending
  const coins = Math.max(0, spending.walletBytes - spending.unsettledBytes)
  const allowed = Math.min(
    left(limits.connectionBytes, signedBytes),
    left(limits.dayBytes, spending.signedTodayBytes),
    left(limits.peerBytes, spending.signedForPeerBytes),
  )
  const wanted = Math.max(0, receivedBytes - signedBytes)
  if (wanted <= Math.min(coins, allowed)) return { bytes: signedBytes + wanted, stop: undefined }
  return allowed <= coins
    ? { bytes: signedBytes + allowed, stop: 'spending-limit' }
    : { bytes: signedBytes + coins, stop: 'no-coins' }
}
