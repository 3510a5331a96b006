import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  createTunnelSlots,
  stepSlots,
  type TunnelEvent,
  type TunnelSlots,
} from '../../../src/protocol/tunnels/tunnel-lru.js'
import { deepFreeze } from '../../support/freeze.js'

interface Port {
  owner?: string
  last?: string
  streams: number
  connected: boolean
}

/** The rules of the product, told as slowly as possible: a list of owners from least to most recently used. */
class Reference {
  readonly ports: Port[]
  used: string[] = []
  constructor(count: number) {
    this.ports = Array.from({ length: count }, () => ({ streams: 0, connected: false }))
  }
  touch(owner: string): void {
    this.used = [...this.used.filter(other => other !== owner), owner]
  }
  apply(event: TunnelEvent): unknown {
    const own = this.ports.find(port => port.owner === event.owner)
    if (event.type === 'use') {
      if (own === undefined) return undefined
      own.streams = event.streams
      this.touch(event.owner)
      return undefined
    }
    if (event.type === 'rest') {
      if (own !== undefined) Object.assign(own, { streams: 0, connected: false })
      return undefined
    }
    if (event.type === 'release') {
      if (own === undefined) return undefined
      own.last = own.owner!
      delete own.owner
      Object.assign(own, { streams: 0, connected: false })
      return undefined
    }
    const { owner, except = [] } = event
    const isUsable = (candidate: Port): boolean => !except.includes(this.ports.indexOf(candidate))
    if (own !== undefined && !isUsable(own)) {
      delete own.owner
      Object.assign(own, { streams: 0, connected: false })
    }
    let port = own !== undefined && isUsable(own) ? own : undefined
    const free = this.ports.filter(candidate => candidate.owner === undefined && isUsable(candidate))
    port ??= free.find(candidate => candidate.last === owner) ?? free[0]
    const byUse = (fits: (candidate: Port) => boolean): Port | undefined =>
      this.used
        .map(name => this.ports.find(candidate => candidate.owner === name && fits(candidate)))
        .find(candidate => candidate !== undefined && isUsable(candidate))
    port ??= byUse(({ connected }) => !connected) ?? byUse(({ streams }) => streams === 0) ?? byUse(() => true)
    if (port === undefined) return { type: 'refused', owner }
    const evicted = port.owner === owner ? undefined : port.owner
    if (evicted !== undefined) port.last = evicted
    if (port.owner !== owner) port.streams = 0
    port.owner = owner
    port.connected = true
    this.touch(owner)
    return { type: 'granted', owner, slot: this.ports.indexOf(port), evicted }
  }
}

const owner = fc.constantFrom('ann', 'bob', 'cyd', 'dan', 'eve', 'fay')
const event: fc.Arbitrary<TunnelEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('acquire' as const), owner }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('acquire' as const), owner, except: fc.uniqueArray(fc.nat(4)) }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('use' as const), owner, streams: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('release' as const), owner }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('rest' as const), owner }) },
)

describe('tunnel slots', () => {
  it('decide as the slow reference does, and leave the state before as it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(event, { maxLength: 80, size: 'max' }), (count, events) => {
        const reference = new Reference(count)
        let state: TunnelSlots = deepFreeze(createTunnelSlots(count))
        for (const item of events) {
          const [next, decision] = stepSlots(state, item)
          state = deepFreeze(next)
          expect(decision).toEqual(reference.apply(item))
          const owners = state.slots.flatMap(slot => (slot.owner === undefined ? [] : [slot.owner]))
          expect(new Set(owners).size).toBe(owners.length)
          expect(state.slots.map(slot => [slot.owner, slot.lastOwner, slot.streams, slot.connected])).toEqual(
            reference.ports.map(port => [port.owner, port.last, port.streams, port.connected]),
          )
        }
      }),
      { numRuns: 500 },
    )
  })

  it('stay busy when their owner asks again', () => {
    let state = createTunnelSlots(2)
    const tell = (item: TunnelEvent): unknown => {
      const [next, decision] = stepSlots(state, item)
      state = next
      return decision
    }
    for (const name of ['ann', 'bob']) tell({ type: 'acquire', owner: name })
    tell({ type: 'use', owner: 'ann', streams: 1 })
    tell({ type: 'acquire', owner: 'ann' })
    tell({ type: 'use', owner: 'bob', streams: 0 })
    expect(tell({ type: 'acquire', owner: 'cyd' })).toMatchObject({ slot: 1, evicted: 'bob' })
  })
})
