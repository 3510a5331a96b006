/**
 * The multiplexer for any RxJS application (`lighthouse-peer/mux`), in browsers too: nothing here needs Node.
 */
import { asyncScheduler, filter, NEVER, type Observable, type SchedulerLike } from 'rxjs'
import type { ByteSocket, MonotonicClock } from './ports.js'
import { verifyAgreement } from './protocol/mux/config.js'
import type { MuxAgreement } from './protocol/mux/frame.js'
import {
  clock as timed,
  func,
  having,
  object,
  oneOf,
  optional,
  type OptionRules,
  scheduler as scheduled,
  verifyOptions,
} from './protocol/options.js'
import { session$, type SessionOptions } from './streams/mux/session.js'
import { isMuxReport, type MuxReport } from './streams/mux/session-reports.js'

export { type MemoryChannel, type MemoryChannelOptions, memoryChannelPair } from './adapters/memory/channel-pair.js'
export { rtcChannel$, type RtcDataChannel } from './adapters/webrtc/data-channel.js'
export type { ByteChannel, ByteSocket, MonotonicClock, SocketEvent, WriteResult } from './ports.js'
export { type ErrorCode, errorCodes, type ErrorDetails, isLighthouseError, LighthouseError } from './protocol/errors.js'
export type { MuxAgreement, MuxVersion } from './protocol/mux/frame.js'
export type { StreamReset } from './streams/mux/stream-sockets.js'
export type { MuxReport }

/** What a multiplexed connection consists of. `channel` and `role` are needed. */
export interface MuxSessionOptions extends Pick<SessionOptions, 'channel' | 'role' | 'dial'> {
  /** The same on both sides. Default: version 2 of the frames, with RST. */
  readonly agreement?: MuxAgreement
  /** Local connections, each of which becomes a stream, or waits for one when 256 are open. Subscribed to once. Default: none. */
  readonly socket$?: Observable<ByteSocket>
  /** Newest round trip of the path, in milliseconds: the receive windows grow with it. Default: unknown, as on a short path. */
  readonly roundTripMs$?: Observable<number>
  /** Default: `performance`. */
  readonly clock?: MonotonicClock
  /** Of ticks and rates. Default: async. */
  readonly scheduler?: SchedulerLike
}

const rules: OptionRules<MuxSessionOptions> = {
  channel: having('send'),
  role: oneOf('client', 'server'),
  dial: optional(func),
  agreement: optional(object),
  socket$: optional(having('subscribe')),
  roundTripMs$: optional(having('subscribe')),
  clock: optional(timed),
  scheduler: optional(scheduled),
}

/**
 * Carries local connections over one byte channel, each as a stream of its own: what sits between a channel and sockets
 * in a peer, without coins. The other side may be any smux implementation, given the agreement that it keeps to.
 *
 * Subscribing starts it; it never completes. Reports how many streams are open whenever that changes, streams that were reset
 * (counted, by reason), and traffic once a second. Errors when the connection is over: `channel-closed` when the other side closed it,
 * `peer-silent` when nothing arrived for 15 s (30 s without RST), or with what was wrong with its frames. However it ends, every socket
 * that still has an open stream is reset, so that no program takes a broken transfer for a complete one.
 *
 * Holds, for each stream, at most 256 KiB and one chunk that the other side has no room for (2 MiB and a chunk each over all), then its socket
 * is paused; and what a socket has not consumed, at most its window of 256 KiB to 4 MiB (12 MiB above 256 KiB each over all;
 * 4 MiB each in version 1, which has no window). The channel holds `highWaterBytes` and a message.
 *
 * @param options see `MuxSessionOptions`. One side is `client`, the other `server`; either opens streams if the other has `dial`. Throws
 * `invalid-option`, which names the field.
 * @see docs/PROTOCOL.md section 1
 * @example
 * import { type ByteSocket, memoryChannelPair, muxSession$ } from 'lighthouse-peer/mux'
 * import { EMPTY, map, merge, NEVER, of, take, timer } from 'rxjs'
 *
 * // A socket that says hello and one that prints what it is given. In a program it would be a TCP connection.
 * const socket = (chunk: string): ByteSocket => ({
 *   event$: merge(chunk === '' ? EMPTY : of({ type: 'chunk' as const, bytes: new TextEncoder().encode(chunk) }), NEVER),
 *   write: bytes => {
 *     console.log(new TextDecoder().decode(bytes))
 *     return 'copied'
 *   },
 *   end: () => console.log('end'),
 *   reset: () => console.log(`reset ${chunk === '' ? 'there' : 'here'}`),
 *   pause: () => console.log('pause'),
 *   resume: () => console.log('resume'),
 * })
 *
 * const [near, far] = memoryChannelPair()
 * const there = muxSession$({ channel: far, role: 'server', dial: () => socket('') }).subscribe()
 * const here = muxSession$({ channel: near, role: 'client', socket$: of(socket('hello')) }).subscribe()
 * timer(10).subscribe(() => {
 *   here.unsubscribe()
 *   there.unsubscribe()
 * })
 * // → hello
 * // → reset here
 * // → reset there
 */
export function muxSession$(options: MuxSessionOptions): Observable<MuxReport> {
  verifyOptions(options, rules)
  const { agreement = { version: 2, rst: true }, socket$ = NEVER, roundTripMs$ = NEVER } = options
  const { clock = performance, scheduler = asyncScheduler } = options
  verifyAgreement(agreement)
  return session$({ ...options, agreement, socket$, roundTripMs$, clock, scheduler }).pipe(filter(isMuxReport))
}
