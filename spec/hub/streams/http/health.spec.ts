import { describe, expect, it } from '@jest/globals'
import { healthCheck } from '../../../../src/hub/streams/http/health.js'
import { virtualTime } from '../../../streams/support/virtual-time.js'

const head = { seq: 1, hash: 'f'.repeat(128), signature: 'x' }
const broken = async (): Promise<never> => {
  throw new Error('of the disk')
}

function look(parts: { check?: () => Promise<void>; bus?: () => Promise<void>; head?: () => Promise<typeof head> }) {
  const time = virtualTime()
  const logged: string[] = []
  const health = healthCheck({
    store: { check: parts.check ?? (async () => undefined) },
    bus: { check: parts.bus ?? (async () => undefined) },
    head: parts.head ?? (async () => head),
    scheduler: time.scheduler,
    logger: { info: () => undefined, warn: () => undefined, error: (_fields, message) => void logged.push(message) },
  })
  return { time, logged, health }
}

describe('healthCheck', () => {
  it('says that all is well, with the head, and leaves no timer', async () => {
    const { health, time } = look({})
    expect(await health()).toEqual({ database: 'ok', bus: 'ok', head })
    expect(time.pending()).toBe(0)
  })

  it.each([
    ['database', { check: broken }, { database: 'failing', bus: 'ok', head: null }],
    ['database', { head: broken }, { database: 'failing', bus: 'ok', head: null }],
    ['bus', { bus: broken }, { database: 'ok', bus: 'failing', head }],
  ])('says what fails: %s', async (what, parts, report) => {
    const { health, logged } = look(parts)
    expect(await health()).toEqual(report)
    expect(logged).toEqual([`the ${what} fails`])
  })

  it('answers within two seconds when both hang, and asks what hangs only once', async () => {
    let asked = 0
    let answer: (() => void) | undefined
    const { health, time } = look({
      check: () => {
        asked += 1
        return new Promise(resolve => (answer = resolve))
      },
      bus: () => new Promise(() => undefined),
    })
    const first = [health(), health()]
    time.advance(2_000)
    const report = { database: 'failing', bus: 'failing', head: null }
    expect(await Promise.all(first)).toEqual([report, report])
    const later = health()
    expect(asked).toBe(1)
    answer?.()
    await new Promise(resolve => setImmediate(resolve))
    time.advance(2_000)
    expect(await later).toMatchObject({ database: 'ok', bus: 'failing' })
    void health()
    expect(asked).toBe(2)
  })
})
