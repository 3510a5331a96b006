import { describe, expect, it } from '@jest/globals'
import { pruneSessions$ } from '../../../../src/hub/streams/settlement/session-pruning.js'
import { virtualTime } from '../../../streams/support/virtual-time.js'

const dayMs = 86_400_000
const heard = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('pruneSessions$', () => {
  it('forgets what is 90 days old, at once and every day, also after a day on which it failed', async () => {
    const time = virtualTime()
    const asked: unknown[] = []
    const logged: string[] = []
    const note = (_fields: object, message: string): void => void logged.push(message)
    const subscription = pruneSessions$({
      store: {
        async pruneSessions(...times) {
          asked.push(times.slice(0, 2).map(time => Number(time) / dayMs))
          if (asked.length === 2) throw new Error('disk full')
          return asked.length === 1 ? 3 : 0
        },
      },
      scheduler: time.scheduler,
      logger: { info: note, warn: note, error: note },
    }).subscribe()
    await heard()
    for (let day = 0; day < 2; day += 1) {
      time.advance(dayMs)
      await heard()
    }
    expect(asked).toEqual([
      [-90, -1],
      [-89, 0],
      [-88, 1],
    ])
    expect(logged).toEqual(['old sessions were forgotten', 'old sessions could not be forgotten'])
    expect(time.pending()).toBe(1)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })

  it('goes in steps with a pause after each, and counts them as one', async () => {
    const time = virtualTime()
    const asked: unknown[] = []
    const logged: object[] = []
    const left = [500, 500, 3]
    const subscription = pruneSessions$({
      store: {
        async pruneSessions(...times) {
          asked.push(times)
          return left.shift() ?? 0
        },
      },
      scheduler: time.scheduler,
      logger: { info: fields => void logged.push(fields), warn: () => undefined, error: () => undefined },
    }).subscribe()
    for (const steps of [1, 2, 3, 3]) {
      await heard()
      expect(asked).toHaveLength(steps)
      time.advance(100)
    }
    expect(new Set(asked.map(String)).size).toBe(1)
    expect(asked[0]).toEqual([-90 * dayMs, -dayMs, 500])
    expect(logged).toEqual([{ sessions: 1_003 }])
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })
})
