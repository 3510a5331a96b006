import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { strayBytesPerTick } from '../../src/protocol/mux/streams.js'
import type { MuxState } from '../../src/protocol/mux/state.js'
import { createMux, step } from '../../src/protocol/mux/step.js'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'
import type { Frame } from '../../src/protocol/mux/frame.js'
import { initialWindowBytes } from '../../src/protocol/mux/window.js'

const id = fc.constantFrom(0, 2, 3, 5, 7, 9, 11)
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('syn' as const, 'fin' as const, 'rst' as const), id }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('psh' as const), id, size: fc.nat(65_535) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('reset here' as const), id }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('tick' as const), id }) },
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

/** Bytes that arrived and reached no stream, and those that a side which keeps to the rules might have sent so. */
class Hostile {
  state: MuxState
  dropped = 0
  most = strayBytesPerTick
  failure: string | undefined

  constructor(rst: boolean) {
    const config = { ...defaultMuxConfig('server', { version: 2, rst }), maxStreams: 3, silentTicks: 1000 }
    this.state = createMux(config)
  }

  do(item: Action): void {
    if (this.failure !== undefined) return
    const isOpen = this.state.streams.has(item.id)
    if (item.type === 'tick') {
      this.most += strayBytesPerTick
      return this.tell({ type: 'tick' })
    }
    if (item.type === 'reset here') {
      if (isOpen) this.most += initialWindowBytes
      return this.tell({ type: 'reset', id: item.id })
    }
    if (item.type === 'syn' && item.id % 2 === 0) return
    if (item.type === 'syn' && !isOpen && this.state.streams.size === 3) this.most += initialWindowBytes
    const frame: Frame =
      item.type === 'psh'
        ? { command: 'psh', streamId: item.id, data: new Uint8Array(item.size) }
        : { command: item.type, streamId: item.id }
    if (item.type !== 'psh') return this.tell({ type: 'frames', frames: [frame], now: 0 })
    const stream = this.state.streams.get(item.id)
    // Beyond its window it is another offence, and fatal at once.
    const isTaken = stream !== undefined && !stream.finReceived
    if (isTaken && stream.received + item.size > stream.granted) return
    this.tell({ type: 'frames', frames: [frame], now: 0 })
    if (!isTaken && this.failure === undefined) this.dropped += item.size
  }

  private tell(event: Parameters<typeof step>[1]): void {
    const [state, effects] = step(this.state, event)
    this.state = state
    for (const effect of effects) if (effect.type === 'fail') this.failure = effect.error.code
  }
}

describe('data for streams that are not open', () => {
  it('is never dropped beyond what the rules let be under way, whatever a side does', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(action, { maxLength: 200, size: 'max' }), id, (rst, list, last) => {
        const mux = new Hostile(rst)
        for (const item of list) mux.do(item)
        expect(mux.dropped).toBeLessThanOrEqual(mux.most)
        // Then it does nothing else any more, and not for long.
        mux.do({ type: 'rst', id: last })
        for (let sent = 0; sent < mux.most + 2 * 65_535; sent += 65_535) mux.do({ type: 'psh', id: last, size: 65_535 })
        expect([mux.failure, mux.dropped <= mux.most]).toEqual(['protocol-violation', true])
      }),
      { numRuns: 500 },
    )
  })
})
