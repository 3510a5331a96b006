import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { LighthouseError } from '../../../src/protocol/errors.js'
import {
  goodbyeOf,
  type Negotiation,
  type NegotiationEffect,
  type NegotiationEvent,
  newNegotiation,
  ownMux,
  stepNegotiation,
} from '../../../src/protocol/signaling/negotiation.js'

type Signal = { readonly type: 'offer' | 'answer' | 'candidate' }
type Event = NegotiationEvent<Signal, string>
type Effect = NegotiationEffect<Signal, string>

const [offer, answer, candidate] = (['offer', 'answer', 'candidate'] as const).map((type): Signal => ({ type }))
const local = (signal: Signal): Event => ({ type: 'local', signal })
const described = (signal: Signal, mux = ownMux): Event => ({ type: 'description', signal, mux })
const opened: Event = { type: 'opened', channel: 'channel' }
const engine = (greets: boolean): Event => ({ type: 'engine', name: 'play', greets })
const bye: Event = { type: 'bye', reason: 'this peer shares nothing' }
const undelivered: Event = { type: 'undelivered', reason: new LighthouseError('peer-offline', 'bob is not online') }

function run(role: 'offering' | 'answering', events: readonly Event[]) {
  let state = newNegotiation(role)
  const effects: Effect[] = []
  const states: Negotiation[] = [state]
  for (const event of events) {
    const [next, more] = stepNegotiation(state, event)
    state = next
    states.push(next)
    effects.push(...more)
  }
  return { state, states, effects, types: effects.map(({ type }) => type) }
}

describe('stepNegotiation', () => {
  it('offers, takes the answer and opens', () => {
    const { state, effects } = run('offering', [engine(false), local(offer!), described(answer!), opened])
    const agreement = { version: 2, rst: true, receipts: true, greet: false }
    expect(effects).toEqual([
      { type: 'send', signal: offer, mux: ownMux },
      { type: 'connecting' },
      { type: 'hand-over', signal: answer },
      { type: 'open', channel: 'channel', engine: 'play', agreement },
    ])
    expect(state.type).toBe('open')
  })

  it('answers, whenever WebRTC begins, and greets where that has to', () => {
    const early = [engine(true), described(offer!), local(answer!), opened]
    const late = [described(offer!), engine(true), local(answer!), opened]
    for (const events of [early, late]) {
      const { effects, types } = run('answering', events)
      expect(types).toEqual(['hand-over', 'send', 'open'])
      expect(effects[1]).toEqual({ type: 'send', signal: answer, mux: { ...ownMux, greet: true } })
      expect(effects[2]).toMatchObject({ agreement: { greet: true } })
    }
  })

  it('takes one description, and passes candidates on at any time', () => {
    const events = [
      local(offer!),
      described(answer!),
      described(answer!),
      { type: 'candidate', signal: candidate! },
    ] as const
    expect(run('offering', events).types).toEqual(['send', 'connecting', 'hand-over', 'hand-over'])
  })

  it.each<[string, string, readonly Event[]]>([
    ['no version is common', 'peer-refused', [local(offer!), described(answer!, { versions: [3] })]],
    ['the other side says goodbye', 'peer-refused', [local(offer!), bye]],
    ['the hub does not deliver', 'peer-offline', [local(offer!), undelivered]],
    ['the channel opens before the answer', 'webrtc-failed', [local(offer!), opened]],
  ])('fails when %s: %s', (_what, code, events) => {
    const { effects, state } = run('offering', events)
    expect([effects.at(-1), state.type]).toEqual([
      { type: 'fail', reason: expect.objectContaining({ code }) },
      'failed',
    ])
    expect(stepNegotiation(state, described(answer!))).toEqual([state, []])
  })

  it('does not depend on the hub once it is open', () => {
    const { state } = run('answering', [described(offer!), opened])
    for (const event of [bye, undelivered, opened]) expect(stepNegotiation(state, event)).toEqual([state, []])
  })

  it('says goodbye to a side that knows of it and is not connected, in words where it refuses', () => {
    const goodbye = (role: 'offering' | 'answering', ...events: Event[]) => goodbyeOf(run(role, events).state)
    expect([goodbye('offering'), goodbye('offering', undelivered)]).toEqual([undefined, undefined])
    expect([goodbye('offering', local(offer!)), goodbye('answering')]).toEqual(
      Array(2).fill('the attempt was cancelled'),
    )
    expect(goodbye('answering', described(offer!, { versions: [] }))).toContain('no version')
    expect(goodbye('offering', local(offer!), undelivered)).toBe('the attempt was cancelled')
    expect(goodbye('answering', described(offer!), opened)).toBeUndefined()
  })

  it('opens once at most, after one description at most, and does nothing once it has failed', () => {
    const event = fc.constantFrom(
      ...[offer!, answer!, candidate!].map(local),
      described(offer!),
      described(answer!, { versions: [1] }),
      described(answer!, { versions: [9] }),
      { type: 'candidate', signal: candidate! } as Event,
      engine(true),
      bye,
      undelivered,
      opened,
    )
    const roles = fc.constantFrom('offering' as const, 'answering' as const)
    fc.assert(
      fc.property(roles, fc.array(event, { maxLength: 20 }), (role, events) => {
        const { types, effects, states } = run(role, events)
        const handedOver = effects.filter(
          effect => effect.type === 'hand-over' && effect.signal.type !== 'candidate',
        ).length
        const count = (type: Effect['type']): number => types.filter(other => other === type).length
        expect(handedOver).toBeLessThanOrEqual(1)
        expect(count('open')).toBeLessThanOrEqual(handedOver)
        expect(count('connecting')).toBeLessThanOrEqual(1)
        expect(count('fail')).toBeLessThanOrEqual(1)
        if (count('fail') === 1) expect(types.at(-1)).toBe('fail')
        // Who is open stays so, and who has failed too.
        const end = states.findIndex(({ type }) => type === 'open' || type === 'failed')
        if (end >= 0) expect(new Set(states.slice(end).map(({ type }) => type)).size).toBe(1)
      }),
    )
  })
})
