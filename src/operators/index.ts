/**
 * The public operators: pure, without Node, for any RxJS application (`lighthouse-peer/operators`).
 */
export { allocateTunnel } from './allocate-tunnel.js'
export { type BatchOptions, batch } from './batch.js'
export { connectTimeoutMs, connectWithin } from './connect-within.js'
export { deframe, deframeBatch } from './deframe.js'
export { demultiplex, type StreamEffect, type StreamObserver } from './demultiplex.js'
export { exhaustMapWithTrailing } from './exhaust-map-with-trailing.js'
export { frame } from './frame.js'
export { keepAlive, keepAliveTickMs } from './keep-alive.js'
export { type Metered, meter } from './meter.js'
export { multiplex } from './multiplex.js'
export { pack, type PackOptions } from './pack.js'
export { receiptIntervalMs, receiptPace } from './receipt-pace.js'
export {
  type ErrorCode,
  errorCodes,
  type ErrorDetails,
  LighthouseError,
  isLighthouseError,
} from '../protocol/errors.js'
export { streamIds } from '../protocol/mux/step.js'
export { defaultMuxConfig } from '../protocol/mux/config.js'
export type {
  ControlFrame,
  MuxConfig,
  MuxEffect,
  MuxEvent,
  MuxState,
  MuxTransition,
  StreamState,
} from '../protocol/mux/state.js'
export type { Frame, FramedReceipt, MuxAgreement, MuxVersion } from '../protocol/mux/frame.js'
export type { TunnelDecision, TunnelEvent } from '../protocol/tunnels/tunnel-lru.js'
