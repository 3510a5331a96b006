import { describe, expect, it } from '@jest/globals'
import type { HubStore } from '../../../src/hub/ports.js'
import { provenStore } from '../../../src/hub/streams/proven-store.js'

const full = new Error('disk full')

/** A store whose disk can be filled; everything can be read all the time. */
function scene() {
  const state = { nowMs: 0, isFull: false, probes: 0 }
  const write = async <Result>(result: Result): Promise<Result> => {
    if (state.isFull) throw full
    return result
  }
  const store = provenStore(
    {
      check: async () => undefined,
      probe: () => {
        state.probes += 1
        return write(undefined)
      },
      addInvite: () => write(undefined),
      settle: () => write([]),
      recordAnswer: async () => false,
    } as Partial<HubStore> as HubStore,
    { now: () => state.nowMs },
  )
  return { state, store, invite: () => store.addInvite({ codeHash: 'x', timeMs: 0 }) }
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
})
