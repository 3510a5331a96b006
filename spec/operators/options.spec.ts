import { describe, expect, it } from '@jest/globals'
import { asyncScheduler, NEVER } from 'rxjs'
import * as operators from '../../src/operators/index.js'

const config = operators.defaultMuxConfig('client', { version: 2, rst: true })

/** As somebody would call them who has no compiler. */
type Loose = (...args: unknown[]) => unknown
const {
  allocateTunnel,
  batch,
  connectWithin,
  deframe,
  deframeBatch,
  demultiplex,
  exhaustMapWithTrailing,
  frame,
  keepAlive,
  meter,
  multiplex,
  pack,
  receiptPace,
} = operators as unknown as Record<string, Loose>

const isOpen = (): boolean => true
const tick = 'tick'

describe('the options of the public operators', () => {
  it.each<[string, string, () => unknown]>([
    [
      'multiplex, messages too small for a frame',
      'maxMessageBytes',
      () => multiplex!({ ...config, maxMessageBytes: 4_000 }),
    ],
    ['multiplex, marks upside down', 'queueLowBytes', () => multiplex!({ ...config, queueHighBytes: 10 })],
    ['deframe, no such version', 'version', () => deframe!({ version: 3, rst: false })],
    ['deframe, nothing said of RST', 'rst', () => deframe!({ version: 1 })],
    ['deframeBatch, receipts neither way', 'receipts', () => deframeBatch!({ version: 2, rst: true, receipts: 'yes' })],
    ['frame, no such version', 'version', () => frame!({ version: 0 })],
    ['frame, memory that is no function', 'allocate', () => frame!({ allocate: 7 })],
    ['pack, no limit', 'maxMessageBytes', () => pack!({ version: 2 })],
    ['pack, messages too small for a frame', 'maxMessageBytes', () => pack!({ maxMessageBytes: 4103 })],
    ['pack, no such version', 'version', () => pack!({ version: 3, maxMessageBytes: 65_536 })],
    ['pack, memory that is no function', 'allocate', () => pack!({ maxMessageBytes: 65_536, allocate: 7 })],
    ['allocateTunnel, no slot', 'slots', () => allocateTunnel!(0)],
    ['allocateTunnel, half a slot', 'slots', () => allocateTunnel!(1.5)],
    ['connectWithin, no time', 'ms', () => connectWithin!({ isOpen, ms: 0 })],
    ['connectWithin, longer than a timer lasts', 'ms', () => connectWithin!({ isOpen, ms: 2 ** 31 })],
    ['connectWithin, nobody', 'what', () => connectWithin!({ isOpen, what: 7 })],
    ['keepAlive, never', 'everyMs', () => keepAlive!({ tick, everyMs: Infinity })],
    ['keepAlive, no scheduler', 'scheduler', () => keepAlive!({ tick, scheduler: {} })],
    ['connectWithin, nothing to wait for', 'isOpen', () => connectWithin!({ ms: 1 })],
    ['keepAlive, nothing to say', 'tick', () => keepAlive!({ everyMs: 1 })],
    ['batch, of nothing', 'maxItems', () => batch!({ maxMs: 1, maxItems: 0, scheduler: asyncScheduler }, isOpen)],
    ['batch, no work', 'work', () => batch!({ maxMs: 1, maxItems: 1, scheduler: asyncScheduler })],
    ['demultiplex, nobody to ask', 'observe', () => demultiplex!({})],
    ['exhaustMapWithTrailing, no projection', 'project', () => exhaustMapWithTrailing!(7)],
    ['meter, not a number', 'everyMs', () => meter!({ everyMs: NaN })],
    ['meter, a misspelt option', 'everyMS', () => meter!({ everyMS: 10 })],
    ['receiptPace, no step', 'stepBytes', () => receiptPace!(10)],
    ['receiptPace, backwards', 'everyMs', () => receiptPace!(() => 1, { everyMs: -1 })],
    ['receiptPace, a promise', 'flush$', () => receiptPace!(() => 1, { flush$: Promise.resolve() })],
  ])('%s: `%s` is named as the operator is made', (_name, field, make) => {
    let error: unknown
    try {
      make()
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ name: 'LighthouseError', code: 'invalid-option', details: { field } })
    expect((error as Error).message).toContain(`"${field}"`)
  })

  it.each<[string, () => unknown]>([
    [
      'skipped',
      () => [connectWithin!({ isOpen }), keepAlive!({ tick }), meter!(), frame!(), deframe!(), receiptPace!(() => 1)],
    ],
    ['none', () => [meter!({}), frame!({}), receiptPace!(() => 1, {})]],
    ['undefined', () => [connectWithin!({ isOpen, ms: undefined, what: undefined }), meter!({ everyMs: undefined })]],
    [
      'given',
      () => [receiptPace!(() => 1, { flush$: NEVER }), allocateTunnel!(1), connectWithin!({ isOpen, ms: 0.5 })],
    ],
  ])('may be %s', (_name, make) => {
    expect(make).not.toThrow()
  })
})
