import { defer, map, type Observable, type SchedulerLike } from 'rxjs'

/** A wallet as the hub told it. */
export interface KnownWallet {
  readonly bytes: number
  /** When, in milliseconds of the scheduler's clock. */
  readonly atMs: number
}

/** What counts of all that the hub says about this peer's wallet. */
export interface Wallet {
  /** Told last; undefined before the first time. */
  readonly known: KnownWallet | undefined
  /** Told at a sign-in: counts, and blocks are counted anew, since a hub that was restored may have begun lower. */
  signedIn(bytes: number): void
  /** Told with a settlement: counts unless one of a later block came before, as it may from several processes of a hub. */
  settled(seq: number, bytes: number): void
  /**
   * Asks, and emits what counts then: the answer, or what was told while it was on its way, which is newer. Errors as the
   * question does.
   */
  lookUp$(balance$: Observable<number>): Observable<number>
}

/** @param told is called with what counts, each time that the hub says so. */
export function createWallet(scheduler: SchedulerLike, told: (bytes: number) => void): Wallet {
  let known: KnownWallet | undefined
  let newestSeq = 0
  const take = (bytes: number): void => {
    known = { bytes, atMs: scheduler.now() }
    told(bytes)
  }
  return {
    get known() {
      return known
    },
    signedIn(bytes) {
      newestSeq = 0
      take(bytes)
    },
    settled(seq, bytes) {
      if (seq < newestSeq) return
      newestSeq = seq
      take(bytes)
    },
    lookUp$: balance$ =>
      defer(() => {
        const before = known
        return balance$.pipe(
          map(bytes => {
            if (known !== undefined && known !== before) return known.bytes
            take(bytes)
            return bytes
          }),
        )
      }),
  }
}
