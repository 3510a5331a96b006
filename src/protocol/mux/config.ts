import type { MuxConfig } from './state.js'
import { flag, func, invalidOption, oneOf, optional, type OptionRules, verifyOptions, whole } from '../options.js'
import { headerBytes, maxSentDataBytes, type MuxAgreement } from './frame.js'

/**
 * The settings of this project. Where RST was agreed, both sides are of this project and the keep-alive is shorter: a
 * killed process is noticed within 17 s, and an outage of 10 s is survived; others get the 10 s and 30 s that they expect.
 *
 * @example
 * import { defaultMuxConfig, multiplex } from 'lighthouse-peer/operators'
 *
 * const config = { ...defaultMuxConfig('client', { version: 2, rst: true }), maxStreams: 16 }
 * console.log(config.keepAliveTicks, config.silentTicks, typeof multiplex(config))
 * // → 1 15 function
 */
export function defaultMuxConfig(role: MuxConfig['role'], agreement: MuxAgreement): MuxConfig {
  return {
    role,
    version: agreement.version,
    rst: agreement.rst,
    receipts: agreement.receipts === true,
    acceptStreams: role === 'server',
    maxStreams: 256,
    queueHighBytes: 256 * 1024,
    queueLowBytes: 64 * 1024,
    // Eight full queues. With more streams than that, each gets less than a chunk of every 512 KiB that the channel sends.
    totalQueueBytes: 2 * 1024 * 1024,
    uncreditedQueueBytes: 256 * 1024,
    // 31 full frames, just under 128 KiB: the cost of a message is mostly per message, since wrtc's `send` waits for
    // another thread; twice as much gained nothing more.
    maxMessageBytes: 31 * (8 + 4096),
    channelBytes: 512 * 1024,
    overrunBytes: 4 * 1024 * 1024,
    keepAliveTicks: agreement.rst ? 1 : 9,
    silentTicks: agreement.rst ? 15 : 30,
    idleFramesPerTick: 10_000,
  }
}

const agreementRules: OptionRules<MuxAgreement> = {
  version: oneOf(1, 2),
  rst: flag,
  receipts: optional(flag),
  greet: optional(flag),
}

/** Checks what both sides agreed on. Throws `invalid-option`. */
export function verifyAgreement({ version, rst, receipts, greet }: MuxAgreement): void {
  const given = { ...(receipts === undefined ? {} : { receipts }), ...(greet === undefined ? {} : { greet }) }
  verifyOptions({ version, rst, ...given }, agreementRules)
}

const rules: OptionRules<MuxConfig> = {
  ...agreementRules,
  role: oneOf('client', 'server'),
  acceptStreams: flag,
  maxStreams: whole(1),
  queueHighBytes: whole(1),
  queueLowBytes: whole(0),
  totalQueueBytes: whole(1),
  uncreditedQueueBytes: whole(1),
  // Less than one full frame would let SYN pass and never data.
  maxMessageBytes: whole(headerBytes + maxSentDataBytes),
  channelBytes: whole(0),
  overrunBytes: whole(maxSentDataBytes),
  keepAliveTicks: whole(1),
  silentTicks: whole(1),
  idleFramesPerTick: whole(1),
  allocate: optional(func),
}

/** Checks the settings of a multiplexer, and that they go together. Throws `invalid-option` with the field and the rule. */
export function verifyMuxConfig(config: MuxConfig): void {
  verifyOptions(config, rules)
  const { queueLowBytes, queueHighBytes, totalQueueBytes, uncreditedQueueBytes, keepAliveTicks, silentTicks } = config
  if (queueLowBytes > queueHighBytes) throw invalidOption('queueLowBytes', 'must not be above queueHighBytes')
  if (uncreditedQueueBytes > totalQueueBytes)
    throw invalidOption('uncreditedQueueBytes', 'must not be above totalQueueBytes')
  if (keepAliveTicks >= silentTicks) {
    throw invalidOption('keepAliveTicks', 'must be below silentTicks, or the other side takes this one for dead')
  }
}
