import type { MonotonicClock } from '../../../ports.js'
import type { HubStore } from '../../ports/store.js'

/** Without a write for so long nobody knows whether one would work; to find out costs one sync. */
const staleMs = 30_000

/** While writes fail: soon enough for whoever waits for the end of it, and nothing to a database that struggles. */
const probeIntervalMs = 2_000

/** A write that failed. `size` is counted in registrations or settled receipts; 0 for the little ones. */
interface Failure {
  readonly error: unknown
  readonly size: number
}

/**
 * The same store, whose `check` also goes by writes: it rejects from one that failed, as on a full disk or behind a lock that
 * somebody else holds, until one that is at least as large has worked: where little space is left, small ones still do.
 * It writes something itself when nothing was written for 30 s, and every 2 s at most while writes fail, so that it recovers
 * by itself and however often somebody asks.
 */
export function provenStore(store: HubStore, clock: MonotonicClock): HubStore {
  let failure: Failure | undefined
  let provenMs = clock.now()
  let probedMs = -Infinity
  /** `sizeOf` says how much was written; a call that found nothing to write says nothing about writing. */
  const noted = async <Result>(
    call: Promise<Result>,
    size: number,
    sizeOf: (result: Result) => number | undefined = () => size,
  ): Promise<Result> => {
    try {
      const result = await call
      if ((sizeOf(result) ?? -1) >= (failure?.size ?? 0)) [failure, provenMs] = [undefined, clock.now()]
      return result
    } catch (error) {
      failure = { error, size: Math.max(size, failure?.size ?? 0) }
      throw error
    }
  }
  const probe = (size: number): Promise<void> => noted(store.probe(size), size)
  return {
    keyPair: generate => store.keyPair(generate),
    register: request => noted(store.register(request), 1, ({ type }) => (type === 'registered' ? 1 : undefined)),
    resolve: nickname => store.resolve(nickname),
    balance: pubKey => store.balance(pubKey),
    head: () => store.head(),
    blocksAfter: (seq, limit) => store.blocksAfter(seq, limit),
    recordOffer: request => noted(store.recordOffer(request), 0, wrote => (wrote ? 0 : undefined)),
    recordAnswer: request => noted(store.recordAnswer(request), 0, wrote => (wrote ? 0 : undefined)),
    settle: (receipts, timeMs) =>
      noted(
        store.settle(receipts, timeMs),
        receipts.length,
        results => results.filter(result => result.type === 'settled' && result.moved).length || undefined,
      ),
    pruneSessions: (beforeMs, unansweredBeforeMs, limit) =>
      noted(store.pruneSessions(beforeMs, unansweredBeforeMs, limit), limit ?? 1, count => count || undefined),
    addInvite: request => noted(store.addInvite(request), 0),
    openInvites: () => store.openInvites(),
    probe,
    async check() {
      await store.check()
      const nowMs = clock.now()
      const isDue = failure === undefined ? nowMs - provenMs >= staleMs : nowMs - probedMs >= probeIntervalMs
      if (isDue) {
        probedMs = nowMs
        await probe(failure?.size ?? 1)
      } else if (failure !== undefined) throw failure.error
    },
  }
}
