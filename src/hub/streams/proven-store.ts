import type { MonotonicClock } from '../../ports.js'
import type { HubStore } from '../ports.js'

/** Without a write for so long nobody knows whether one would work; to find out costs one sync. */
const staleMs = 30_000

/** While writes fail: soon enough for whoever waits for the end of it, and nothing to a database that struggles. */
const probeIntervalMs = 2_000

/**
 * The same store, whose `check` also goes by writes: it rejects while the newest has failed and none has worked since, as
 * on a full disk or behind a lock that somebody else holds. It writes something itself when nothing was written for 30 s, and
 * every 2 s at most while writes fail, so that it recovers by itself and however often somebody asks.
 */
export function provenStore(store: HubStore, clock: MonotonicClock): HubStore {
  let failure: { readonly error: unknown } | undefined
  let provenMs = clock.now()
  let probedMs = -Infinity
  /** A call that found nothing to write says nothing about writing. */
  const noted = async <Result>(
    call: Promise<Result>,
    wrote: (result: Result) => boolean = () => true,
  ): Promise<Result> => {
    try {
      const result = await call
      if (wrote(result)) [failure, provenMs] = [undefined, clock.now()]
      return result
    } catch (error) {
      failure = { error }
      throw error
    }
  }
  return {
    keyPair: generate => store.keyPair(generate),
    register: request => noted(store.register(request), ({ type }) => type === 'registered'),
    resolve: nickname => store.resolve(nickname),
    balance: pubKey => store.balance(pubKey),
    head: () => store.head(),
    blocksAfter: (seq, limit) => store.blocksAfter(seq, limit),
    recordOffer: request => noted(store.recordOffer(request), Boolean),
    recordAnswer: request => noted(store.recordAnswer(request), Boolean),
    settle: (receipts, timeMs) =>
      noted(store.settle(receipts, timeMs), results =>
        results.some(result => result.type === 'settled' && result.moved),
      ),
    pruneSessions: (...request) => noted(store.pruneSessions(...request), count => count > 0),
    addInvite: request => noted(store.addInvite(request)),
    openInvites: () => store.openInvites(),
    probe: () => noted(store.probe()),
    async check() {
      await store.check()
      const nowMs = clock.now()
      const isDue = failure === undefined ? nowMs - provenMs >= staleMs : nowMs - probedMs >= probeIntervalMs
      if (isDue) {
        probedMs = nowMs
        await noted(store.probe())
      } else if (failure !== undefined) throw failure.error
    },
  }
}
