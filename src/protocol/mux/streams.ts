import { setBounded } from '../bounded-map.js'
import type { ControlFrame, MuxConfig, MuxState, StreamState } from './state.js'
import { extraWindowOf, initialWindowBytes } from './window.js'

/** Ended streams whose late data is still counted one by one. What arrives of older ones is dropped and not paid for. */
const maxAfterlives = 256

/**
 * Data without a stream that is dropped each second without offence: what an implementation still writes as it closes a stream,
 * or sends ahead of a SYN. A few frames of the largest size.
 */
export const strayBytesPerTick = 256 * 1024

/**
 * How often `overrunBytes` may be under way, over all streams of a connection, where nothing limits that: in
 * version 1, no window limits what a side still sends until it learns that the stream is over.
 */
const strayOverruns = 4

/** Which side ended a stream. What this side ended may still have data under way to it. */
export type EndedBy = 'here' | 'there'

/** The part of the state that counts payable bytes. */
export type Payable = Pick<MuxState, 'payableBytes' | 'afterlife' | 'strayBytes'>

/** A stream as it opens, from either side. */
export function newStream(id: number, local: boolean): StreamState {
  return {
    id,
    synDue: local,
    queue: [],
    queuedBytes: 0,
    ending: false,
    finSent: false,
    paused: false,
    written: 0,
    peerConsumed: 0,
    peerWindow: initialWindowBytes,
    stalledTicks: 0,
    finReceived: false,
    received: 0,
    consumed: 0,
    granted: initialWindowBytes,
    window: initialWindowBytes,
    announced: 0,
    announcedAt: 0,
    updDue: false,
  }
}

/** Bytes that the stream may put on the wire now, as far as its window goes. */
export function sendableBytes(stream: StreamState, config: MuxConfig): number {
  if (config.version === 1) return stream.queuedBytes
  const windowLeft = stream.peerWindow - (stream.written - stream.peerConsumed)
  return Math.max(0, Math.min(stream.queuedBytes, windowLeft))
}

/** Whether a turn of this stream would send something. */
export function isReady(stream: StreamState, config: MuxConfig): boolean {
  return !stream.finSent && (sendableBytes(stream, config) > 0 || (stream.ending && stream.queuedBytes === 0))
}

/** Appends the stream to those waiting for a turn, once. */
export function withReady(ready: readonly number[], id: number): readonly number[] {
  return ready.includes(id) ? ready : [...ready, id]
}

/** Puts a new state of a stream in place of the old one. It waits for a turn from when it has something to send. */
export function withStream(state: MuxState, stream: StreamState): MuxState {
  const before = state.streams.get(stream.id)
  const streams = new Map(state.streams).set(stream.id, stream)
  const wasReady = before !== undefined && isReady(before, state.config)
  const becomesReady = !wasReady && isReady(stream, state.config)
  return { ...state, streams, ready: becomesReady ? withReady(state.ready, stream.id) : state.ready }
}

/** Puts a frame ahead of all data. */
export function withControl(state: MuxState, command: ControlFrame['command'], streamId: number): MuxState {
  return { ...state, control: [...state.control, { command, streamId }] }
}

/** Notifies the other side that a stream failed or was refused. */
export function withFailure(state: MuxState, streamId: number): MuxState {
  return withControl(state, state.config.rst ? 'rst' : 'fin', streamId)
}

/**
 * The state without anything of a stream but its entry in `streams`. Its turn and its SYN or UPD that was not sent yet
 * go as well: with no room in the channel, streams that come and go would make these lists grow without end.
 */
export function withoutStream(state: MuxState, stream: StreamState, by: EndedBy): MuxState {
  const isLeft = ({ command, streamId }: ControlFrame): boolean =>
    streamId !== stream.id || (command !== 'syn' && command !== 'upd')
  return {
    ...state,
    ready: state.ready.filter(id => id !== stream.id),
    control: state.control.filter(isLeft),
    queuedBytes: state.queuedBytes - stream.queuedBytes,
    extraWindow: state.extraWindow - extraWindowOf(stream.window),
    ...addPayable(state, stream, by),
  }
}

/** Drops a stream and its queue, and notifies the other side unless its SYN was not sent yet. */
export function resetStream(state: MuxState, stream: StreamState): MuxState {
  const streams = new Map(state.streams)
  streams.delete(stream.id)
  const removed = { ...withoutStream(state, stream, 'here'), streams }
  return stream.synDue ? removed : withFailure(removed, stream.id)
}

/** So many more bytes without a stream may arrive: bounded, or every stream that ends would add to it. */
function withStray(config: MuxConfig, strayBytes: number, more: number): number {
  const most = Math.max(strayBytesPerTick, strayOverruns * config.overrunBytes)
  return Math.min(most, strayBytes + more)
}

/** Refuses a stream: its data may follow its SYN all the same, until the other side learns of the refusal. */
export function refuseStream(state: MuxState, streamId: number): MuxState {
  const { config } = state
  const more = config.version === 2 ? initialWindowBytes : strayOverruns * config.overrunBytes
  return withFailure({ ...state, strayBytes: withStray(config, state.strayBytes, more) }, streamId)
}

/**
 * What a stream that ends adds to the payable bytes: all that arrived and was not counted yet; and what is still under
 * way, up to its window, will be counted when it comes. So the meters of both ends agree at rest, however streams end.
 */
export function addPayable(state: Payable & Pick<MuxState, 'config'>, stream: StreamState, by: EndedBy): Payable {
  const { config, afterlife: before } = state
  let { strayBytes } = state
  const payableBytes = state.payableBytes + stream.received - stream.consumed
  if (stream.finReceived || by === 'there') return { payableBytes, afterlife: before, strayBytes }
  if (config.version === 1) strayBytes = withStray(config, strayBytes, strayOverruns * config.overrunBytes)
  const most = config.version === 2 ? stream.granted : stream.consumed + config.overrunBytes
  const left = most - stream.received
  if (left <= 0) return { payableBytes, afterlife: before, strayBytes }
  const afterlife = new Map(before)
  setBounded(afterlife, stream.id, left, maxAfterlives)
  const [oldest] = before.entries()
  const isForgotten = oldest !== undefined && !afterlife.has(oldest[0])
  return { payableBytes, afterlife, strayBytes: withStray(config, strayBytes, isForgotten ? oldest[1] : 0) }
}

/**
 * Data for a stream that is not open. Of one that ended here it was received, so it is paid for, within what the stream had been
 * granted. Anything else is dropped; `strayBytes` is below 0 then when that is more than a side that keeps to the rules sends.
 */
export function countLate(state: MuxState, id: number, bytes: number): MuxState {
  const left = state.afterlife.get(id) ?? 0
  const counted = Math.min(left, bytes)
  const strayBytes = state.strayBytes - (bytes - counted)
  if (counted === 0) return { ...state, strayBytes }
  const afterlife = new Map(state.afterlife)
  if (counted === left) afterlife.delete(id)
  else afterlife.set(id, left - counted)
  return { ...state, afterlife, strayBytes, payableBytes: state.payableBytes + counted }
}
