import { describe, expect, it } from '@jest/globals'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { type Attempt, attemptPhases, type CandidateKind, newAttempt } from '../../../src/protocol/signaling/attempt.js'
import { type FailedAttempt, likelyReason, withLikelyReason } from '../../../src/protocol/signaling/likely-reason.js'

const stun = { urls: 'stun:stun.example' }
const turn = { urls: 'turn:turn.example', username: 'u', credential: 'c' }
const turns = { urls: 'turns:turn.example', username: 'u', credential: 'c' }

const answered = (own: readonly CandidateKind[], other: readonly CandidateKind[]): Attempt => ({
  phase: 'answered',
  own: new Set(own),
  other: new Set(other),
})

const failed = (part: Partial<FailedAttempt>): FailedAttempt => ({
  peer: 'bob',
  attempt: answered(['host', 'srflx'], ['host', 'srflx']),
  udp: 'open',
  servers: [stun],
  relayOnly: false,
  ...part,
})

const cases: readonly (readonly [string, Partial<FailedAttempt>, RegExp, RegExp])[] = [
  ['the hub is asked who that is', { attempt: newAttempt }, /hub did not say who bob is/, /doctor/],
  ['WebRTC makes the offer', { attempt: { ...newAttempt, phase: 'offering' } }, /WebRTC made no offer/, /doctor/],
  ['the hub has the offer', { attempt: { ...newAttempt, phase: 'connecting' } }, /did not confirm/, /again/],
  [
    'the other side has the offer',
    { attempt: { ...newAttempt, phase: 'delivered' } },
    /delivered the offer, and bob did not answer/,
    /owner of bob.*restart/,
  ],
  ['the hub names no server', { servers: [], udp: 'unknown' }, /names no STUN server/, /--turn/],
  ['UDP is blocked', { udp: 'blocked', servers: [stun, turn] }, /blocks UDP, and .* no TURN .*TLS/, /--turn HOST/],
  [
    'UDP is blocked and TURN over TLS is not reached',
    { udp: 'blocked', servers: [turns], attempt: answered(['host'], ['srflx']) },
    /blocks UDP, and TURN over TCP or TLS could not/,
    /doctor/,
  ],
  [
    'no server answers',
    { udp: 'unknown', attempt: answered(['host'], ['srflx']) },
    /no STUN or TURN server answered/,
    /doctor/,
  ],
  [
    'the other side names nothing of use',
    { attempt: answered(['host', 'srflx'], ['host']) },
    /bob named no address that is reached from outside/,
    /owner of bob to run "lighthouse-peer doctor"/,
  ],
  ['there is no TURN', {}, /routers on both sides .* names no TURN server/, /--turn/],
  ['nobody gets a relay', { servers: [stun, turn] }, /neither side could use a TURN server/, /doctor/],
  [
    'the relay does not help',
    { servers: [stun, turn], attempt: answered(['srflx', 'relay'], ['srflx']) },
    /not even through TURN/,
    /doctor bob/,
  ],
  ['relay-only without TURN', { relayOnly: true }, /--relay-only.* names no TURN server/, /--turn/],
  [
    'relay-only without a relay',
    { relayOnly: true, servers: [turn], attempt: answered([], ['srflx']) },
    /--relay-only.* no TURN server could be used/,
    /doctor/,
  ],
  [
    'relay-only with a relay',
    { relayOnly: true, servers: [turn], attempt: answered(['relay'], ['srflx']) },
    /not even through TURN/,
    /doctor bob/,
  ],
]

describe('likelyReason', () => {
  it.each(cases)('when %s', (_when, part, reason, next) => {
    const likely = likelyReason(failed(part))
    expect(likely.reason).toMatch(reason)
    expect(likely.next).toMatch(next)
  })

  it('is a clause, and what to do are sentences, whatever is known', () => {
    const kinds = [[], ['host'], ['srflx'], ['relay']] as const
    for (const phase of attemptPhases)
      for (const own of kinds)
        for (const other of kinds)
          for (const udp of ['unknown', 'open', 'blocked', 'asking'] as const)
            for (const servers of [[], [stun], [turn], [turns]])
              for (const relayOnly of [false, true]) {
                const attempt = { phase, own: new Set(own), other: new Set(other) }
                const { reason, next } = likelyReason(failed({ attempt, udp, servers, relayOnly }))
                expect(reason).toMatch(/^(?:[a-z]|WebRTC).*[^.]$/)
                expect(next).toMatch(/^[A-Z].*[.]$/)
              }
  })
})

describe('withLikelyReason', () => {
  const late = new LighthouseError('connect-timeout', 'late', { phase: 'delivered' })

  it('keeps code, phase and cause, and adds reason and next step', () => {
    const attempt: Attempt = { ...newAttempt, phase: 'delivered' }
    const error = withLikelyReason(late, failed({ attempt }))
    const { reason, next } = likelyReason(failed({ attempt }))
    expect(error).toMatchObject({ code: 'connect-timeout', details: { phase: 'delivered', next }, cause: late })
    expect(error.message).toBe(`bob did not connect in time: ${reason}`)
  })

  it('keeps what WebRTC says where that is all that is known', () => {
    const messageIn = (phase: 'offering' | 'answered'): string => {
      const facts = failed({ attempt: { ...failed({}).attempt, phase } })
      return withLikelyReason(new LighthouseError('webrtc-failed', 'ICE'), facts).message
    }
    expect(messageIn('offering')).toBe('no connection to bob: WebRTC made no offer on this machine (ICE)')
    expect(messageIn('answered')).toMatch(/^no connection to bob: the routers .* TURN server$/)
  })

  it('leaves failures alone that say enough, and those of a connection that was open', () => {
    const offline = new LighthouseError('peer-offline', 'away')
    expect(withLikelyReason(offline, failed({}))).toBe(offline)
    const lost = new LighthouseError('webrtc-failed', 'lost')
    expect(withLikelyReason(lost, failed({ attempt: { ...newAttempt, phase: 'open' } }))).toBe(lost)
  })
})
