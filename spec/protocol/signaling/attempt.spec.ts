import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  type AttemptPhase,
  attemptPhases,
  candidateKinds,
  newAttempt,
  stepAttempt,
} from '../../../src/protocol/signaling/attempt.js'

describe('an attempt', () => {
  it('never goes back to an earlier phase, and ends in the latest that was seen', () => {
    const type = fc.constantFrom<string>(...attemptPhases, 'path', 'closed')
    fc.assert(
      fc.property(fc.array(type), types => {
        const phases = types.reduce((seen, each) => [...seen, stepAttempt(seen.at(-1)!, { type: each })], [newAttempt])
        const ranks = phases.map(({ phase }) => attemptPhases.indexOf(phase))
        expect(ranks).toEqual([...ranks].sort((a, b) => a - b))
        expect(ranks.at(-1)).toBe(Math.max(0, ...types.map(each => attemptPhases.indexOf(each as AttemptPhase))))
      }),
    )
  })

  it('keeps which kinds of addresses each side named', () => {
    const events = [
      { type: 'candidates', side: 'own', kinds: ['host'] },
      { type: 'candidates', side: 'own', kinds: ['srflx', 'host'] },
      { type: 'candidates', side: 'other', kinds: ['relay'] },
    ] as const
    const { own, other } = events.reduce(stepAttempt, newAttempt)
    expect([[...own], [...other]]).toEqual([['host', 'srflx'], ['relay']])
  })
})

describe('candidateKinds', () => {
  it('reads a candidate, and all of a description', () => {
    const line = (kind: string): string => `candidate:1 1 udp 1 203.0.113.9 50000 typ ${kind}`
    expect(candidateKinds(line('relay'))).toEqual(['relay'])
    expect(candidateKinds(`v=0\r\na=${line('host')}\r\na=${line('srflx')}\r\na=${line('host')}\r\n`)).toEqual([
      'host',
      'srflx',
    ])
    expect(candidateKinds(line('prflx'))).toEqual([])
  })
})
