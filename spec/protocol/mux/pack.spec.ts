import { describe, expect, it } from '@jest/globals'
import { type Frame, frameBytes } from '../../../src/protocol/mux/frame.js'
import { filledWith, groupFrames } from '../../../src/protocol/mux/pack.js'

const psh = (length: number): Frame => ({ command: 'psh', streamId: 3, data: new Uint8Array(length) })
const nop: Frame = { command: 'nop', streamId: 0 }

function sizes(frames: readonly Frame[], maxMessageBytes: number): number[] {
  return groupFrames(frames, maxMessageBytes).map(message => message.reduce((sum, frame) => sum + frameBytes(frame), 0))
}

describe('grouping frames into messages', () => {
  it('fills each message to the last byte', () => {
    expect(sizes([psh(4096), psh(4088), nop], 8208)).toEqual([8208])
    expect(sizes([psh(4096), psh(4088), nop, nop], 8208)).toEqual([8208, 8])
    expect(sizes([nop, psh(4096), psh(4096)], 8208)).toEqual([4112, 4104])
  })

  it('gives no message for no frames', () => {
    expect(groupFrames([], 8208)).toEqual([])
  })

  it('copies no data', () => {
    const frame = psh(10_000)
    const pieces = groupFrames([frame], 8208).flat()
    expect(pieces.map(frameBytes)).toEqual([4104, 4104, 8 + 10_000 - 8192])
    for (const piece of pieces) {
      expect(piece.command === 'psh' && frame.command === 'psh' && piece.data.buffer).toBe(
        frame.command === 'psh' && frame.data.buffer,
      )
    }
  })

  it('counts how far a message is filled', () => {
    expect([filledWith(0, 8, 20), filledWith(8, 12, 20), filledWith(8, 13, 20)]).toEqual([8, 20, 13])
  })
})
