import type { IceServer, RtcEvent, RtcSignal } from '../../ports.js'
import type { ErrorCode } from '../../protocol/errors.js'

/** What a process sends to the one that holds its WebRTC connections. Each connection has an ID of its own. */
export type RtcCommand =
  | {
      readonly type: 'connect'
      readonly id: number
      readonly initiator: boolean
      readonly iceServers: readonly IceServer[]
      readonly relayOnly: boolean
    }
  | { readonly type: 'remote'; readonly id: number; readonly signal: RtcSignal }
  /** Messages may come from now on. */
  | { readonly type: 'read'; readonly id: number }
  /** Messages that cost so much have been consumed. */
  | { readonly type: 'consumed'; readonly id: number; readonly bytes: number }
  | { readonly type: 'send'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'close'; readonly id: number }

/** What a message counts for until it has been consumed: its bytes, and something for a flood of tiny ones. */
export function costOf(message: Uint8Array): number {
  return message.length + 256
}

/** What that one answers. After `complete` or `error` nothing more comes of a connection. */
export type RtcReport =
  | { readonly type: 'event'; readonly id: number; readonly event: Exclude<RtcEvent, { readonly type: 'open' }> }
  | { readonly type: 'open'; readonly id: number; readonly maxMessageBytes: number; readonly highWaterBytes: number }
  | { readonly type: 'message'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'drained'; readonly id: number; readonly bytes: number }
  | { readonly type: 'complete'; readonly id: number }
  /** `stack` names the place of a defect in that process. */
  | {
      readonly type: 'error'
      readonly id: number
      readonly code: ErrorCode
      readonly message: string
      readonly stack?: string | undefined
    }
