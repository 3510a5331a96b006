import { appendJoined, concat } from '../bytes.js'
import { type Frame, frameBytes, headerBytes, maxSentDataBytes } from './frame.js'
import { filledWith } from './pack.js'
import type { ControlFrame, MuxConfig, MuxEffect, MuxState, StreamState } from './state.js'
import { addPayable, isReady, type Payable, sendableBytes, withStream } from './streams.js'
import { extraWindowOf } from './window.js'

/** Appends to a queue of chunks. Tiny chunks are joined, so that the queue's length is bounded as its bytes are. */
export function enqueue(queue: readonly Uint8Array[], bytes: Uint8Array): readonly Uint8Array[] {
  return bytes.length >= maxSentDataBytes ? [...queue, bytes] : appendJoined(queue, bytes)
}

/** Bytes that the queues of all streams may hold before a writer is paused: what there is credit for, within bounds. */
export function queueBudget({
  config,
  creditBytes,
  sentBytes,
}: Pick<MuxState, 'config' | 'creditBytes' | 'sentBytes'>): number {
  return Math.min(config.totalQueueBytes, Math.max(config.uncreditedQueueBytes, creditBytes - sentBytes))
}

/** Queues what the local socket wrote, and pauses a socket that has enough queued. */
export function queueWrite(
  state: MuxState,
  stream: StreamState,
  bytes: Uint8Array,
): readonly [MuxState, readonly MuxEffect[]] {
  // Nothing may follow FIN, and empty chunks would lengthen the queue without filling it.
  if (stream.ending || bytes.length === 0) return [state, []]
  const streamBytes = stream.queuedBytes + bytes.length
  const queuedBytes = state.queuedBytes + bytes.length
  const paused = stream.paused || streamBytes >= state.config.queueHighBytes || queuedBytes >= queueBudget(state)
  const next = withStream(
    { ...state, queuedBytes },
    { ...stream, queue: enqueue(stream.queue, bytes), queuedBytes: streamBytes, paused },
  )
  return [next, paused && !stream.paused ? [{ type: 'pause', id: stream.id }] : []]
}

/** Whether streams have data that their windows allow and the credit does not. */
export function isAwaitingCredit(state: MuxState): boolean {
  const { config, streams, ready, sentBytes, creditBytes } = state
  if (sentBytes < creditBytes) return false
  // A stream that waits with a FIN alone needs room, and no credit.
  return ready.some(id => {
    const stream = streams.get(id)
    return stream !== undefined && sendableBytes(stream, config) > 0
  })
}

/** The channel's room, and how far the message is filled that `pack` will make of the newest frames. */
class Room {
  #filledBytes = 0

  constructor(
    public bytes: number,
    private readonly maxMessageBytes: number,
  ) {}

  /**
   * Reserves room for a frame. False when the room is used up and the frame would begin a message: a message that is begun
   * is filled, since its cost hardly depends on its size.
   */
  reserve(bytes: number): boolean {
    const filledBytes = filledWith(this.#filledBytes, bytes, this.maxMessageBytes)
    const isNewMessage = filledBytes === bytes
    if (isNewMessage && this.bytes <= 0) return false
    this.#filledBytes = filledBytes
    this.bytes -= bytes
    return true
  }
}

/** A stream's queue while frames are taken from it: changed in place, and made a list again at the end. */
class QueueReader {
  #index = 0
  #offset = 0

  constructor(
    private readonly queue: readonly Uint8Array[],
    private readonly allocate: MuxConfig['allocate'],
  ) {}

  /** The next bytes, of which there are so many: a view of one chunk, or a copy where they span several. */
  take(bytes: number): Uint8Array {
    const first = this.#next(bytes)
    if (first.length === bytes) return first
    const parts = [first]
    for (let missing = bytes - first.length; missing > 0; missing -= parts.at(-1)!.length)
      parts.push(this.#next(missing))
    return concat(parts, this.allocate)
  }

  rest(): readonly Uint8Array[] {
    const { queue } = this
    if (this.#offset === 0) return queue.slice(this.#index)
    return [queue[this.#index]!.subarray(this.#offset), ...queue.slice(this.#index + 1)]
  }

  /** A view of the current chunk, of at most so many bytes. */
  #next(most: number): Uint8Array {
    const chunk = this.queue[this.#index]!
    const end = Math.min(chunk.length, this.#offset + most)
    const view = chunk.subarray(this.#offset, end)
    this.#offset = end
    if (end === chunk.length) {
      this.#index++
      this.#offset = 0
    }
    return view
  }
}

/** The frame for one that waits, with its newest values. Undefined where its stream no longer needs it. */
function controlFrame(
  { command, streamId }: ControlFrame,
  { streams, receipt }: Pick<MuxState, 'streams' | 'receipt'>,
): Frame | undefined {
  if (command === 'rcp') return { command, streamId, ...receipt! }
  const stream = streams.get(streamId)
  if (command === 'syn') return stream && { command, streamId }
  if (command !== 'upd') return { command, streamId }
  // Not `consumed`, which may have grown since: the other side must not learn of more than `granted`.
  return stream?.updDue ? { command, streamId, consumed: stream.announced % 2 ** 32, window: stream.window } : undefined
}

/** Frames without data, as far as there is room. */
function scheduleControl(state: MuxState, room: Room, frames: Frame[]): MuxState {
  const { control } = state
  if (control.length === 0) return state
  const streams = new Map(state.streams)
  let { receipt } = state
  let index = 0
  for (; index < control.length; index++) {
    const frame = controlFrame(control[index]!, { streams, receipt })
    if (frame === undefined) continue
    if (!room.reserve(frameBytes(frame))) break
    frames.push(frame)
    const { command, streamId } = frame
    if (command === 'upd') streams.set(streamId, { ...streams.get(streamId)!, updDue: false })
    else if (command === 'syn') streams.set(streamId, { ...streams.get(streamId)!, synDue: false })
    else if (command === 'rcp') receipt = undefined
  }
  return { ...state, streams, receipt, control: control.slice(index) }
}

/** A stream that has had a turn: a copy of its own, changed in place until all frames are taken. */
interface Draft {
  readonly next: { -readonly [Key in keyof StreamState]: StreamState[Key] }
  readonly reader: QueueReader
}

/** Data and FIN of the streams in turn, as far as there are room and credit. */
function scheduleData(state: MuxState, room: Room, frames: Frame[]): readonly [MuxState, readonly MuxEffect[]] {
  if (state.ready.length === 0) return [state, []]
  const { config } = state
  const streams = new Map(state.streams)
  const ready = [...state.ready]
  const effects: MuxEffect[] = []
  const uncredited: number[] = []
  const drafts = new Map<number, Draft>()
  let { queuedBytes, extraWindow, sentBytes } = state
  let payable: Payable = state
  let turn = 0
  for (; turn < ready.length; turn++) {
    const stream = streams.get(ready[turn]!)
    if (stream === undefined || !isReady(stream, config)) continue
    const wanted = Math.min(sendableBytes(stream, config), maxSentDataBytes)
    const size = Math.min(wanted, Math.max(0, state.creditBytes - sentBytes))
    if (size === 0 && wanted > 0) {
      uncredited.push(stream.id)
      continue
    }
    if (!room.reserve(headerBytes + size)) break
    let draft = drafts.get(stream.id)
    if (draft === undefined) {
      draft = { next: { ...stream }, reader: new QueueReader(stream.queue, config.allocate) }
      drafts.set(stream.id, draft)
      streams.set(stream.id, draft.next)
    }
    const { next, reader } = draft
    if (size > 0) {
      frames.push({ command: 'psh', streamId: stream.id, data: reader.take(size) })
      queuedBytes -= size
      sentBytes += size
      next.queuedBytes -= size
      next.written += size
      next.stalledTicks = 0
    }
    if (next.ending && next.queuedBytes === 0 && (size === 0 || room.reserve(headerBytes))) {
      frames.push({ command: 'fin', streamId: stream.id })
      next.finSent = true
    }
    // A paused stream has something queued, so it gets here; with nothing left it resumes, whatever others have queued.
    const mayRead =
      next.queuedBytes === 0 ||
      (next.queuedBytes <= config.queueLowBytes && queuedBytes < queueBudget({ ...state, sentBytes }))
    if (next.paused && mayRead && !next.ending) {
      next.paused = false
      effects.push({ type: 'resume', id: stream.id })
    }
    if (next.finSent && next.finReceived) {
      streams.delete(stream.id)
      extraWindow -= extraWindowOf(next.window)
      payable = addPayable({ config, ...payable }, next, 'there')
      effects.push({ type: 'closed', id: stream.id })
    } else if (isReady(next, config)) {
      ready.push(stream.id)
    }
  }
  for (const { next, reader } of drafts.values()) next.queue = reader.rest()
  const { payableBytes, afterlife, strayBytes } = payable
  return [
    {
      ...state,
      streams,
      ready: [...uncredited, ...ready.slice(turn)],
      queuedBytes,
      extraWindow,
      sentBytes,
      payableBytes,
      afterlife,
      strayBytes,
    },
    effects,
  ]
}

/**
 * The frames that go now: control frames first, then the streams in turn, one frame of at most 4,096 bytes each, so that
 * bytes are shared fairly whatever the writers' chunks. FIN goes when the stream's queue is empty, never earlier. The room
 * is passed by less than one message, the credit not at all: streams that wait for it keep their turn.
 */
export function schedule(state: MuxState): readonly [MuxState, readonly MuxEffect[]] {
  if (state.room <= 0 || (state.control.length === 0 && state.ready.length === 0)) return [state, []]
  const frames: Frame[] = []
  const room = new Room(state.room, state.config.maxMessageBytes)
  const controlled = scheduleControl(state, room, frames)
  const [next, effects] = controlled.control.length > 0 ? [controlled, []] : scheduleData(controlled, room, frames)
  if (frames.length === 0) return [next, effects]
  return [{ ...next, room: room.bytes, ticksSinceSent: 0 }, [...effects, { type: 'send', frames }]]
}
