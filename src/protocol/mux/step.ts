import { LighthouseError, toInternalError } from '../errors.js'
import { strayBytesPerTick } from './streams.js'
import { enqueue, failureCommand, newStream, receive, removeStream, withControl } from './receive.js'
import { flush, isReady, queueBudget, withReady } from './schedule.js'
import type { MuxConfig, MuxEffect, MuxEvent, MuxState, StreamState } from './state.js'
import { maxStreamId } from './frame.js'
import { extraWindowOf, nextWindow, windowBudgetBytes } from './window.js'

/** Ticks without progress after which a stream that waits for a side that has finished and cannot say RST is given up. */
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
    countedBytes: 0,
    afterlife: new Map(),
    strayBytes: strayBytesPerTick,
    receipt: undefined,
    idleFrames: 0,
    ticksSinceSent: 0,
    ticksSinceReceived: 0,
    failed: false,
  }
}

/** The IDs that this side gives to the streams it opens, in order: 3, 5, 7, … or 2, 4, 6, … */
export function* streamIds(role: MuxConfig['role']): Generator<number, never> {
  for (let id = role === 'client' ? 3 : 2; ; id += 2) yield id
}

function withStream(state: MuxState, stream: StreamState): MuxState {
  const before = state.streams.get(stream.id)
  const streams = new Map(state.streams).set(stream.id, stream)
  const wasReady = before !== undefined && isReady(before, state.config)
  const becomesReady = !wasReady && isReady(stream, state.config)
  return { ...state, streams, ready: becomesReady ? withReady(state.ready, stream.id) : state.ready }
}

function open(state: MuxState, id: number): readonly [MuxState, readonly MuxEffect[]] {
  if (id > maxStreamId)
    throw new LighthouseError('stream-ids-exhausted', 'all stream IDs of this connection are used up')
  if (state.streams.size >= state.config.maxStreams) {
    const message = `${state.config.maxStreams} streams are open on this connection already`
    return [state, [{ type: 'abort', id, error: new LighthouseError('too-many-streams', message) }]]
  }
  return [withControl(withStream(state, newStream(id, true)), 'syn', id), []]
}

function reset(state: MuxState, stream: StreamState): MuxState {
  const removed = removeStream(state, stream)
  // The other side has not heard of it.
  if (stream.synDue) return removed
  return withControl(removed, failureCommand(state.config), stream.id)
}

function take(before: MuxState, stream: StreamState, bytes: number, now: number): MuxState {
  const state = { ...before, countedBytes: before.countedBytes + bytes }
  const taken = stream.taken + bytes
  const consumed = taken - stream.announced
  const due =
    state.config.version === 2 &&
    !stream.finReceived &&
    consumed > 0 &&
    (stream.announced === 0 || consumed >= stream.window / 2)
  if (!due) return withStream(state, { ...stream, taken })
  const spareBytes = windowBudgetBytes - state.extraWindow + extraWindowOf(stream.window)
  const elapsedMs = now - stream.announcedAt
  const first = stream.announced === 0
  const window = first
    ? stream.window
    : nextWindow({
        windowBytes: stream.window,
        consumedBytes: consumed,
        elapsedMs,
        roundTripMs: state.roundTripMs,
        spareBytes,
      })
  const next = withStream(state, {
    ...stream,
    taken,
    window,
    granted: Math.max(stream.granted, taken + window),
    announced: taken,
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
    next = withControl(removeStream(next, stream), failureCommand(config), stream.id)
    const message = 'the other side has closed the stream and takes no more data'
    effects.push({ type: 'abort', id: stream.id, error: new LighthouseError('stream-reset', message) })
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
    case 'write': {
      // Nothing may follow FIN, and empty pieces would lengthen the queue without filling it.
      if (stream.ending || event.bytes.length === 0) return [state, []]
      const queuedBytes = stream.queuedBytes + event.bytes.length
      const totalBytes = state.queuedBytes + event.bytes.length
      const holding = stream.holding || queuedBytes >= state.config.queueHighBytes || totalBytes >= queueBudget(state)
      const next = withStream(
        { ...state, queuedBytes: totalBytes },
        { ...stream, queue: enqueue(stream.queue, event.bytes), queuedBytes, holding },
      )
      return [next, holding && !stream.holding ? [{ type: 'hold', id: event.id, on: true }] : []]
    }
    case 'end':
      return [withStream(state, { ...stream, ending: true }), []]
    case 'reset':
      return [reset(state, stream), []]
    case 'taken':
      return [take(state, stream, event.bytes, event.now), []]
  }
}

/**
 * One step of the stream layer: an event changes the state and asks for effects, the messages that the channel has room
 * for among them. Never throws: what is fatal for the connection comes as the effect `fail`, after which nothing happens
 * any more. Pure: the state given stays as it was.
 *
 * Bounds: queued data per stream ≤ the high mark and one chunk, of all streams ≤ the total and one chunk each; delivered and
 * not taken ≤ the window granted (version 2) or `overrunBytes` (version 1); control frames a few for each stream; sent ≤ the credit; handed to the channel ≤ `channelBytes` and
 * a message. Data for streams that are not open is dropped, and more of it than can have been under way is fatal.
 */
export function step(state: MuxState, event: MuxEvent): readonly [MuxState, readonly MuxEffect[]] {
  if (state.failed) return [state, []]
  try {
    const [next, effects] = apply(state, event)
    const [flushed, sends] = flush(next)
    return [flushed, sends.length === 0 ? effects : effects.length === 0 ? sends : [...effects, ...sends]]
  } catch (error) {
    const failure = toInternalError(error)
    return [{ ...state, failed: true }, [{ type: 'fail', error: failure }]]
  }
}
