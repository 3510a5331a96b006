import type { LighthouseError } from '../errors.js'
import type { Frame, FramedReceipt, MuxAgreement } from './frame.js'

/** Settings of one multiplexer. Sizes in bytes; a tick is the caller's, one second in this project. */
export interface MuxConfig extends MuxAgreement {
  /** `client` made the offer and opens odd streams from 3, `server` even ones from 2. */
  readonly role: 'client' | 'server'
  /** Whether streams that the other side opens are accepted, or answered with RST (FIN where RST was not agreed). */
  readonly acceptStreams: boolean
  /** Open streams at most, both sides together. A SYN beyond is refused like above. */
  readonly maxStreams: number
  /** A stream that has so much queued pauses its socket … */
  readonly queueHighBytes: number
  /** … until no more than this is left. */
  readonly queueLowBytes: number
  /**
   * All streams of the connection together: beyond, one that has something queued pauses its socket until that is sent, so
   * that no more is read ahead than one chunk each.
   */
  readonly totalQueueBytes: number
  /** The same while the other side has no credit for so much: what it may not be sent is not read ahead. */
  readonly uncreditedQueueBytes: number
  /** Largest message of the channel. Frames are scheduled so that `pack` fills messages of this size. */
  readonly maxMessageBytes: number
  /** Bytes that may be handed to the channel at first; more with each `room` event. */
  readonly channelBytes: number
  /** Version 1 has no window: a stream whose reader falls further behind than this fails with `stream-overrun`. */
  readonly overrunBytes: number
  /** Ticks without sending after which a NOP is sent. */
  readonly keepAliveTicks: number
  /** Ticks without receiving after which the connection fails with `peer-silent`. */
  readonly silentTicks: number
  /** Frames without data that the other side may send in one tick, beyond which it breaks the rules. */
  readonly idleFramesPerTick: number
  /**
   * Where deliveries are written, and data of a frame that spans chunks: exactly so many bytes, whatever they hold. They are
   * used until the effects of a step have been performed. Default: a new array each.
   */
  readonly allocate?: (bytes: number) => Uint8Array
}

/** One open stream. Counters are bytes since it opened and do not wrap. */
export interface StreamState {
  readonly id: number
  readonly synDue: boolean
  /** What the local socket wrote and was not sent yet: at most the high mark and one chunk. */
  readonly queue: readonly Uint8Array[]
  readonly queuedBytes: number
  /** The local socket ended: FIN follows the queue. */
  readonly ending: boolean
  readonly finSent: boolean
  /** The local socket is not read from. */
  readonly paused: boolean
  readonly written: number
  readonly peerConsumed: number
  readonly peerWindow: number
  readonly stalledTicks: number
  readonly finReceived: boolean
  readonly received: number
  /** What the local socket has consumed of it. */
  readonly consumed: number
  /** `received` may not pass this (version 2). */
  readonly granted: number
  readonly window: number
  /** `consumed` when the last UPD was sent, and when that was. */
  readonly announced: number
  readonly announcedAt: number
  readonly updDue: boolean
}

/** A multiplexer: everything that `step` goes by. */
export interface MuxState {
  readonly config: MuxConfig
  readonly streams: ReadonlyMap<number, StreamState>
  /** Streams with something to send, next first. */
  readonly ready: readonly number[]
  /** Frames without data that go ahead of all data: SYN, UPD, RST, NOP. Bounded by `maxControlFrames`. */
  readonly control: readonly ControlFrame[]
  /** Bytes that may still be handed to the channel. */
  readonly room: number
  readonly queuedBytes: number
  readonly roundTripMs: number
  /** Window bytes given to streams above their initial ones. */
  readonly extraWindow: number
  /** Payload bytes handed to the channel and received from it, over all streams, ended ones included. */
  readonly sentBytes: number
  readonly receivedBytes: number
  /** `sentBytes` may not pass this: what the other side has credit for. Infinity until a `credit` event. */
  readonly creditBytes: number
  /**
   * Payload bytes to pay for: what local sockets have consumed of open streams, and of streams that have ended whatever
   * arrived within their windows. `receivedBytes` once all streams have ended.
   */
  readonly payableBytes: number
  /** Streams that ended here first, newest last, and the bytes that may still arrive of each. */
  readonly afterlife: ReadonlyMap<number, number>
  /** So much more data for streams that are not open, beyond `afterlife`, is dropped without offence. */
  readonly strayBytes: number
  /** The receipt that the next RCP carries. */
  readonly receipt: FramedReceipt | undefined
  readonly idleFrames: number
  readonly ticksSinceSent: number
  readonly ticksSinceReceived: number
  readonly failed: boolean
}

/** A frame without data that waits to be sent. */
export type ControlFrame = {
  readonly command: 'syn' | 'fin' | 'upd' | 'rst' | 'nop' | 'rcp'
  readonly streamId: number
}

/** What happens to the multiplexer. Local events for streams that are not open (any more) are ignored. */
export type MuxEvent =
  /** A local connection wants a stream. The ID comes from `streamIds`. */
  | { readonly type: 'open'; readonly id: number }
  /** The local connection wrote. Ignored after `end`. */
  | { readonly type: 'write'; readonly id: number; readonly bytes: Uint8Array }
  /** The local connection will send no more. */
  | { readonly type: 'end'; readonly id: number }
  /** The local connection broke. */
  | { readonly type: 'reset'; readonly id: number }
  /** The local connection consumed delivered bytes. `now` in monotonic milliseconds. */
  | { readonly type: 'consumed'; readonly id: number; readonly bytes: number; readonly now: number }
  | { readonly type: 'frames'; readonly frames: readonly Frame[]; readonly now: number }
  /** So many bytes have left the channel's buffer. */
  | { readonly type: 'room'; readonly bytes: number }
  | { readonly type: 'round-trip'; readonly milliseconds: number }
  /** So many payload bytes may be sent in all. Fewer than before stops what was not sent yet. */
  | { readonly type: 'credit'; readonly bytes: number }
  /** Send this receipt, or the newest when several come before there is room. Ignored where RCP was not agreed. */
  | { readonly type: 'receipt'; readonly receipt: FramedReceipt }
  | { readonly type: 'tick' }
  /** Send a NOP: the other side may wait for a sign that this one listens. */
  | { readonly type: 'greet' }

/** What is to be done, in this order. */
export type MuxEffect =
  /** The other side opened a stream: dial. */
  | { readonly type: 'accept'; readonly id: number }
  /** Write these bytes (a copy, in what `allocate` gave) to the local connection and report when it consumed them. */
  | { readonly type: 'deliver'; readonly id: number; readonly bytes: Uint8Array }
  /** The other side will send no more on this stream. */
  | { readonly type: 'end'; readonly id: number }
  /** The stream failed: reset the local connection. It is over. */
  | { readonly type: 'reset'; readonly id: number; readonly error: LighthouseError }
  /** The stream ended in both directions. It is over. */
  | { readonly type: 'closed'; readonly id: number }
  /** Stop reading from the local connection, and read again. */
  | { readonly type: 'pause' | 'resume'; readonly id: number }
  /** A receipt arrived. Nothing of it was checked. */
  | { readonly type: 'receipt'; readonly receipt: FramedReceipt }
  /** Send these frames, in this order: the last effect of a step. Data are views of what was written, or in what `allocate` gave. */
  | { readonly type: 'send'; readonly frames: readonly Frame[] }
  /** The connection is over; every stream with it. The only effect of its step. */
  | { readonly type: 'fail'; readonly error: LighthouseError }

/** One step of the multiplexer. */
export interface MuxTransition {
  readonly state: MuxState
  readonly effects: readonly MuxEffect[]
}
