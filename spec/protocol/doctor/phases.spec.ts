import { describe, expect, it } from '@jest/globals'
import type { Check } from '../../../src/protocol/doctor/check.js'
import { endPhases, newPhases, stepPhases } from '../../../src/protocol/doctor/phases.js'
import { parseProbeEvent, type ProbeEvent } from '../../../src/protocol/doctor/probe.js'

function checksOf(events: readonly ProbeEvent[]): readonly Check[] {
  let phases = newPhases('bob')
  const checks = events.flatMap(event => {
    const [next, found] = stepPhases(phases, event)
    phases = next
    return found
  })
  return [...checks, ...endPhases(phases, 6_000)]
}

const made: readonly ProbeEvent[] = [
  { type: 'phase', phase: 'offering', ms: 10 },
  { type: 'phase', phase: 'connecting', ms: 14 },
  { type: 'phase', phase: 'delivered', ms: 20 },
  { type: 'phase', phase: 'answered', ms: 50 },
  { type: 'candidates', side: 'own', kinds: ['host', 'srflx'], ms: 51 },
  { type: 'candidates', side: 'other', kinds: ['relay'], ms: 52 },
  { type: 'phase', phase: 'open', ms: 90 },
]

describe('the phases of a connection', () => {
  it('have each the time since the one before, and those of the open connection since it opened', () => {
    const checks = checksOf([
      ...made,
      { type: 'path', kind: 'srflx', roundTripMs: undefined, ms: 100 },
      { type: 'path', kind: 'srflx', roundTripMs: 12.34, ms: 140 },
      { type: 'path', kind: 'srflx', roundTripMs: 13, ms: 200 },
      { type: 'answer', status: 200, ms: 130 },
    ])
    expect(checks.map(({ name, status, ms }) => [name, status, ms])).toEqual([
      ['name', 'ok', 10],
      ['offer', 'ok', 4],
      ['delivery', 'ok', 6],
      ['answer', 'ok', 30],
      ['connection', 'ok', 40],
      ['path', 'ok', 10],
      ['round trip', 'ok', 0],
      ['first bytes', 'ok', 40],
    ])
    expect(checks[4]!.detail).toBe('open (addresses of this side: local, public; of bob: TURN)')
    expect(checks[6]!.detail).toBe('12.3 ms')
  })

  it('wait for a better path while it is a relay, which is told at the end', () => {
    const relay = { type: 'path', kind: 'relay', roundTripMs: 80, ms: 100 } as const
    const direct = { type: 'path', kind: 'prflx', roundTripMs: 20, ms: 400 } as const
    const answer = { type: 'answer', status: 200, ms: 150 } as const
    const pathsOf = (events: readonly ProbeEvent[]): readonly string[] =>
      checksOf(events).flatMap(({ name, detail }) => (name === 'path' || name === 'round trip' ? [detail] : []))
    expect(pathsOf([...made, relay, answer, direct])).toEqual(['direct, through routers', '20.0 ms'])
    expect(pathsOf([...made, relay, answer])).toEqual(['through a TURN server, which is slower', '80.0 ms'])
    expect(pathsOf([...made, relay])).toHaveLength(2)
  })

  it('end with the one that fails, what it failed for, and what to do', () => {
    const failed = {
      type: 'failed',
      code: 'connect-timeout',
      message: 'bob did not connect.',
      next: 'Wait.',
      ms: 20_000,
    } as const
    expect(checksOf([...made.slice(0, 3), failed]).at(-1)).toEqual({
      name: 'answer',
      status: 'fail',
      detail: 'bob did not connect',
      next: 'Wait.',
      code: 'connect-timeout',
      ms: 19_980,
    })
    expect(
      checksOf([...made.slice(0, 4), failed])
        .map(({ name }) => name)
        .at(-1),
    ).toBe('connection')
    const offline = { ...failed, code: 'peer-offline', next: undefined } as const
    expect(checksOf([...made.slice(0, 2), offline]).at(-1)).toMatchObject({
      name: 'delivery',
      next: expect.stringMatching(/start/),
    })
  })

  it('fail where the connection opens and nothing comes', () => {
    expect(checksOf(made).at(-1)).toMatchObject({ name: 'first bytes', status: 'fail', code: 'peer-silent', ms: 5_910 })
    expect(checksOf([...made, { type: 'answer', status: undefined, ms: 100 }]).at(-1)).toMatchObject({ status: 'ok' })
    expect(checksOf([...made, { type: 'answer', status: 503, ms: 100 }]).at(-1)).toMatchObject({ status: 'warn' })
  })
})

describe('parseProbeEvent', () => {
  it('knows its own events and nothing else', () => {
    for (const event of made) expect(parseProbeEvent(JSON.parse(JSON.stringify(event)))).toEqual(event)
    expect([{}, { type: 'phase' }, { type: 'other', ms: 1 }].map(parseProbeEvent)).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})
