import { afterEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, type Observable, ReplaySubject, type Subscription } from 'rxjs'
import { blockHash } from '../../src/hub/adapters/store/block-hash.js'
import type { HubStore } from '../../src/hub/ports/store.js'
import type { SessionParties } from '../../src/hub/protocol/settlement/settlement.js'
import { type ChainState, emptyChain, type LedgerLine, verifyNext } from '../../src/hub/protocol/settlement/ledger.js'
import { genesisHash } from '../../src/protocol/ledger/ledger-line.js'
import { receiptOf, someSignature } from './store-model.js'
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
      return { nickname, pubKey, signature: someSignature, grantBytes: 100_000_000, timeMs }
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

    const timeMs = 1_700_000_000_000

    async function registered(store: HubStore, nickname: string, grantBytes = 1_000): Promise<string> {
      const { pubKey } = newAccount(nickname)
      await store.register({ nickname, pubKey, signature: someSignature, grantBytes, timeMs })
      return pubKey
    }

    async function answered(
      store: HubStore,
      consumer: string,
      seeder: string,
      session = 'session-0000000001',
    ): Promise<SessionParties> {
      const parties = { session, consumer, seeder }
      expect(await store.recordOffer({ ...parties, timeMs })).toBe(true)
      expect(await store.recordAnswer({ ...parties, timeMs })).toBe(true)
      return parties
    }

    /** Alice, who takes, Bob, who serves, and a session between them. */
    async function scene(): Promise<{ store: HubStore; alice: string; bob: string; parties: SessionParties }> {
      const store = await open()
      const alice = await registered(store, 'alice')
      const bob = await registered(store, 'bob')
      return { store, alice, bob, parties: await answered(store, alice, bob) }
    }

    async function walletsOf(store: HubStore, ...keys: string[]): Promise<(number | undefined)[]> {
      return Promise.all(keys.map(key => store.balance(key)))
    }

    it('moves what a receipt is ahead of its session, as one block', async () => {
      const { store, alice, bob, parties } = await scene()
      const receipt = receiptOf(parties, 300)
      const [result] = await store.settle([receipt], timeMs + 5)
      const lines = await store.blocksAfter(0, 10)
      expect(verifyAll(lines)).toEqual(await store.head())
      const line = lines[2]!
      expect(line).toMatchObject({ seq: 3, time: timeMs + 5, kind: 'transfer', from: alice, to: bob, bytes: 300 })
      expect(line.receipt).toEqual(receipt)
      expect(Object.keys(line.receipt as object)).toEqual('hub_key session seeder consumer bytes signature'.split(' '))
      const { seq, hash } = line
      const settled = { type: 'settled', moved: true, bytes: 300, seq, hash, consumerBytes: 700, seederBytes: 1_300 }
      expect(result).toEqual(settled)
      expect(await walletsOf(store, alice, bob)).toEqual([700, 1_300])
      await store.settle([receiptOf(parties, 301)], timeMs)
      expect((await store.blocksAfter(3, 10))[0]).toMatchObject({ bytes: 1, receipt: { bytes: 301 } })
      expect(await walletsOf(store, alice, bob)).toEqual([699, 1_301])
    })

    it('moves nothing for a receipt that is settled, or a lower one, and says what it said', async () => {
      const { store, alice, bob, parties } = await scene()
      const [first] = await store.settle([receiptOf(parties, 300)], timeMs)
      const head = await store.head()
      const again = await store.settle(
        [300, 299, 1].map(bytes => receiptOf(parties, bytes)),
        timeMs + 1,
      )
      expect(again).toEqual(Array.from({ length: 3 }, () => ({ ...first, moved: false })))
      expect(await store.head()).toEqual(head)
      expect(await walletsOf(store, alice, bob)).toEqual([700, 1_300])
    })

    it('refuses a session without an offer, and one without an answer', async () => {
      const { store, alice, bob, parties } = await scene()
      const offered = { session: 'session-only-offered', consumer: alice, seeder: bob }
      await store.recordOffer({ ...offered, timeMs })
      const unknown = { ...parties, session: 'session-of-nobody-000' }
      const refused = { type: 'refused', code: 'unknown-session' }
      expect(await store.settle([receiptOf(offered, 1), receiptOf(unknown, 1)], timeMs)).toEqual([refused, refused])
      expect(await walletsOf(store, alice, bob)).toEqual([1_000, 1_000])
    })

    it('refuses a receipt of other parties, before and after something was settled', async () => {
      const { store, alice, bob, parties } = await scene()
      const carol = await registered(store, 'carol')
      const others = [
        { ...parties, consumer: bob, seeder: alice },
        { ...parties, consumer: carol },
        { ...parties, seeder: carol },
      ].map(each => receiptOf(each, 5))
      const refused = others.map(() => ({ type: 'refused', code: 'not-a-party' }))
      expect(await store.settle(others, timeMs)).toEqual(refused)
      await store.settle([receiptOf(parties, 10)], timeMs)
      expect(await store.settle(others, timeMs)).toEqual(refused)
      expect(await walletsOf(store, alice, bob, carol)).toEqual([990, 1_010, 1_000])
    })

    it('refuses parties without a wallet', async () => {
      const { store, alice } = await scene()
      const stranger = newAccount('stranger').pubKey
      const serves = await answered(store, alice, stranger, 'session-to-a-stranger')
      const takes = await answered(store, stranger, alice, 'session-of-a-stranger')
      const refused = { type: 'refused', code: 'not-a-party' }
      expect(await store.settle([receiptOf(serves, 1), receiptOf(takes, 1)], timeMs)).toEqual([refused, refused])
      expect(await store.balance(alice)).toBe(1_000)
    })

    it('takes a wallet to zero and never below', async () => {
      const { store, alice, bob, parties } = await scene()
      const refused = { type: 'refused', code: 'no-coins' }
      expect(await store.settle([receiptOf(parties, 1_001)], timeMs)).toEqual([refused])
      expect(await store.head()).toMatchObject({ seq: 2 })
      const [settled] = await store.settle([receiptOf(parties, 1_000)], timeMs)
      expect(settled).toMatchObject({ moved: true, consumerBytes: 0, seederBytes: 2_000 })
      expect(await store.settle([receiptOf(parties, 1_001)], timeMs)).toEqual([refused])
      const back = await answered(store, bob, alice, 'session-the-other-way')
      await store.settle([receiptOf(back, 1)], timeMs)
      expect(await store.settle([receiptOf(parties, 1_001)], timeMs)).toMatchObject([{ moved: true, bytes: 1_001 }])
      expect(await walletsOf(store, alice, bob)).toEqual([0, 2_000])
    })

    it('judges a batch one after the other and tells wallets as they are after it', async () => {
      const { store, alice, bob, parties } = await scene()
      const back = await answered(store, bob, alice, 'session-the-other-way')
      const batch = [
        receiptOf(back, 1_500), // Bob has not so much yet.
        receiptOf(parties, 600),
        receiptOf({ ...parties, session: 'session-of-nobody-000' }, 1),
        receiptOf(back, 1_500), // Now he has.
        receiptOf(parties, 600),
        receiptOf(parties, 601),
      ]
      const after = { alice: 1_899, bob: 101 }
      expect(await store.settle(batch, timeMs)).toMatchObject([
        { type: 'refused', code: 'no-coins' },
        { moved: true, bytes: 600, seq: 3, consumerBytes: after.alice, seederBytes: after.bob },
        { type: 'refused', code: 'unknown-session' },
        { moved: true, bytes: 1_500, seq: 4, consumerBytes: after.bob, seederBytes: after.alice },
        { moved: false, bytes: 600, seq: 3 },
        { moved: true, bytes: 601, seq: 5 },
      ])
      expect(await walletsOf(store, alice, bob)).toEqual([after.alice, after.bob])
      expect(verifyAll(await store.blocksAfter(0, 10)).seq).toBe(5)
      expect(await store.settle([], timeMs)).toEqual([])
    })

    it('settles five hundred receipts in one batch', async () => {
      const { store, alice, bob, parties } = await scene()
      const batch = Array.from({ length: 500 }, (_, index) => receiptOf(parties, index + 1))
      const results = await store.settle(batch, timeMs)
      expect(results.every(result => result.type === 'settled' && result.moved)).toBe(true)
      expect(await walletsOf(store, alice, bob)).toEqual([500, 1_500])
      expect(verifyAll(await store.blocksAfter(0, 1_000))).toEqual(await store.head())
    })

    it('pays each byte once when receipts come at once', async () => {
      const { store, alice, bob, parties } = await scene()
      const amounts = Array.from({ length: 30 }, (_, index) => ((index * 7) % 30) + 1)
      const batches = amounts.map(bytes =>
        store.settle([receiptOf(parties, bytes), receiptOf(parties, 31 - bytes)], timeMs),
      )
      const others = ['carol', 'dave'].map(name => registered(store, name))
      await Promise.all([...batches, ...others])
      expect(await walletsOf(store, alice, bob)).toEqual([970, 1_030])
      const lines = await store.blocksAfter(0, 100)
      expect(verifyAll(lines)).toEqual(await store.head())
      const paid = lines.filter(({ kind }) => kind === 'transfer').map(({ bytes }) => bytes)
      expect(paid.reduce((sum, bytes) => sum + bytes, 0)).toBe(30)
    })

    it('keeps a session to its parties', async () => {
      const { store, alice, bob, parties } = await scene()
      const swapped = { ...parties, consumer: bob, seeder: alice }
      const other = { ...parties, consumer: newAccount('carol').pubKey }
      expect(await store.recordOffer({ ...swapped, timeMs })).toBe(false)
      expect(await store.recordOffer({ ...other, timeMs })).toBe(false)
      expect(await store.recordAnswer({ ...swapped, timeMs })).toBe(false)
      expect(await store.recordAnswer({ ...parties, session: 'session-of-nobody-000', timeMs })).toBe(false)
      expect(await store.settle([receiptOf(parties, 7)], timeMs)).toMatchObject([{ moved: true }])
    })

    it('lets a session be offered and answered again, and keeps what is settled of it', async () => {
      const { store, parties } = await scene()
      await store.settle([receiptOf(parties, 7)], timeMs)
      expect(await store.recordOffer({ ...parties, timeMs })).toBe(true)
      expect(await store.settle([receiptOf(parties, 7)], timeMs)).toMatchObject([{ moved: false, bytes: 7 }])
      expect(await store.recordAnswer({ ...parties, timeMs })).toBe(true)
      expect(await store.settle([receiptOf(parties, 8)], timeMs)).toMatchObject([{ moved: true, bytes: 8 }])
    })

    it('lets one of many parties have a session that all offer at once', async () => {
      const store = await open()
      const seeder = newAccount('bob').pubKey
      const offers = Array.from({ length: 10 }, () =>
        store.recordOffer({ session: 'session-0000000001', consumer: newAccount('x').pubKey, seeder, timeMs }),
      )
      expect((await Promise.all(offers)).filter(Boolean)).toHaveLength(1)
    })

    it('forgets offers that were never answered sooner', async () => {
      const { store, alice, bob, parties } = await scene()
      const offered = { session: 'session-not-answered', consumer: alice, seeder: bob }
      await store.recordOffer({ ...offered, timeMs: timeMs + 10 })
      expect(await store.pruneSessions(timeMs - 1, timeMs + 10)).toBe(0)
      expect(await store.pruneSessions(timeMs - 1, timeMs + 11)).toBe(1)
      expect(await store.recordAnswer({ ...offered, timeMs: timeMs + 12 })).toBe(false)
      expect(await store.settle([receiptOf(parties, 5)], timeMs)).toMatchObject([{ type: 'settled', moved: true }])
    })

    it('forgets no more at once than it is told to', async () => {
      const { store, alice, bob } = await scene()
      for (let count = 0; count < 5; count += 1) {
        await store.recordOffer({ session: `session-of-a-step-${count}`, consumer: alice, seeder: bob, timeMs: 1 })
      }
      const counts = []
      for (let step = 0; step < 4; step += 1) counts.push(await store.pruneSessions(2, 2, 2))
      expect(counts).toEqual([2, 2, 1, 0])
    })

    it('writes for who wants to know whether it can, and changes nothing', async () => {
      const { store, alice, bob } = await scene()
      const before = [await store.head(), await walletsOf(store, alice, bob)]
      for (const writes of [1, 500, 1]) await store.probe(writes)
      expect([await store.head(), await walletsOf(store, alice, bob)]).toEqual(before)
    })

    it('forgets sessions of which nothing was settled and nothing heard, and no others', async () => {
      const { store, alice, bob, parties: old } = await scene()
      const touched = {
        offered: await answered(store, alice, bob, 'session-offered-again'),
        answered: await answered(store, alice, bob, 'session-answered-again'),
        limit: await answered(store, alice, bob, 'session-at-the-limit-'),
      }
      await store.recordOffer({ ...touched.offered, timeMs: timeMs + 100 })
      await store.recordAnswer({ ...touched.answered, timeMs: timeMs + 100 })
      await store.recordOffer({ ...touched.limit, timeMs: timeMs + 50 })
      // A clock that was set back shortens nothing.
      for (const each of Object.values(touched)) await store.recordOffer({ ...each, timeMs: 1 })
      expect(await store.pruneSessions(timeMs + 50)).toBe(1)
      expect(await store.pruneSessions(timeMs + 50)).toBe(0)
      const left = Object.values(touched).map(each => receiptOf(each, 6))
      expect(await store.settle([receiptOf(old, 6), ...left], timeMs)).toMatchObject([
        { type: 'refused', code: 'unknown-session' },
        ...left.map(() => ({ type: 'settled', moved: true, bytes: 6 })),
      ])
      expect(await walletsOf(store, alice, bob)).toEqual([1_000 - 18, 1_000 + 18])
      expect(verifyAll(await store.blocksAfter(0, 100))).toEqual(await store.head())
    })

    it('never forgets a session of which something was settled, so that no receipt is paid twice', async () => {
      const { store, alice, bob, parties } = await scene()
      await store.settle([receiptOf(parties, 5)], timeMs)
      const later = timeMs + 1_000 * 86_400_000
      expect(await store.pruneSessions(later, later)).toBe(0)
      expect(await store.recordOffer({ ...parties, timeMs: later })).toBe(true)
      expect(await store.recordAnswer({ ...parties, timeMs: later })).toBe(true)
      expect(await store.settle([receiptOf(parties, 5)], later)).toMatchObject([{ moved: false, bytes: 5, seq: 3 }])
      expect(await walletsOf(store, alice, bob)).toEqual([995, 1_005])
    })

    it('lets an invite be used once', async () => {
      const store = await open()
      await store.addInvite({ codeHash: 'first', timeMs })
      await store.addInvite({ codeHash: 'second', timeMs })
      expect(await store.openInvites()).toBe(2)
      const [alice, bob] = [request('alice'), request('bob')]
      const refused = { type: 'refused', what: 'invite' }
      expect(await store.register({ ...alice, inviteHash: 'unknown' })).toEqual(refused)
      expect(await store.balance(alice.pubKey)).toBeUndefined()
      expect(await store.register({ ...alice, inviteHash: 'first' })).toMatchObject({ type: 'registered' })
      expect(await store.openInvites()).toBe(1)
      expect(await store.register({ ...bob, inviteHash: 'first' })).toEqual(refused)
      // Neither does a code come back when it is added again, nor is one used up by who gets nothing for it.
      await store.addInvite({ codeHash: 'first', timeMs: timeMs + 1 })
      expect(await store.register({ ...bob, inviteHash: 'first' })).toEqual(refused)
      expect(await store.register({ ...alice, inviteHash: 'second' })).toEqual({ type: 'taken', what: 'both' })
      expect(await store.openInvites()).toBe(1)
      expect(await store.head()).toMatchObject({ seq: 1 })
      expect(await store.register({ ...bob, inviteHash: 'second' })).toMatchObject({ line: { seq: 2 } })
      expect(await store.openInvites()).toBe(0)
    })

    it('lets one of many win a race for an invite', async () => {
      const store = await open()
      await store.addInvite({ codeHash: 'first', timeMs })
      const requests = [...'abcdefghij'].map(name => store.register({ ...request(name), inviteHash: 'first' }))
      expect((await Promise.all(requests)).filter(({ type }) => type === 'registered')).toHaveLength(1)
      expect(await store.blocksAfter(0, 100)).toHaveLength(1)
    })

    it('says store-failed when it has been closed', async () => {
      const store = await open()
      subscription?.unsubscribe()
      await expect(store.check()).rejects.toMatchObject({ code: 'store-failed' })
      await expect(store.register(request('alice'))).rejects.toMatchObject({ code: 'store-failed' })
    })
  })
}
