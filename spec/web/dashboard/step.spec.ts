import { describe, expect, it } from '@jest/globals'
import { initialState, keptSeconds, stepDashboard } from '../../../src/web/dashboard/step.js'
import { link, someStats } from '../../support/proxy-fixture.node.js'

const figures = { ...someStats, connections: [link, { ...link, session: 'b', receiveRate: 1, sendRate: 2 }] }
const rates = { down: link.receiveRate + 1, up: link.sendRate + 2 }

describe('stepDashboard', () => {
  it('keeps the newest figures and the rates of all connections', () => {
    expect(stepDashboard(initialState, figures)).toEqual({ stats: figures, isRunning: true, rates: [rates] })
  })

  it('keeps what it knew when the peer does not answer, and goes on when it does', () => {
    const known = stepDashboard(initialState, figures)
    const gone = stepDashboard(known, null)
    expect(gone).toEqual({ ...known, isRunning: false })
    expect(stepDashboard(gone, someStats).isRunning).toBe(true)
  })

  it('keeps a minute', () => {
    let state = initialState
    for (let second = 0; second < keptSeconds + 5; second++) {
      const connections = [{ ...link, receiveRate: second, sendRate: 0 }]
      state = stepDashboard(state, { ...someStats, connections })
    }
    expect(state.rates).toHaveLength(keptSeconds)
    expect([state.rates[0]?.down, state.rates.at(-1)?.down]).toEqual([5, keptSeconds + 4])
  })
})
