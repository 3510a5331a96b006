import { describe, expect, it } from '@jest/globals'
import { changedMs, type FileState, isSameVersion, unsettledMs } from '../../../src/protocol/http/file-version.js'

const nowMs = 1_790_000_000_250
const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n
const old: FileState = { ino: 7n, size: 100n, mtimeNs: ns(nowMs - 60_000) + 1n, ctimeNs: ns(nowMs - 50_000) + 1n }

describe('a version of a file', () => {
  it.each([{ ino: 8n }, { size: 101n }, { mtimeNs: old.mtimeNs + 1n }, { ctimeNs: old.ctimeNs + 1n }])(
    'is another one when %p changed',
    change => {
      expect(isSameVersion(old, { ...old })).toBe(true)
      expect(isSameVersion(old, { ...old, ...change })).toBe(false)
    },
  )

  it('may have changed at the later one of its times', () => {
    expect(changedMs(old)).toBe(nowMs - 50_000)
    expect(changedMs({ ...old, mtimeNs: ns(nowMs) })).toBe(nowMs)
    expect(changedMs({ ...old, ctimeNs: -1n, mtimeNs: -1_500_000n })).toBe(0)
    expect(changedMs({ ...old, mtimeNs: 9_000_000_000_000_000_000_000n })).toBe(9e15)
  })

  it.each([
    ['left alone', old, 0],
    ['just changed', { ...old, ctimeNs: ns(nowMs) + 5n }, 21],
    ['changed 5 ms ago', { ...old, ctimeNs: ns(nowMs - 5) + 5n }, 16],
    ['changed 21 ms ago', { ...old, ctimeNs: ns(nowMs - 21) + 5n }, 0],
    ['just changed where the change time tells nothing', { ...old, mtimeNs: ns(nowMs) + 5n }, 21],
    ['of another clock', { ...old, ctimeNs: ns(nowMs + 3_600_000) + 5n }, 0],
    ['of whole seconds', { ...old, mtimeNs: ns(nowMs - 250), ctimeNs: ns(nowMs - 250) }, 1_751],
    ['of whole seconds, left alone', { ...old, mtimeNs: ns(nowMs - 3_250), ctimeNs: ns(nowMs - 3_250) }, 0],
    ['dated back to a whole second', { ...old, mtimeNs: 0n, ctimeNs: ns(nowMs - 30) + 5n }, 0],
    ['beyond every date', { ...old, mtimeNs: 9n ** 30n, ctimeNs: -(9n ** 30n) }, 0],
  ])('%s: waits', (_name, state, waitMs) => {
    expect(unsettledMs(state, nowMs)).toBe(waitMs)
  })
})
