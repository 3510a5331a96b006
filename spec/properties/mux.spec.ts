import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'
import type { MuxConfig } from '../../src/protocol/mux/state.js'
import { headerBytes, maxSentDataBytes } from '../../src/protocol/mux/frame.js'
import { type MuxEnd, muxPair, settle, type StreamRecord } from './mux-model.js'

const size = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 3, arbitrary: fc.integer({ min: 4000, max: 70_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 200_000, max: 700_000 }) },
)
const side = fc.constantFrom(0, 1)
const pick = fc.nat(1000)
const operation = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant('open' as const), side }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('write' as const), side, pick, size }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('end' as const), side, pick }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reset' as const), side, pick }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('take' as const), side, pick, size }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('arrive' as const), side, size }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('drain' as const), side, size }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('round-trip' as const), side, milliseconds: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('later' as const), milliseconds: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('credit' as const), side, size }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('sign' as const), side, size }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

const agreement = fc.record({
  version: fc.constantFrom(1 as const, 2 as const),
  rst: fc.boolean(),
  receipts: fc.boolean(),
})
const limits = fc.record({
  maxStreams: fc.constantFrom(3, 8, 256),
  queueHighBytes: fc.constantFrom(16_000, 262_144),
  queueLowBytes: fc.constantFrom(0, 4000, 16_000),
  totalQueueBytes: fc.constantFrom(1, 50_000, 2_097_152),
  uncreditedQueueBytes: fc.constantFrom(1, 20_000, 262_144),
  // From the smallest that is accepted on, at which fast-check looks often.
  maxMessageBytes: fc.integer({ min: headerBytes + maxSentDataBytes, max: 66_000 }),
  channelBytes: fc.constantFrom(1, 20_000, 524_288),
})

function choose(streams: readonly StreamRecord[], picked: number): StreamRecord | undefined {
  return streams[picked % Math.max(1, streams.length)]
}

function perform(ends: readonly [MuxEnd, MuxEnd], operation: Operation): void {
  if (operation.type === 'later') {
    for (const end of ends) end.now += operation.milliseconds
    return
  }
  const end = ends[operation.side]
  switch (operation.type) {
    case 'open':
      end.openStream()
      return
    case 'write': {
      const stream = choose(
        end.open().filter(({ ended, held }) => !ended && !held),
        operation.pick,
      )
      if (stream !== undefined) end.write(stream, operation.size)
      return
    }
    case 'end': {
      const stream = choose(
        end.open().filter(({ ended }) => !ended),
        operation.pick,
      )
      if (stream !== undefined) end.end(stream)
      return
    }
    case 'reset': {
      const stream = choose(end.open(), operation.pick)
      if (stream !== undefined) end.reset(stream)
      return
    }
    case 'take': {
      const stream = choose(
        end.open().filter(({ delivered, taken }) => delivered > taken),
        operation.pick,
      )
      if (stream !== undefined) end.take(stream, Math.min(operation.size, stream.delivered - stream.taken))
      return
    }
    case 'arrive':
      end.arrive(Math.max(1, operation.size))
      return
    case 'drain':
      end.drain(operation.size)
      return
    case 'credit':
      end.credit(operation.size)
      return
    case 'sign':
      end.sign(operation.size + 1)
      return
    case 'round-trip':
      end.apply({ type: 'round-trip', milliseconds: operation.milliseconds })
  }
}

/** Everybody ends what is open; what a side that cannot say RST holds up is given up after its ticks. */
function finish(ends: readonly [MuxEnd, MuxEnd]): void {
  settle(ends)
  // Paid: what was held goes on.
  for (const end of ends) end.credit(Infinity)
  settle(ends)
  for (const end of ends) {
    if (end.failure !== undefined) continue
    // But for what a side that broke its stream could not say: without RST it has only finished, and reads no more.
    const read = end.open().filter(({ ended, finished }) => !ended && (end.config.rst || !finished))
    expect(read.filter(({ held }) => held)).toEqual([])
  }
  for (const end of ends) for (const stream of end.open()) if (!stream.ended) end.end(stream)
  settle(ends)
  for (let ticks = 0; ticks < 40; ticks++) {
    for (const end of ends) end.apply({ type: 'tick' })
    settle(ends)
  }
}

/** What one side sent is what the other one pays for: quality, figure 7. */
function expectSameMeters([consumer, seeder]: readonly [MuxEnd, MuxEnd]): void {
  expect(consumer.state.receivedBytes).toBe(seeder.state.sentBytes)
  expect(consumer.state.payableBytes).toBe(seeder.state.sentBytes)
}

function expectAtRest(ends: readonly [MuxEnd, MuxEnd]): void {
  for (const end of ends) {
    expect(end.failure).toBeUndefined()
    expect(end.open()).toEqual([])
    const { streams, ready, control, queuedBytes, extraWindow } = end.state
    expect({ streams: streams.size, ready, control, queuedBytes, extraWindow }).toEqual({
      streams: 0,
      ready: [],
      control: [],
      queuedBytes: 0,
      extraWindow: 0,
    })
    for (const stream of end.streams.values()) {
      const far = end.other.streams.get(stream.id)
      if (stream.over === 'closed' && far?.over === 'closed') {
        expect([stream.delivered, far.delivered]).toEqual([far.written, stream.written])
      } else if (stream.over === 'closed' && end.config.rst) {
        // A clean end is only ever shown for what came whole: here the other side broke after its own FIN.
        expect(far?.over).toBe('reset')
        expect(stream.delivered).toBe(far!.written)
      }
      if (stream.over === 'aborted' && far !== undefined) expect(['reset', 'aborted']).toContain(far.over)
    }
  }
}

describe('two multiplexers joined by byte pipes', () => {
  it('carry every byte in order and come to rest empty, whatever happens between', () => {
    fc.assert(
      fc.property(agreement, limits, fc.array(operation, { maxLength: 150, size: 'max' }), (agreed, limited, list) => {
        const of = (role: MuxConfig['role']): MuxConfig => ({
          ...defaultMuxConfig(role, agreed),
          ...limited,
          queueLowBytes: Math.min(limited.queueLowBytes, limited.queueHighBytes),
          uncreditedQueueBytes: Math.min(limited.uncreditedQueueBytes, limited.totalQueueBytes),
          acceptStreams: true,
          overrunBytes: 1e9,
        })
        const ends = muxPair(of('client'), of('server'))
        for (const item of list) perform(ends, item)
        finish(ends)
        expectAtRest(ends)
        for (const end of ends) {
          const heard = end.other.receipts
          expect(heard.at(-1) ?? 0).toBe(agreed.receipts ? end.receiptBytes : 0)
          expect(heard).toEqual(heard.toSorted((one, other) => one - other))
        }
      }),
      { numRuns: 250 },
    )
  })

  it('agree on what was sent and is to be paid for, in any history of the streams that the consumer opens (version 2)', () => {
    fc.assert(
      fc.property(fc.boolean(), limits, fc.array(operation, { maxLength: 150, size: 'max' }), (rst, limited, list) => {
        const of = (role: MuxConfig['role']): MuxConfig => ({
          ...defaultMuxConfig(role, { version: 2, rst, receipts: true }),
          ...limited,
          queueLowBytes: Math.min(limited.queueLowBytes, limited.queueHighBytes),
          uncreditedQueueBytes: Math.min(limited.uncreditedQueueBytes, limited.totalQueueBytes),
        })
        const ends = muxPair(of('client'), of('server'))
        for (const item of list) perform(ends, item.type === 'open' ? { ...item, side: 0 } : item)
        finish(ends)
        expectAtRest(ends)
        expectSameMeters(ends)
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    [1, false],
    [2, false],
    [2, true],
  ] as const)('version %i, rst %s: half-close works in both directions', (version, rst) => {
    for (const first of [0, 1] as const) {
      const of = (role: MuxConfig['role']): MuxConfig => defaultMuxConfig(role, { version, rst })
      const ends = muxPair(of('client'), of('server'))
      const stream = ends[0].openStream()
      settle(ends)
      const far = ends[1].streams.get(stream.id)!
      const [early, late] = first === 0 ? [stream, far] : [far, stream]
      ends[first].write(early, 100_000)
      ends[first].end(early)
      settle(ends)
      expect(late).toMatchObject({ delivered: 100_000, finished: true, over: 'no' })
      for (let turn = 0; turn < 5; turn++) {
        ends[1 - first]!.write(late, 500_000)
        settle(ends)
      }
      expect(early).toMatchObject({ delivered: 2_500_000, finished: false, over: 'no' })
      ends[1 - first]!.end(late)
      settle(ends)
      expectAtRest(ends)
    }
  })

  it('a reader that pauses stops its own stream at the window, and nothing else', () => {
    const of = (role: MuxConfig['role']): MuxConfig => defaultMuxConfig(role, { version: 2, rst: true })
    const ends = muxPair(of('client'), of('server'))
    const [paused, live] = [ends[0].openStream(), ends[0].openStream()]
    settle(ends)
    const server = ends[1]
    for (let turn = 0; turn < 100; turn++) {
      for (const { id } of [paused, live]) {
        const far = server.streams.get(id)!
        if (!far.held) server.write(far, 64 * 1024)
      }
      settle(ends, false)
      if (live.delivered > live.taken) ends[0].take(live, live.delivered - live.taken)
      settle(ends, false)
    }
    expect(paused.delivered).toBe(262_144)
    expect(server.streams.get(paused.id)!.held).toBe(true)
    expect(server.state.streams.get(paused.id)!.queuedBytes).toBe(262_144)
    expect(live.delivered).toBe(100 * 64 * 1024)
    ends[0].take(paused, paused.delivered)
    settle(ends)
    expect(paused.delivered).toBe(524_288)
    expect(server.streams.get(paused.id)!.held).toBe(false)
  })
})
