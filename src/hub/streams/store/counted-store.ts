import type { HubStore } from '../../ports/store.js'

/** The same store; `failed` hears of every call that it rejects, by the call's name. */
export function countedStore(store: HubStore, failed: (operation: keyof HubStore) => void): HubStore {
  const counted =
    <Args extends readonly unknown[], Result>(
      operation: keyof HubStore,
      call: (...args: Args) => Promise<Result>,
    ): ((...args: Args) => Promise<Result>) =>
    async (...args) => {
      try {
        return await call(...args)
      } catch (error) {
        failed(operation)
        throw error
      }
    }
  return {
    keyPair: counted('keyPair', generate => store.keyPair(generate)),
    register: counted('register', request => store.register(request)),
    resolve: counted('resolve', nickname => store.resolve(nickname)),
    balance: counted('balance', pubKey => store.balance(pubKey)),
    head: counted('head', () => store.head()),
    blocksAfter: counted('blocksAfter', (seq, limit) => store.blocksAfter(seq, limit)),
    check: counted('check', () => store.check()),
    probe: counted('probe', writes => store.probe(writes)),
    recordOffer: counted('recordOffer', request => store.recordOffer(request)),
    recordAnswer: counted('recordAnswer', request => store.recordAnswer(request)),
    settle: counted('settle', (receipts, timeMs) => store.settle(receipts, timeMs)),
    pruneSessions: counted('pruneSessions', (...request) => store.pruneSessions(...request)),
    addInvite: counted('addInvite', request => store.addInvite(request)),
    openInvites: counted('openInvites', () => store.openInvites()),
  }
}
