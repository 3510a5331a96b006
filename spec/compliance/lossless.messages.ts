import type { RtcSignal } from '../../src/ports.js'

/** Size of a numbered message: one full frame of the stream layer. */
export const messageBytes = 4096

/** What the writing program hands over at once. */
export const messagesPerWrite = 16

/** What the processes of the lossless run and the spec tell each other. */
export type LosslessMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'signal'; readonly signal: RtcSignal }
  | { readonly type: 'sent'; readonly mostAheadBytes: number }
  | { readonly type: 'received'; readonly received: number; readonly firstWrong: number }
  | { readonly type: 'failed'; readonly message: string }
