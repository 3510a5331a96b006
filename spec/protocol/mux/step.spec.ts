import { describe, expect, it } from '@jest/globals'
import { createMux, step, streamIds } from '../../../src/protocol/mux/step.js'
import { defaultMuxConfig } from '../../../src/protocol/mux/config.js'
import { isAwaitingCredit } from '../../../src/protocol/mux/schedule.js'
import type { MuxConfig, MuxEffect, MuxEvent, MuxState } from '../../../src/protocol/mux/state.js'
import { encodeFrames, type Frame, type FramedReceipt } from '../../../src/protocol/mux/frame.js'
import { groupFrames } from '../../../src/protocol/mux/pack.js'

const rst = { version: 2, rst: true } as const

/** A multiplexer under test: what it is told, what it asks for, and what it put on the wire. */
class Bench {
  state: MuxState
  effects: MuxEffect[] = []
  constructor(readonly config: MuxConfig) {
    this.state = createMux(config)
  }
  tell(...events: MuxEvent[]): MuxEffect[] {
    const start = this.effects.length
    for (const event of events) {
      const [state, effects] = step(this.state, event)
      this.state = state
      this.effects.push(...effects)
    }
    return this.effects.slice(start)
  }
  hear(...frames: Frame[]): MuxEffect[] {
    return this.tell({ type: 'frames', frames, now: 0 })
  }
  messages(): Frame[][] {
    return this.effects.flatMap(effect =>
      effect.type === 'send'
        ? groupFrames(effect.frames, this.config.maxMessageBytes).map(message => [...message])
        : [],
    )
  }
  wire(): Frame[] {
    return this.messages().flat()
  }
  codes(type: 'fail' | 'reset'): string[] {
    return this.effects.flatMap(effect => (effect.type === type ? [effect.error.code] : []))
  }
}

function server(more: Partial<MuxConfig> = {}): Bench {
  return new Bench({ ...defaultMuxConfig('server', { version: more.version ?? 2, rst: more.rst ?? true }), ...more })
}
function client(more: Partial<MuxConfig> = {}): Bench {
  return new Bench({ ...defaultMuxConfig('client', { version: more.version ?? 2, rst: more.rst ?? true }), ...more })
}
const psh = (streamId: number, length: number): Frame => ({ command: 'psh', streamId, data: new Uint8Array(length) })
const control = (command: 'syn' | 'fin' | 'rst' | 'nop', streamId: number): Frame => ({ command, streamId })
const upd = (streamId: number, consumed: number, window = 262_144): Frame => ({
  command: 'upd',
  streamId,
  consumed,
  window,
})
const full = (streamId: number, bytes: number): Frame[] =>
  Array.from({ length: Math.ceil(bytes / 4096) }, (_, index) => psh(streamId, Math.min(4096, bytes - index * 4096)))
const write = (id: number, length: number): MuxEvent => ({ type: 'write', id, bytes: new Uint8Array(length).fill(id) })
const open = (id: number): MuxEvent => ({ type: 'open', id })
const tick: MuxEvent = { type: 'tick' }
const room = (bytes: number): MuxEvent => ({ type: 'room', bytes })

describe('stream IDs', () => {
  it('are odd from 3 for the client, even from 2 for the server, and used up at 32 bits', () => {
    const first = (role: 'client' | 'server'): number[] => {
      const ids = streamIds(role)
      return [ids.next().value, ids.next().value, ids.next().value]
    }
    expect(first('client')).toEqual([3, 5, 7])
    expect(first('server')).toEqual([2, 4, 6])
    const mux = client()
    mux.tell(open(0xffff_ffff))
    expect(mux.codes('fail')).toEqual([])
    mux.tell(open(0x1_0000_0001))
    expect(mux.codes('fail')).toEqual(['stream-ids-exhausted'])
  })
})

describe('opening', () => {
  it('says SYN at once, ahead of all data', () => {
    const mux = client({ channelBytes: 1 })
    mux.tell(open(3), write(3, 10), open(5), write(5, 10), open(7), room(100_000))
    expect(mux.wire()).toEqual([
      control('syn', 3),
      control('syn', 5),
      control('syn', 7),
      { ...psh(3, 10), data: new Uint8Array(10).fill(3) },
      { ...psh(5, 10), data: new Uint8Array(10).fill(5) },
    ])
  })

  it('beyond the limit fails the local connection, and nothing else', () => {
    const mux = client({ maxStreams: 2 })
    mux.tell(open(3), open(5), open(7))
    expect(mux.codes('reset')).toEqual(['too-many-streams'])
    expect(mux.wire()).toEqual([control('syn', 3), control('syn', 5)])
    mux.tell({ type: 'reset', id: 3 }, open(9))
    expect([...mux.state.streams.keys()]).toEqual([5, 9])
  })

  it('takes the 256th stream of the other side and refuses the 257th', () => {
    for (const agreed of [true, false]) {
      const mux = server({ rst: agreed })
      mux.hear(...Array.from({ length: 257 }, (_, index) => control('syn', 3 + 2 * index)))
      expect(mux.effects.filter(({ type }) => type === 'accept')).toHaveLength(256)
      expect(mux.wire()).toEqual([control(agreed ? 'rst' : 'fin', 3 + 2 * 256)])
      expect(mux.codes('fail')).toEqual([])
    }
  })

  it('is refused by a side that accepts none', () => {
    const mux = client()
    mux.hear(control('syn', 2), psh(2, 100), control('fin', 2))
    expect(mux.wire()).toEqual([control('rst', 2)])
    expect(mux.effects).toHaveLength(1)
  })

  it('ignores a second SYN', () => {
    const mux = server()
    mux.hear(control('syn', 3), control('syn', 3))
    expect(mux.effects).toEqual([{ type: 'accept', id: 3 }])
  })
})

describe('sharing the channel', () => {
  it('gives every backlogged stream one frame a round, whatever chunks it wrote', () => {
    const mux = client({ version: 1, channelBytes: 0 })
    const sizes = [1, 7, 1000, 4096, 5000, 65_536, 200_000]
    const ids = sizes.map((_, index) => 3 + 2 * index)
    ids.forEach((id, index) => {
      mux.tell(open(id))
      for (let bytes = 0; bytes < 200_000; bytes += sizes[index]! < 1000 ? 20_000 : sizes[index]!) {
        if (sizes[index]! >= 1000) mux.tell(write(id, sizes[index]!))
        else for (let part = 0; part < 20_000; part += sizes[index]! * 100) mux.tell(write(id, sizes[index]! * 100))
      }
    })
    const served = new Map(ids.map(id => [id, 0]))
    for (let turn = 0; turn < 15; turn++) {
      const before = mux.messages().length
      mux.tell(room(65_664))
      for (const frame of mux.messages().slice(before).flat()) {
        if (frame.command !== 'psh') continue
        served.set(frame.streamId, served.get(frame.streamId)! + frame.data.length)
        const shares = [...served.values()]
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(4096)
      }
    }
    expect(Math.min(...served.values())).toBeGreaterThan(100_000)
  })

  it('puts a small request beside a bulk transfer into the very next message', () => {
    const mux = client({ version: 1 })
    mux.tell(open(3), ...Array.from({ length: 20 }, () => write(3, 65_536)))
    expect(mux.state.room).toBeLessThanOrEqual(0)
    const before = mux.messages().length
    mux.tell(open(5), write(5, 100), room(65_664))
    const next = mux.messages()[before]!
    expect(next[0]).toEqual(control('syn', 5))
    expect(next.findIndex(frame => frame.command === 'psh' && frame.streamId === 5)).toBeLessThanOrEqual(2)
  })

  it('packs frames into large messages', () => {
    const mux = client({ version: 1 })
    mux.tell(open(3), write(3, 200_000))
    expect(mux.messages().map(message => message.length)).toEqual([1, 31, 18])
  })

  it('sends no more than the channel accepts and one message', () => {
    const mux = client({ version: 1, channelBytes: 100_000 })
    mux.tell(open(3), write(3, 1_000_000))
    const sent = mux.effects.reduce(
      (sum, effect) => sum + (effect.type === 'send' ? encodeFrames(effect.frames, 1).length : 0),
      0,
    )
    expect(sent).toBeGreaterThanOrEqual(100_000)
    expect(sent).toBeLessThan(100_000 + mux.config.maxMessageBytes)
    expect(mux.tell(room(sent - 100_000))).toEqual([])
    expect(mux.tell(room(1))).toHaveLength(1)
  })

  it('pauses a writer at the high mark and resumes it at the low one', () => {
    const sizes = { channelBytes: 8, maxMessageBytes: 65_664, queueHighBytes: 100_000, queueLowBytes: 20_000 }
    const mux = client({ version: 1, ...sizes })
    mux.tell(open(3))
    const holds = (effects: MuxEffect[]): MuxEffect[] =>
      effects.filter(({ type }) => type === 'pause' || type === 'resume')
    expect(holds(mux.tell(write(3, 99_999)))).toEqual([])
    expect(holds(mux.tell(write(3, 1), write(3, 1)))).toEqual([{ type: 'pause', id: 3 }])
    expect(holds(mux.tell(room(65_664)))).toEqual([])
    expect(holds(mux.tell(room(65_664)))).toEqual([{ type: 'resume', id: 3 }])
  })

  describe('holds what all streams read ahead', () => {
    /** Programs that write chunks of 64 KiB whenever they are not held. Returns how much was sent of each stream. */
    const writeOn = (mux: Bench, ids: readonly number[], rounds: number): void => {
      for (let round = 0; round < rounds; round++) {
        for (const id of ids) if (mux.state.streams.get(id)?.paused === false) mux.tell(write(id, 65_536))
      }
    }
    const ids = Array.from({ length: 100 }, (_, index) => 3 + 2 * index)

    it('to the total and one chunk each', () => {
      const mux = client({ channelBytes: 8 })
      mux.tell(...ids.map(open))
      writeOn(mux, ids, 10)
      expect(mux.state.queuedBytes).toBeGreaterThanOrEqual(mux.config.totalQueueBytes)
      expect(mux.state.queuedBytes).toBeLessThan(mux.config.totalQueueBytes + ids.length * 65_536)
      expect([...mux.state.streams.values()].every(({ paused }) => paused)).toBe(true)
    })

    it('to far less without credit: one chunk each beyond 256 KiB', () => {
      const mux = client()
      mux.tell(credit(0), ...ids.map(open))
      writeOn(mux, ids, 10)
      expect(mux.state.queuedBytes).toBeLessThan(mux.config.uncreditedQueueBytes + ids.length * 65_536)
      const few = client()
      few.tell(credit(0), open(3), open(5))
      writeOn(few, [3, 5], 10)
      expect(few.state.queuedBytes).toBe(5 * 65_536)
    })

    it('to what there is credit for, and more with more', () => {
      const mux = client({ channelBytes: 8 })
      mux.tell(credit(1e6), ...[3, 5, 7, 9, 11, 13, 15, 17].map(open))
      writeOn(mux, [3, 5, 7, 9, 11, 13, 15, 17], 10)
      const before = mux.state.queuedBytes
      expect(before).toBeGreaterThanOrEqual(1e6)
      expect(before).toBeLessThan(1e6 + 8 * 65_536)
    })

    it('and no stream waits for another one whose reader has stopped', () => {
      const mux = client({ channelBytes: 1e9 })
      const stopped = ids.slice(0, 50)
      mux.tell(...stopped.map(open))
      // Past their windows nothing of these goes; what they have queued stays.
      writeOn(mux, stopped, 20)
      expect(mux.state.queuedBytes).toBeGreaterThanOrEqual(mux.config.totalQueueBytes)
      mux.tell(open(301))
      for (let round = 1; round <= 20; round++) {
        expect(mux.state.streams.get(301)!.paused).toBe(false)
        mux.tell(write(301, 65_536))
        mux.hear(upd(301, round * 65_536))
      }
      expect(mux.state.streams.get(301)).toMatchObject({ written: 20 * 65_536, queuedBytes: 0 })
    })
  })

  it('joins tiny writes, so that a queue is not longer than its bytes', () => {
    const mux = client({ channelBytes: 8 })
    mux.tell(open(3), ...Array.from({ length: 10_000 }, () => write(3, 1)))
    const stream = mux.state.streams.get(3)!
    expect(stream.queuedBytes).toBe(10_000)
    expect(stream.queue.length).toBeLessThan(20)
    mux.tell(...Array.from({ length: 100 }, () => write(3, 0)))
    expect(mux.state.streams.get(3)!.queue).toHaveLength(stream.queue.length)
  })
})

describe('the end of a stream', () => {
  it('sends FIN behind the data, also when the message is full', () => {
    const mux = client({ version: 1, channelBytes: 8 })
    mux.tell(open(3), write(3, 16 * 4096), { type: 'end', id: 3 }, write(3, 10), room(1_000_000))
    const wire = mux.wire()
    expect(wire.at(-1)).toEqual(control('fin', 3))
    expect(wire.filter(({ command }) => command === 'fin')).toHaveLength(1)
    expect(wire.filter(({ command }) => command === 'psh')).toHaveLength(16)
  })

  it('waits for the window before FIN (version 2)', () => {
    const mux = client()
    mux.tell(open(3), write(3, 262_144), write(3, 1), { type: 'end', id: 3 })
    expect(mux.wire().at(-1)).toMatchObject({ command: 'psh', data: { length: 4096 } })
    mux.hear(upd(3, 1, 262_144))
    expect(mux.wire().slice(-2)).toMatchObject([{ command: 'psh', data: { length: 1 } }, { command: 'fin' }])
  })

  it('closes when both directions ended, in either order', () => {
    const a = client()
    a.tell(open(3), { type: 'end', id: 3 })
    expect(a.hear(psh(3, 5), control('fin', 3))).toMatchObject([
      { type: 'deliver', id: 3 },
      { type: 'end', id: 3 },
      { type: 'closed', id: 3 },
    ])
    const b = server()
    b.hear(control('syn', 3), control('fin', 3))
    expect(b.tell({ type: 'end', id: 3 })).toMatchObject([{ type: 'closed', id: 3 }, { type: 'send' }])
    expect([a.state.streams.size, b.state.streams.size]).toEqual([0, 0])
  })

  it('delivers what came before a reset, and says that it is incomplete', () => {
    const mux = server()
    expect(mux.hear(control('syn', 3), psh(3, 5), psh(3, 6), control('rst', 3), psh(3, 7))).toMatchObject([
      { type: 'accept' },
      { type: 'deliver', bytes: { length: 11 } },
      { type: 'reset', id: 3, error: { code: 'stream-reset' } },
    ])
  })

  it('sends RST for a broken local connection, FIN if RST was not agreed, nothing if SYN was not sent', () => {
    for (const agreed of [true, false]) {
      const mux = client({ rst: agreed })
      mux.tell(open(3), write(3, 5), { type: 'reset', id: 3 })
      expect(mux.wire().at(-1)).toEqual(control(agreed ? 'rst' : 'fin', 3))
    }
    const full = client({ channelBytes: 0 })
    full.tell(open(3), write(3, 5), { type: 'reset', id: 3 })
    expect([full.state.control, full.state.ready]).toEqual([[], []])
  })

  it('ignores what local connections still report about streams that are over', () => {
    const mux = client()
    mux.tell(open(3), { type: 'reset', id: 3 })
    expect(
      mux.tell(
        write(3, 5),
        { type: 'end', id: 3 },
        { type: 'reset', id: 3 },
        { type: 'consumed', id: 3, bytes: 9, now: 0 },
      ),
    ).toEqual([])
  })

  it('keeps no list of streams that came and went while the channel was full', () => {
    const mux = client({ channelBytes: 0 })
    for (let id = 3; id < 20_000; id += 2) mux.tell(open(id), write(id, 5), { type: 'reset', id })
    expect([mux.state.control.length, mux.state.ready.length, mux.state.queuedBytes]).toEqual([0, 0, 0])
  })

  it('gives up a stream that a side without RST has closed and no longer reads', () => {
    const mux = client({ rst: false })
    mux.tell(open(3), write(3, 300_000))
    mux.hear(control('fin', 3))
    for (let ticks = 0; ticks < 31; ticks++) {
      expect(mux.codes('reset')).toEqual([])
      mux.tell(tick)
      mux.hear(control('nop', 0))
    }
    expect(mux.codes('reset')).toEqual(['stream-reset'])
    expect(mux.wire().at(-1)).toEqual(control('fin', 3))
    expect(mux.state.streams.size).toBe(0)
  })
})

describe('the window (version 2)', () => {
  it('keeps written − consumed within it', () => {
    const mux = client()
    mux.tell(open(3), write(3, 400_000))
    const sent = (): number =>
      mux.wire().reduce((sum, frame) => sum + (frame.command === 'psh' ? frame.data.length : 0), 0)
    expect(sent()).toBe(262_144)
    mux.hear(upd(3, 1000, 262_144))
    expect(sent()).toBe(263_144)
    mux.hear(upd(3, 1000, 300_000))
    expect(sent()).toBe(301_000)
    mux.hear(upd(3, 301_000, 0))
    expect(sent()).toBe(301_000)
  })

  it('is announced on the first read and at each half', () => {
    const mux = server()
    mux.hear(control('syn', 3), ...full(3, 262_144))
    let now = 0
    const take = (bytes: number): Frame[] => {
      const before = mux.wire().length
      now += 1000
      mux.tell({ type: 'consumed', id: 3, bytes, now })
      return mux.wire().slice(before)
    }
    expect(take(0)).toEqual([])
    expect(take(10)).toEqual([upd(3, 10)])
    expect(take(131_071)).toEqual([])
    expect(take(1)).toEqual([upd(3, 131_082)])
  })

  it('never announces more than is granted, however long the UPD waits for room', () => {
    const mux = server({ channelBytes: 0 })
    mux.hear(control('syn', 3), ...full(3, 262_144))
    mux.tell(
      { type: 'consumed', id: 3, bytes: 10, now: 1 },
      { type: 'consumed', id: 3, bytes: 50_000, now: 2 },
      room(1000),
    )
    const told = mux.wire().find(frame => frame.command === 'upd')!
    // The other side uses all of what it was told, and that is no offence.
    mux.hear(...full(3, told.command === 'upd' ? told.consumed + told.window - 262_144 : 0))
    expect(mux.codes('fail')).toEqual([])
    expect(mux.state.streams.get(3)!.received).toBe(mux.state.streams.get(3)!.granted)
  })

  it('queues one UPD per stream, whatever the reader consumes meanwhile', () => {
    const mux = server({ channelBytes: 0 })
    mux.hear(control('syn', 3))
    for (let turn = 0; turn < 50; turn++) {
      mux.hear(...full(3, 131_072))
      mux.tell({ type: 'consumed', id: 3, bytes: 131_072, now: turn })
    }
    expect(mux.codes('fail')).toEqual([])
    expect(mux.state.control).toHaveLength(1)
  })

  it('grows with rate × round trip and gives the budget back at the end', () => {
    const mux = server()
    mux.hear(control('syn', 3))
    mux.tell({ type: 'round-trip', milliseconds: 80 })
    for (let turn = 1; turn < 60; turn++) {
      mux.tell({ type: 'frames', frames: full(3, 131_072), now: turn * 5 })
      mux.tell({ type: 'consumed', id: 3, bytes: 131_072, now: turn * 5 })
    }
    // 26 MB/s × (2 × 80 + 20) ms is above 4 MiB.
    expect(mux.state.streams.get(3)!.window).toBe(4 * 1024 * 1024)
    expect(mux.state.extraWindow).toBe(4 * 1024 * 1024 - 262_144)
    mux.hear(control('rst', 3))
    expect(mux.state.extraWindow).toBe(0)
  })

  it('counts consumed bytes modulo 2³², on both sides', () => {
    const mux = client()
    mux.tell(open(3))
    const streams = new Map(mux.state.streams)
    const wrapped = 2 ** 32 - 1000
    streams.set(3, {
      ...streams.get(3)!,
      written: wrapped,
      peerConsumed: wrapped,
      consumed: wrapped,
      announced: wrapped,
    })
    streams.set(3, { ...streams.get(3)!, received: wrapped, granted: wrapped + 262_144 })
    mux.state = { ...mux.state, streams }
    mux.tell(write(3, 3000))
    mux.hear(upd(3, 2000))
    expect(mux.codes('fail')).toEqual([])
    expect(mux.state.streams.get(3)).toMatchObject({ written: 2 ** 32 + 2000, peerConsumed: 2 ** 32 + 2000 })
    mux.hear(...full(3, 200_000))
    mux.tell({ type: 'consumed', id: 3, bytes: 200_000, now: 1 })
    expect(mux.wire().at(-1)).toMatchObject({ command: 'upd', consumed: 199_000 })
  })
})

describe('the other side breaks the rules', () => {
  const opened = (): Bench => {
    const mux = server()
    mux.hear(control('syn', 3))
    return mux
  }
  it.each<[string, () => Bench, Frame[]]>([
    ['more data than its window', opened, [...full(3, 262_144), psh(3, 1)]],
    ['UPD for more than was sent', opened, [upd(3, 1)]],
    ['UPD that takes back what it consumed', opened, [upd(3, 2 ** 32 - 1)]],
    ['SYN of our own parity', opened, [control('syn', 2)]],
    ['SYN of stream 0', opened, [control('syn', 0)]],
    ['SYN of our own parity, to the client', () => client(), [control('syn', 5)]],
    ['NOP flood', opened, Array.from({ length: 10_001 }, () => control('nop', 0))],
    ['SYN flood on one stream', opened, Array.from({ length: 10_001 }, () => control('syn', 3))],
    ['FIN flood', opened, Array.from({ length: 10_001 }, () => control('fin', 9))],
    ['RST flood', opened, Array.from({ length: 10_001 }, () => control('rst', 9))],
    ['UPD flood', opened, Array.from({ length: 10_001 }, (_, index) => upd(3, 0, index))],
    ['UPD flood on a closed stream', opened, Array.from({ length: 10_001 }, () => upd(9, 0))],
    ['empty PSH flood', opened, Array.from({ length: 10_001 }, () => psh(3, 0))],
    [
      'streams opened and reset in a flood',
      opened,
      Array.from({ length: 10_001 }, (_, index) => [control('syn', 5), control(index % 2 ? 'fin' : 'rst', 5)]).flat(),
    ],
  ])('%s: one `fail`, and nothing after it', (_name, make, frames) => {
    const mux = make()
    // The flood may come in as many messages as it likes within one tick.
    for (const frame of frames) mux.hear(frame)
    expect(mux.codes('fail')).toEqual(['protocol-violation'])
    expect(mux.tell(open(2), write(2, 5), tick, room(1e6))).toEqual([])
    expect(mux.hear(control('syn', 7))).toEqual([])
  })

  it('a flood of refused SYN while the channel is full ends the connection before its answers pile up', () => {
    const mux = server({ channelBytes: 0, maxStreams: 1 })
    mux.hear(...Array.from({ length: 9999 }, (_, index) => control('syn', 3 + 2 * index)))
    expect(mux.codes('fail')).toEqual(['protocol-violation'])
    expect(mux.state.control.length).toBeLessThanOrEqual(4096)
  })

  it('forgives at each tick: 10,000 frames without data a tick are no offence', () => {
    const mux = opened()
    for (let turn = 0; turn < 5; turn++) {
      mux.hear(...Array.from({ length: 10_000 - (turn === 0 ? 1 : 0) }, () => control('nop', 0)))
      mux.tell(tick)
    }
    expect(mux.codes('fail')).toEqual([])
  })

  /** So many bytes of data for one stream, until the connection fails: how many were let pass. */
  const passes = (mux: Bench, id: number, bytes: number): number => {
    for (let sent = 0; sent < bytes; sent += 4096) {
      mux.hear(psh(id, 4096))
      if (mux.codes('fail').length > 0) return sent
    }
    return bytes
  }
  const tolerance = 256 * 1024

  it('data for a stream that ended here is dropped up to its window, and more of it is fatal', () => {
    const mux = opened()
    mux.tell({ type: 'reset', id: 3 })
    expect(passes(mux, 3, 262_144)).toBe(262_144)
    expect(mux.effects.filter(({ type }) => type === 'deliver' || type === 'fail')).toEqual([])
    expect(passes(mux, 3, 200_000_000)).toBe(tolerance)
    expect(mux.codes('fail')).toEqual(['protocol-violation'])
  })

  it.each<[string, (mux: Bench) => void, number]>([
    ['was never opened', () => undefined, 7],
    ['is for us to open, and was not', () => undefined, 2],
    ['is none, 0', () => undefined, 0],
    ['was reset by the side that goes on sending', mux => mux.hear(control('rst', 3)), 3],
    ['was ended by the side that goes on sending', mux => mux.hear(control('fin', 3)), 3],
    [
      'was ended by both',
      mux => {
        mux.hear(control('fin', 3))
        mux.tell({ type: 'end', id: 3 })
      },
      3,
    ],
  ])('data for a stream that %s is dropped a little, and more of it is fatal', (_name, prepare, id) => {
    const mux = opened()
    prepare(mux)
    expect(passes(mux, id, 200_000_000)).toBe(tolerance)
    expect(mux.codes('fail')).toEqual(['protocol-violation'])
    expect(mux.state.receivedBytes).toBe(0)
  })

  it('data for streams that are not open is forgiven each tick, so that no long connection ends for its slips', () => {
    const mux = opened()
    for (let turn = 0; turn < 100; turn++) {
      expect(passes(mux, 9, tolerance)).toBe(tolerance)
      mux.tell(tick)
      // Not more with each tick without.
      mux.tell(tick)
      mux.hear(control('nop', 0))
    }
    expect(passes(mux, 9, 2 * tolerance)).toBe(tolerance)
  })

  it('data behind a SYN that was refused is dropped up to the window that every stream begins with', () => {
    const mux = server({ acceptStreams: false })
    mux.hear(control('syn', 3), control('syn', 5))
    expect(passes(mux, 3, 262_144) + passes(mux, 5, 262_144)).toBe(524_288)
    expect(passes(mux, 3, 200_000_000)).toBe(tolerance)
  })

  it('data of streams that ended here long before others is dropped as well, up to their windows', () => {
    const mux = server({ maxStreams: 1 })
    const ids = Array.from({ length: 260 }, (_, index) => 3 + 2 * index)
    for (const id of ids) {
      mux.hear(control('syn', id))
      mux.tell({ type: 'reset', id })
    }
    for (const id of ids) expect(passes(mux, id, 262_144)).toBe(262_144)
    expect(mux.codes('fail')).toEqual([])
    expect(passes(mux, 3, 200_000_000)).toBe(tolerance)
  })

  it.each([true, false])(
    'version 1, rst %s: four times what a reader may be behind is dropped, then the connection ends',
    agreed => {
      const mux = server({ version: 1, rst: agreed, overrunBytes: 1_000_000 })
      mux.hear(control('syn', 3), control('syn', 5))
      mux.tell({ type: 'reset', id: 3 }, { type: 'reset', id: 5 })
      // Of each stream what its reader might have been behind; of all of them, four times that.
      expect(passes(mux, 3, 200_000_000)).toBeGreaterThan(4_000_000)
      expect(mux.codes('fail')).toEqual(['protocol-violation'])
      expect(mux.state.payableBytes).toBe(1_000_000)
    },
  )

  it('a version 1 stream whose reader falls behind fails alone, with its data unread', () => {
    for (const agreed of [true, false]) {
      const mux = server({ version: 1, rst: agreed })
      mux.hear(control('syn', 3), control('syn', 5), ...full(3, 4 * 1024 * 1024))
      expect(mux.codes('reset')).toEqual([])
      expect(mux.hear(psh(5, 7), psh(3, 1), psh(3, 1))).toMatchObject([
        { type: 'reset', id: 3, error: { code: 'stream-overrun' } },
        { type: 'deliver', id: 5 },
        { type: 'send' },
      ])
      expect(mux.wire()).toEqual([control(agreed ? 'rst' : 'fin', 3)])
      expect([...mux.state.streams.keys()]).toEqual([5])
    }
  })

  it('copies what it delivers, so that no message stays alive behind a slow reader', () => {
    const mux = opened()
    const message = new Uint8Array(65_536)
    const [deliver] = mux.hear({ command: 'psh', streamId: 3, data: message.subarray(0, 10) })
    expect(deliver?.type === 'deliver' && deliver.bytes.buffer.byteLength).toBe(10)
  })
})

describe('keep-alive', () => {
  it('says NOP after the ticks without sending, not while data flows', () => {
    const mux = client({ keepAliveTicks: 2 })
    mux.tell(open(3), tick)
    expect(mux.wire()).toEqual([control('syn', 3)])
    mux.tell(tick)
    expect(mux.wire().at(-1)).toEqual(control('nop', 0))
    mux.tell(tick, write(3, 5), tick)
    expect(mux.wire().filter(({ command }) => command === 'nop')).toHaveLength(1)
    mux.tell(tick)
    expect(mux.wire().filter(({ command }) => command === 'nop')).toHaveLength(2)
  })

  it('has one NOP waiting, however long the channel is full', () => {
    const mux = client({ channelBytes: 0 })
    mux.tell(...Array.from({ length: 14 }, () => tick))
    expect(mux.state.control).toEqual([{ command: 'nop', streamId: 0 }])
  })

  it('ends with `peer-silent` at the limit; any frame starts it again', () => {
    for (const [config, limit] of [
      [defaultMuxConfig('client', rst), 15],
      [defaultMuxConfig('client', { version: 1, rst: false }), 30],
    ] as const) {
      const mux = new Bench(config)
      mux.tell(...Array.from({ length: limit - 1 }, () => tick))
      mux.hear(control('nop', 0))
      mux.tell(...Array.from({ length: limit - 1 }, () => tick))
      expect(mux.codes('fail')).toEqual([])
      mux.tell(tick, tick, tick)
      expect(mux.codes('fail')).toEqual(['peer-silent'])
    }
  })
})

const credit = (bytes: number): MuxEvent => ({ type: 'credit', bytes })
const dataOf = (frames: readonly Frame[]): number =>
  frames.reduce((sum, frame) => sum + (frame.command === 'psh' ? frame.data.length : 0), 0)

describe('credit', () => {
  it('lets nothing beyond it go, over all streams together, to the byte', () => {
    const mux = client()
    mux.tell(credit(10_000), open(3), open(5), open(7))
    for (const id of [3, 5, 7]) mux.tell(write(id, 9_000))
    expect([dataOf(mux.wire()), mux.state.sentBytes]).toEqual([10_000, 10_000])
    expect(isAwaitingCredit(mux.state)).toBe(true)
    mux.tell(credit(10_001), room(1e6))
    expect(dataOf(mux.wire())).toBe(10_001)
    mux.tell(credit(1e6))
    expect(dataOf(mux.wire())).toBe(27_000)
    expect(isAwaitingCredit(mux.state)).toBe(false)
  })

  it('pauses data without one from the start, and resumes with the first', () => {
    const mux = client()
    mux.tell(credit(0), open(3), write(3, 100), tick)
    expect(mux.wire()).toEqual([control('syn', 3), control('nop', 0)])
    mux.tell(credit(100))
    expect(dataOf(mux.wire())).toBe(100)
  })

  it('is no matter for frames without data: SYN, UPD, RST, NOP, and FIN of a stream that has sent all', () => {
    const mux = server()
    mux.tell(credit(50))
    mux.hear(control('syn', 3), control('syn', 5), control('syn', 7), psh(3, 10))
    mux.tell(write(3, 50), write(7, 1))
    mux.tell({ type: 'consumed', id: 3, bytes: 10, now: 1 }, { type: 'end', id: 5 }, { type: 'reset', id: 7 })
    mux.tell({ type: 'end', id: 3 })
    expect(mux.wire().map(({ command, streamId }) => `${command} ${streamId}`)).toEqual([
      'psh 3',
      'upd 3',
      'fin 5',
      'rst 7',
      'fin 3',
    ])
    expect(isAwaitingCredit(mux.state)).toBe(false)
  })

  it('keeps FIN behind the data that it pauses', () => {
    const mux = client()
    mux.tell(credit(5), open(3), write(3, 10), { type: 'end', id: 3 })
    expect(mux.wire().map(({ command }) => command)).toEqual(['syn', 'psh'])
    mux.tell(credit(10))
    expect(mux.wire().map(({ command }) => command)).toEqual(['syn', 'psh', 'psh', 'fin'])
  })

  it('keeps the turns of the streams that wait for it', () => {
    const mux = client({ version: 1 })
    mux.tell(credit(0))
    const ids = [3, 5, 7]
    for (const id of ids) mux.tell(open(id), write(id, 20_000))
    const turns: number[] = []
    for (let step = 1; step <= 12; step++) {
      const before = mux.wire().length
      mux.tell(credit(step * 4096), room(1e6))
      for (const frame of mux.wire().slice(before)) if (frame.command === 'psh') turns.push(frame.streamId)
    }
    expect(turns).toEqual([3, 5, 7, 3, 5, 7, 3, 5, 7, 3, 5, 7])
  })

  it('that is lowered pauses what is not sent yet, and takes nothing back', () => {
    const mux = client()
    mux.tell(credit(10_000), open(3), write(3, 8_000), credit(4_000), write(3, 8_000))
    expect(mux.codes('fail')).toEqual([])
    expect(dataOf(mux.wire())).toBe(8_000)
    mux.tell(credit(9_000))
    expect(dataOf(mux.wire())).toBe(9_000)
  })

  it('pauses nobody who waits for a window or for nothing', () => {
    const mux = client()
    mux.tell(credit(262_144), open(3))
    expect(isAwaitingCredit(mux.state)).toBe(false)
    mux.tell(write(3, 262_144))
    expect(isAwaitingCredit(mux.state)).toBe(false)
    mux.tell(write(3, 1))
    // Its window is used up too.
    expect(isAwaitingCredit(mux.state)).toBe(false)
    mux.tell(room(1e6))
    mux.hear(upd(3, 262_144))
    expect(isAwaitingCredit(mux.state)).toBe(true)
    mux.tell({ type: 'reset', id: 3 })
    expect(isAwaitingCredit(mux.state)).toBe(false)
  })

  it('pauses nobody whose FIN alone waits for room', () => {
    const mux = client({ channelBytes: 8 })
    mux.tell(credit(0), open(3), open(5), { type: 'end', id: 5 })
    expect(mux.state.room).toBeLessThanOrEqual(0)
    expect(mux.state.ready).toEqual([5])
    expect(isAwaitingCredit(mux.state)).toBe(false)
    mux.tell(write(3, 1))
    expect(isAwaitingCredit(mux.state)).toBe(true)
  })

  it('pauses a socket that keeps writing at its high mark, and resumes it with the credit', () => {
    const mux = client()
    mux.tell(credit(0), open(3))
    expect(mux.tell(write(3, 262_144))).toEqual([{ type: 'pause', id: 3 }])
    const released = mux.tell(credit(1e6)).filter(({ type }) => type === 'pause' || type === 'resume')
    expect(released).toEqual([{ type: 'resume', id: 3 }])
  })
})

describe('receipts in RCP', () => {
  it('are agreed with the rest', () => {
    for (const receipts of [true, false]) {
      expect(defaultMuxConfig('client', { ...rst, receipts }).receipts).toBe(receipts)
    }
    expect(defaultMuxConfig('client', rst).receipts).toBe(false)
  })

  const agreed = { receipts: true } as const
  const signed = (bytes: number): FramedReceipt => ({ bytes, signature: new Uint8Array(64).fill(bytes % 251) })
  const receipt = (bytes: number): MuxEvent => ({ type: 'receipt', receipt: signed(bytes) })
  const rcp = (bytes: number): Frame => ({ command: 'rcp', streamId: 0, ...signed(bytes) })

  it('go ahead of all data', () => {
    const mux = client({ ...agreed, version: 1, channelBytes: 1 })
    mux.tell(open(3), write(3, 100_000), receipt(700), room(1e6))
    expect(mux.wire().slice(0, 3)).toMatchObject([control('syn', 3), rcp(700), { command: 'psh' }])
  })

  it('replace each other while there is no room: the newest goes, once', () => {
    const mux = client({ ...agreed, channelBytes: 0 })
    mux.tell(receipt(100), receipt(200), receipt(300))
    expect(mux.state.control).toHaveLength(1)
    mux.tell(room(1000))
    expect(mux.wire()).toEqual([rcp(300)])
    mux.tell(receipt(400))
    expect(mux.wire()).toEqual([rcp(300), rcp(400)])
    expect(mux.state.receipt).toBeUndefined()
  })

  it('fit beside any number of other frames', () => {
    const mux = client({ ...agreed, channelBytes: 0, maxMessageBytes: 4104 })
    for (let id = 3; id < 3 + 2 * 256; id += 2) mux.tell(open(id), write(id, 50))
    mux.tell(receipt(700), room(1e6))
    for (const effect of mux.effects) {
      if (effect.type !== 'send') continue
      for (const message of groupFrames(effect.frames, 4104)) {
        expect(encodeFrames(message, 2).length).toBeLessThanOrEqual(4104)
      }
    }
    expect(mux.wire().filter(({ command }) => command === 'rcp')).toEqual([rcp(700)])
  })

  it('are not held by the credit, nor take any of it', () => {
    const mux = server(agreed)
    mux.tell(credit(0), receipt(1))
    expect([mux.wire(), mux.state.sentBytes]).toEqual([[rcp(1)], 0])
  })

  it('are not sent where they were not agreed', () => {
    const mux = client()
    expect(mux.tell(receipt(100))).toEqual([])
    expect(mux.state.control).toEqual([])
  })

  it('are passed on as they come, unchecked, the lower ones too', () => {
    const mux = server(agreed)
    const heard = mux.hear(rcp(500), rcp(0), rcp(Number.MAX_SAFE_INTEGER))
    expect(heard).toEqual([500, 0, Number.MAX_SAFE_INTEGER].map(bytes => ({ type: 'receipt', receipt: signed(bytes) })))
    expect(mux.codes('fail')).toEqual([])
  })

  it('are no way to flood', () => {
    const mux = server(agreed)
    for (let count = 0; count <= 10_000; count++) mux.hear(rcp(count))
    expect(mux.codes('fail')).toEqual(['protocol-violation'])
  })
})

describe('the bytes to pay for', () => {
  const opened = (more: Partial<MuxConfig> = {}): Bench => {
    const mux = client(more)
    mux.tell(open(3))
    return mux
  }
  const taken = (id: number, bytes: number): MuxEvent => ({ type: 'consumed', id, bytes, now: 0 })
  const reset = (id: number): MuxEvent => ({ type: 'reset', id })

  it('are those that the local socket has consumed', () => {
    const mux = opened()
    mux.hear(psh(3, 1000))
    expect(mux.state.payableBytes).toBe(0)
    mux.tell(taken(3, 400))
    expect(mux.state.payableBytes).toBe(400)
    mux.tell(taken(3, 600))
    expect([mux.state.payableBytes, mux.state.receivedBytes]).toEqual([1000, 1000])
  })

  it('are all that arrived once the stream has ended both ways, whatever was consumed, in either order', () => {
    for (const order of ['here first', 'there first']) {
      const mux = opened()
      mux.hear(psh(3, 1000))
      mux.tell(taken(3, 400))
      if (order === 'here first') mux.tell({ type: 'end', id: 3 })
      mux.hear(control('fin', 3))
      if (order === 'there first') mux.tell({ type: 'end', id: 3 })
      expect(mux.state.streams.size).toBe(0)
      mux.tell(taken(3, 600))
      mux.hear(psh(3, 50))
      expect([mux.state.payableBytes, mux.state.receivedBytes]).toEqual([1000, 1000])
    }
  })

  it('are all that arrived of a stream that the other side reset, and no more', () => {
    const mux = opened()
    mux.hear(psh(3, 1000), control('rst', 3), psh(3, 50))
    mux.tell(taken(3, 1000))
    expect([mux.state.payableBytes, mux.state.receivedBytes]).toEqual([1000, 1000])
  })

  it('are those still under way when the stream was reset here, within its window', () => {
    const mux = opened()
    mux.hear(psh(3, 1000))
    mux.tell(taken(3, 10), reset(3))
    expect(mux.state.payableBytes).toBe(1000)
    mux.hear(...full(3, 261_000))
    expect(mux.state.payableBytes).toBe(262_000)
    mux.hear(psh(3, 1000), psh(3, 1000))
    // The first read was told by UPD: its 10 bytes are part of what was granted.
    expect([mux.state.payableBytes, mux.state.receivedBytes]).toEqual([262_154, 262_154])
    expect(mux.state.afterlife.size).toBe(0)
    expect(mux.codes('fail')).toEqual([])
  })

  it('are none of a stream that was reset here after the other side had ended', () => {
    const mux = opened()
    mux.hear(psh(3, 1000), control('fin', 3))
    mux.tell(reset(3))
    mux.hear(psh(3, 50))
    expect([mux.state.payableBytes, mux.state.afterlife.size]).toEqual([1000, 0])
  })

  it('are in version 1 what the reader may be behind by', () => {
    const mux = opened({ version: 1, overrunBytes: 10_000 })
    mux.hear(psh(3, 1000))
    mux.tell(taken(3, 400))
    expect(mux.state.payableBytes).toBe(400)
    mux.tell(reset(3))
    mux.hear(...full(3, 20_000))
    expect(mux.state.payableBytes).toBe(10_400)
  })

  it('are in version 1 those of a stream that was overrun, too, but for the frame that was too much', () => {
    const mux = opened({ version: 1, overrunBytes: 10_000 })
    mux.hear(psh(3, 4000), psh(3, 4000), psh(3, 4000))
    expect(mux.codes('reset')).toEqual(['stream-overrun'])
    expect(mux.state.payableBytes).toBe(8000)
  })

  it('are none of streams that never were open', () => {
    const mux = opened()
    mux.hear(psh(5, 1000), psh(2, 1000), psh(0, 1000))
    expect([mux.state.payableBytes, mux.state.receivedBytes, mux.state.afterlife.size]).toEqual([0, 0, 0])
  })

  it('are remembered of the 256 streams that ended last', () => {
    const mux = client()
    const ids = Array.from({ length: 300 }, (_, index) => 3 + 2 * index)
    for (const id of ids) mux.tell(open(id), reset(id))
    expect(mux.state.afterlife.size).toBe(256)
    for (const id of ids) mux.hear(psh(id, 1))
    expect(mux.state.payableBytes).toBe(256)
    mux.hear(psh(ids[43]!, 1), psh(ids[44]!, 1))
    expect(mux.state.payableBytes).toBe(257)
  })
})
