import { LighthouseError, toInternalError } from '../errors.js'
import { maxStreamId } from './frame.js'
import { receive } from './receive.js'
import { queueWrite, schedule } from './schedule.js'
import type { MuxConfig, MuxEffect, MuxEvent, MuxState, StreamState } from './state.js'
import { newStream, resetStream, strayBytesPerTick, withControl, withStream } from './streams.js'
import { extraWindowOf, nextWindow, windowBudgetBytes } from './window.js'

/** Ticks without progress after which a stream is given up whose other side has sent FIN and could not send RST. */
const stalledTicksAfterFin = 30

export function createMux(config: MuxConfig): MuxState {
  return {
    config,
    streams: new Map(),
    ready: [],
    control: [],
    room: config.channelBytes,
    queuedBytes: 0,
    roundTripMs: 0,
    extraWindow: 0,
    sentBytes: 0,
    receivedBytes: 0,
    creditBytes: Infinity,
    payableBytes: 0,
    afterlife: new Map(),
    strayBytes: strayBytesPerTick,
    receipt: undefined,
    idleFrames: 0,
    ticksSinceSent: 0,
    ticksSinceReceived: 0,
    failed: false,
  }
}

/**
 * The IDs that this side gives to the streams it opens, in order: 3, 5, 7, … or 2, 4, 6, …
 *
 * @example
 * import { streamIds } from 'lighthouse-peer/operators'
 *
 * const ids = streamIds('client')
 * console.log(ids.next().value, ids.next().value)
 * // → 3 5
 */
export function* streamIds(role: MuxConfig['role']): Generator<number, never> {
  for (let id = role === 'client' ? 3 : 2; ; id += 2) yield id
}

function open(state: MuxState, id: number): readonly [MuxState, readonly MuxEffect[]] {
  if (id > maxStreamId)
    throw new LighthouseError('stream-ids-exhausted', 'all stream IDs of this connection are used up')
  if (state.streams.size >= state.config.maxStreams) {
    const message = `${state.config.maxStreams} streams are open on this connection already`
    return [state, [{ type: 'reset', id, error: new LighthouseError('too-many-streams', message) }]]
  }
  return [withControl(withStream(state, newStream(id, true)), 'syn', id), []]
}

function consume(before: MuxState, stream: StreamState, bytes: number, now: number): MuxState {
  const state = { ...before, payableBytes: before.payableBytes + bytes }
  const consumed = stream.consumed + bytes
  const unannounced = consumed - stream.announced
  const due =
    state.config.version === 2 &&
    !stream.finReceived &&
    unannounced > 0 &&
    (stream.announced === 0 || unannounced >= stream.window / 2)
  if (!due) return withStream(state, { ...stream, consumed })
  const spareBytes = windowBudgetBytes - state.extraWindow + extraWindowOf(stream.window)
  const elapsedMs = now - stream.announcedAt
  const first = stream.announced === 0
  const window = first
    ? stream.window
    : nextWindow({
        windowBytes: stream.window,
        consumedBytes: unannounced,
        elapsedMs,
        roundTripMs: state.roundTripMs,
        spareBytes,
      })
  const next = withStream(state, {
    ...stream,
    consumed,
    window,
    granted: Math.max(stream.granted, consumed + window),
    announced: consumed,
    announcedAt: now,
    updDue: true,
  })
  const extraWindow = state.extraWindow + extraWindowOf(window) - extraWindowOf(stream.window)
  return stream.updDue ? { ...next, extraWindow } : withControl({ ...next, extraWindow }, 'upd', stream.id)
}

function tick(state: MuxState): readonly [MuxState, readonly MuxEffect[]] {
  const { config } = state
  const ticksSinceReceived = state.ticksSinceReceived + 1
  const ticksSinceSent = state.ticksSinceSent + 1
  if (ticksSinceReceived >= config.silentTicks) {
    throw new LighthouseError('peer-silent', `nothing arrived from the other side for ${ticksSinceReceived} s`)
  }
  const effects: MuxEffect[] = []
  const strayBytes = Math.max(state.strayBytes, strayBytesPerTick)
  let next: MuxState = { ...state, ticksSinceReceived, ticksSinceSent, strayBytes, idleFrames: 0 }
  for (const stream of config.rst ? [] : state.streams.values()) {
    if (!stream.finReceived || stream.queuedBytes === 0) continue
    if (stream.stalledTicks < stalledTicksAfterFin) {
      next = withStream(next, { ...stream, stalledTicks: stream.stalledTicks + 1 })
      continue
    }
    next = resetStream(next, stream)
    const message = 'the other side has closed the stream and accepts no more data'
    effects.push({ type: 'reset', id: stream.id, error: new LighthouseError('stream-reset', message) })
  }
  const nopDue = ticksSinceSent >= config.keepAliveTicks && !next.control.some(frame => frame.command === 'nop')
  return [nopDue ? withControl(next, 'nop', 0) : next, effects]
}

function apply(state: MuxState, event: MuxEvent): readonly [MuxState, readonly MuxEffect[]] {
  switch (event.type) {
    case 'open':
      return open(state, event.id)
    case 'frames':
      return receive(state, event.frames, event.now)
    case 'room':
      return [{ ...state, room: state.room + event.bytes }, []]
    case 'round-trip':
      return [{ ...state, roundTripMs: event.milliseconds }, []]
    case 'credit':
      return [{ ...state, creditBytes: event.bytes }, []]
    case 'receipt': {
      if (state.config.receipts !== true) return [state, []]
      const next = { ...state, receipt: event.receipt }
      return [state.receipt === undefined ? withControl(next, 'rcp', 0) : next, []]
    }
    case 'tick':
      return tick(state)
    case 'greet':
      return [withControl(state, 'nop', 0), []]
  }
  const stream = state.streams.get(event.id)
  if (stream === undefined) return [state, []]
  switch (event.type) {
    case 'write':
      return queueWrite(state, stream, event.bytes)
    case 'end':
      return [withStream(state, { ...stream, ending: true }), []]
    case 'reset':
      return [resetStream(state, stream), []]
    case 'consumed':
      return [consume(state, stream, event.bytes, event.now), []]
  }
}

/**
 * One step of the stream layer: an event changes the state and asks for effects, the last of which are the frames
 * that the channel has room for. Never throws: what is fatal for the connection comes as the effect `fail`, after which nothing happens
 * any more. Pure: the state given stays as it was.
 *
 * Bounds: queued data per stream ≤ the high mark and one chunk, of all streams ≤ the total and one chunk each; delivered and
 * not consumed ≤ the window granted (version 2) or `overrunBytes` (version 1); control frames a few for each stream; sent
 * ≤ the credit; handed to the channel ≤ `channelBytes` and a message. Data for streams that are not open is dropped, and more of it than can have been under way is fatal.
 */
export function step(state: MuxState, event: MuxEvent): readonly [MuxState, readonly MuxEffect[]] {
  if (state.failed) return [state, []]
  try {
    const [next, effects] = apply(state, event)
    const [scheduled, more] = schedule(next)
    return [scheduled, more.length === 0 ? effects : [...effects, ...more]]
  } catch (error) {
    const failure = toInternalError(error)
    return [{ ...state, failed: true }, [{ type: 'fail', error: failure }]]
  }
}
