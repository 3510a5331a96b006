import { describe, expect, it } from '@jest/globals'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { defaultMuxConfig, verifyMuxConfig } from '../../../src/protocol/mux/config.js'

const fits = defaultMuxConfig('client', { version: 2, rst: true })

function complaint(change: object): unknown {
  try {
    verifyMuxConfig({ ...fits, ...change })
    return undefined
  } catch (error) {
    return error
  }
}

describe('the settings of a multiplexer', () => {
  it.each([1, 2] as const)('are fine by default, version %i, on either side', version => {
    for (const role of ['client', 'server'] as const) {
      for (const rst of [true, false]) {
        for (const receipts of [true, false]) {
          expect(complaint(defaultMuxConfig(role, { version, rst, receipts }))).toBeUndefined()
        }
      }
    }
  })

  it.each<[string, readonly unknown[]]>([
    ['role', ['peer', undefined, 1]],
    ['version', [0, 3, '2', undefined]],
    ['rst', ['yes', 1, undefined]],
    ['receipts', ['yes', 0, null]],
    ['acceptStreams', [undefined, 1]],
    ['maxStreams', [0, -1, 1.5, NaN, Infinity, '256']],
    ['queueHighBytes', [0, -1, 0.5, NaN, Infinity]],
    ['queueLowBytes', [-1, NaN, fits.queueHighBytes + 1]],
    ['totalQueueBytes', [0, NaN, Infinity]],
    ['uncreditedQueueBytes', [0, NaN, fits.totalQueueBytes + 1]],
    ['maxMessageBytes', [0, 8, 4_096, 4_103, NaN, Infinity]],
    ['channelBytes', [-1, NaN, Infinity]],
    ['overrunBytes', [0, 4_095, NaN, Infinity]],
    ['keepAliveTicks', [0, NaN, fits.silentTicks, fits.silentTicks + 1]],
    ['silentTicks', [0, NaN, Infinity]],
    ['idleFramesPerTick', [0, NaN, Infinity]],
    ['allocate', [null, 4096]],
    ['maxMessagBytes', [65_536]],
  ])('are refused with a wrong %s, which is named', (field, values) => {
    for (const value of values) {
      const error = complaint({ [field]: value })
      expect([value, error]).toEqual([value, expect.any(LighthouseError)])
      expect(error).toMatchObject({ code: 'invalid-option', details: { field } })
      expect((error as Error).message).toContain(`"${field}"`)
    }
  })

  it('may be at their bounds', () => {
    const bounds = { maxStreams: 1, queueHighBytes: 1, queueLowBytes: 1, maxMessageBytes: 4_104, channelBytes: 0 }
    const ticks = { overrunBytes: 4_096, keepAliveTicks: 1, silentTicks: 2, idleFramesPerTick: 1 }
    expect(complaint({ ...bounds, ...ticks, allocate: undefined, receipts: undefined })).toBeUndefined()
  })
})
