import { describe, expect, it } from '@jest/globals'
import type { HubStore } from '../../../../src/hub/ports/store.js'
import type { SettleResult } from '../../../../src/hub/protocol/settlement/settlement.js'
import type { LedgerLine } from '../../../../src/hub/protocol/settlement/ledger.js'
import { provenStore } from '../../../../src/hub/streams/store/proven-store.js'
import type { SignedReceipt } from '../../../../src/protocol/coins/receipt.js'

const full = new Error('disk full')

const settled = (): SettleResult => ({ type: 'settled', moved: true }) as SettleResult

/** A store whose disk can be filled; everything can be read all the time. */
function scene() {
  const state = { nowMs: 0, isFull: false, room: Infinity, probes: 0 }
  const write = async <Result>(result: Result, size = 0): Promise<Result> => {
    if (state.isFull || size > state.room) throw full
    return result
  }
  const store = provenStore(
    {
      check: async () => undefined,
      probe: size => {
        state.probes += 1
        return write(undefined, size)
      },
      addInvite: () => write(undefined),
      register: () => write({ type: 'registered', line: {} as LedgerLine } as const, 1),
      settle: receipts => write(receipts.map(settled), receipts.length),
      recordAnswer: async () => false,
    } as Partial<HubStore> as HubStore,
    { now: () => state.nowMs },
  )
  return {
    state,
    store,
    invite: () => store.addInvite({ codeHash: 'x', timeMs: 0 }),
    register: () => store.register({ nickname: 'alice', pubKey: 'x', signature: 'x', grantBytes: 1, timeMs: 0 }),
    settle: (count: number) =>
      store.settle(
        Array.from({ length: count }, () => ({}) as SignedReceipt),
        0,
      ),
  }
}

describe('provenStore', () => {
  it('fails its check when the newest write has failed, until one works', async () => {
    const { state, store, invite } = scene()
    await store.check()
    state.isFull = true
    await expect(invite()).rejects.toBe(full)
    await expect(store.check()).rejects.toBe(full)
    state.isFull = false
    await invite()
    await store.check()
    expect(state.probes).toBe(1)
  })

  it('recovers by itself, and writes at most every two seconds however often it is asked', async () => {
    const { state, store, invite } = scene()
    state.isFull = true
    await expect(invite()).rejects.toBe(full)
    for (let count = 0; count < 10; count += 1) await expect(store.check()).rejects.toBe(full)
    state.isFull = false
    await expect(store.check()).rejects.toBe(full)
    expect(state.probes).toBe(1)
    state.nowMs = 2_000
    await store.check()
    await store.check()
    expect(state.probes).toBe(2)
  })

  it('finds a disk out to which nobody wrote for half a minute', async () => {
    const { state, store } = scene()
    state.isFull = true
    state.nowMs = 29_999
    await store.check()
    state.nowMs = 30_000
    await expect(store.check()).rejects.toBe(full)
  })

  it('takes no call that wrote nothing for a proof', async () => {
    const { state, store, invite } = scene()
    state.isFull = true
    await expect(invite()).rejects.toBe(full)
    await expect(store.check()).rejects.toBe(full)
    state.isFull = false
    await store.settle([], 0)
    await store.recordAnswer({ session: 's', consumer: 'c', seeder: 's', timeMs: 0 })
    await expect(store.check()).rejects.toBe(full)
  })

  it('fails where small writes work and larger ones do not, until one as large does', async () => {
    const { state, store, invite, register, settle } = scene()
    state.room = 0
    await expect(register()).rejects.toBe(full)
    await invite()
    await expect(store.check()).rejects.toBe(full)
    state.nowMs = 2_000
    await expect(store.check()).rejects.toBe(full)
    state.room = 1
    await register()
    await store.check()
    await expect(settle(3)).rejects.toBe(full)
    await register()
    await settle(1)
    state.nowMs = 4_000
    await expect(store.check()).rejects.toBe(full)
    state.room = 3
    state.nowMs = 6_000
    await store.check()
    state.room = 0
    state.nowMs = 36_000
    await expect(store.check()).rejects.toBe(full)
  })
})
