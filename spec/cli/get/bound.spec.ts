import { describe, expect, it } from '@jest/globals'
import { Bound } from '../../../src/cli/get/bound.js'

interface Given {
  readonly max?: number
  readonly answers?: boolean[]
}

function boundOf({ max, answers }: Given): {
  readonly bound: Bound
  readonly asked: string[]
  readonly notices: string[]
} {
  const asked: string[] = []
  const notices: string[] = []
  const ask = (message: string): Promise<boolean> => {
    asked.push(message)
    return Promise.resolve(answers?.shift() ?? false)
  }
  const bound = new Bound({
    nickname: 'bob',
    name: 'film.mp4',
    max,
    ask: answers === undefined ? undefined : ask,
    notice: text => void notices.push(text),
  })
  return { bound, asked, notices }
}

describe('Bound', () => {
  it('lets a file come whose length is announced', async () => {
    const { bound, notices } = boundOf({})
    await bound.begin(5e12)
    expect([bound.room(0), bound.room(5e12), notices]).toEqual([5e12, 0, []])
  })

  it.each<[string, Given, number]>([
    ['a gigabyte', {}, 1_000_000_000],
    ['--max', { max: 5_000 }, 5_000],
  ])('without a length is %s, and grows by asking only', async (_what, given, limit) => {
    const { bound, asked } = boundOf({ ...given, answers: [true, false] })
    await bound.begin(undefined)
    expect(bound.room(0)).toBe(limit)
    await bound.extend(limit)
    expect(bound.room(0)).toBe(2 * limit)
    // Another connection for the rest begins with what was allowed.
    await bound.begin(undefined)
    expect(bound.room(0)).toBe(2 * limit)
    await expect(bound.extend(2 * limit)).rejects.toMatchObject({ code: 'too-large' })
    expect(asked).toHaveLength(2)
  })

  it('is not lifted by an answer with a length when the next one has none', async () => {
    const { bound } = boundOf({})
    await bound.begin(5e12)
    await bound.begin(undefined)
    expect(bound.room(0)).toBe(1_000_000_000)
  })

  it('asks for as much as is there from an earlier run, once', async () => {
    const { bound, asked } = boundOf({ max: 10, answers: [true] })
    await bound.begin(undefined)
    expect(bound.room(1_000)).toBe(0)
    await bound.extend(1_000)
    expect([bound.room(1_000), asked.length]).toEqual([1_000, 1])
  })

  it('compares an announced size with --max, and asks once for it', async () => {
    const { bound, asked } = boundOf({ max: 1_000, answers: [true] })
    await bound.begin(3_000_000)
    await bound.begin(3_000_000)
    expect(asked).toEqual(['film.mp4 from bob is 3.0 MB, more than 1.0 kB. Continue?'])
    const refused = boundOf({ max: 1_000 })
    await expect(refused.bound.begin(3_000_000)).rejects.toThrow(/more than 1\.0 kB\. .*--max/)
  })
})
