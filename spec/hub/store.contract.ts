import { afterEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, type Observable, ReplaySubject, type Subscription } from 'rxjs'
import { blockHash } from '../../src/hub/adapters/block-hash.js'
import type { HubStore } from '../../src/hub/ports.js'
import { type ChainState, emptyChain, genesisHash, type LedgerLine, verifyNext } from '../../src/hub/protocol/ledger.js'
import { newAccount } from './support.js'

/** Verifies lines from the beginning. Returns the last state, or throws what is wrong. */
export function verifyAll(lines: readonly LedgerLine[]): ChainState {
  return lines.reduce<ChainState>((chain, line) => {
    const step = verifyNext(chain, line, blockHash)
    if ('problem' in step) throw new Error(step.problem)
    return step.chain
  }, emptyChain)
}

/** What every store of a hub has to do. `store$` opens a fresh, empty one on each subscription. */
export function describeHubStore(name: string, store$: () => Observable<HubStore>): void {
  describe(`${name} as a hub's store`, () => {
    let subscription: Subscription | undefined
    afterEach(() => subscription?.unsubscribe())

    async function open(): Promise<HubStore> {
      const opened$ = new ReplaySubject<HubStore>(1)
      subscription = store$().subscribe(opened$)
      return firstValueFrom(opened$)
    }

    const request = (nickname: string, timeMs = 1_700_000_000_000) => {
      const { pubKey } = newAccount(nickname)
      return { nickname, pubKey, grantBytes: 100_000_000, timeMs }
    }

    it('is empty at first, and works', async () => {
      const store = await open()
      expect(await store.head()).toBeUndefined()
      expect(await store.blocksAfter(0, 10)).toEqual([])
      expect(await store.resolve('alice')).toBeUndefined()
      expect(await store.balance(newAccount('alice').pubKey)).toBeUndefined()
      await store.check()
    })

    it('registers a name, a wallet and a grant together', async () => {
      const store = await open()
      const alice = request('alice')
      const result = await store.register(alice)
      const line = { seq: 1, prev_hash: genesisHash, time: alice.timeMs, kind: 'grant', from: null, to: alice.pubKey }
      expect(result).toMatchObject({ type: 'registered', line: { ...line, bytes: 100_000_000, receipt: null } })
      expect(await store.resolve('alice')).toBe(alice.pubKey)
      expect(await store.balance(alice.pubKey)).toBe(100_000_000)
      const lines = await store.blocksAfter(0, 10)
      expect(lines).toEqual([(result as { line: LedgerLine }).line])
      expect(verifyAll(lines)).toEqual(await store.head())
    })

    it('refuses a taken name, a taken key, and both, and changes nothing by it', async () => {
      const store = await open()
      const alice = request('alice')
      await store.register(alice)
      const head = await store.head()
      expect(await store.register(request('alice'))).toEqual({ type: 'taken', what: 'nickname' })
      expect(await store.register({ ...alice, nickname: 'bob' })).toEqual({ type: 'taken', what: 'key' })
      expect(await store.register(alice)).toEqual({ type: 'taken', what: 'both' })
      expect(await store.head()).toEqual(head)
      expect(await store.resolve('bob')).toBeUndefined()
    })

    it('lets one of many win a race for a name', async () => {
      const store = await open()
      const results = await Promise.all(Array.from({ length: 20 }, () => store.register(request('alice'))))
      expect(results.filter(({ type }) => type === 'registered')).toHaveLength(1)
      expect(await store.blocksAfter(0, 100)).toHaveLength(1)
    })

    it('chains what comes at once, and wallets add up to grants', async () => {
      const store = await open()
      const letters = [...'abcdefghijklmnopqrstuvwxyz']
      const requests = letters.map((letter, index) => ({ ...request(letter), grantBytes: index }))
      await Promise.all(requests.map(each => store.register(each)))
      const lines = await store.blocksAfter(0, 100)
      expect(verifyAll(lines).seq).toBe(26)
      const balances = await Promise.all(requests.map(({ pubKey }) => store.balance(pubKey)))
      expect(balances).toEqual(requests.map(({ grantBytes }) => grantBytes))
      expect(balances.reduce((sum = 0, bytes = 0) => sum + bytes, 0)).toBe(
        lines.reduce((sum, { bytes }) => sum + bytes, 0),
      )
    })

    it('pages through the blocks', async () => {
      const store = await open()
      for (const name of ['a', 'b', 'c', 'd', 'e']) await store.register(request(name))
      expect((await store.blocksAfter(1, 2)).map(({ seq }) => seq)).toEqual([2, 3])
      expect((await store.blocksAfter(4, 2)).map(({ seq }) => seq)).toEqual([5])
      expect(await store.blocksAfter(5, 2)).toEqual([])
    })

    it('keeps the first key pair', async () => {
      const store = await open()
      const { pubKey, privKey } = newAccount('hub')
      expect(await store.keyPair(() => ({ pubKey, privKey }))).toEqual({ pubKey, privKey })
      expect(await store.keyPair(() => newAccount('other'))).toEqual({ pubKey, privKey })
    })

    it('says store-failed when it has been closed', async () => {
      const store = await open()
      subscription?.unsubscribe()
      await expect(store.check()).rejects.toMatchObject({ code: 'store-failed' })
      await expect(store.register(request('alice'))).rejects.toMatchObject({ code: 'store-failed' })
    })
  })
}
