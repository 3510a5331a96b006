import type { ControlFrame, MuxConfig, MuxEffect, MuxState, StreamState } from './state.js'
import { settleAccount } from './streams.js'
import {
  type FramedReceipt,
  headerBytes,
  maxSentDataBytes,
  rcpBytes,
  updBytes,
  writeHeader,
  writeReceipt,
  writeUpdate,
} from './frame.js'
import { extraWindowOf } from './window.js'

/** Bytes that the stream may put on the wire now. */
function sendable(stream: StreamState, config: MuxConfig): number {
  if (config.version === 1) return stream.queuedBytes
  const credit = stream.peerWindow - (stream.written - stream.peerConsumed)
  return Math.max(0, Math.min(stream.queuedBytes, credit))
}

/** Whether a turn of this stream would send something. */
export function isReady(stream: StreamState, config: MuxConfig): boolean {
  return !stream.finSent && (sendable(stream, config) > 0 || (stream.ending && stream.queuedBytes === 0))
}

/** Appends the stream to those waiting for a turn, once. */
export function withReady(ready: readonly number[], id: number): readonly number[] {
  return ready.includes(id) ? ready : [...ready, id]
}

/** Bytes that the queues of all streams may hold before who writes is held: what there is credit for, within bounds. */
export function queueBudget({
  config,
  creditBytes,
  sentBytes,
}: Pick<MuxState, 'config' | 'creditBytes' | 'sentBytes'>): number {
  return Math.min(config.totalQueueBytes, Math.max(config.uncreditedQueueBytes, creditBytes - sentBytes))
}

/** Whether streams have data that their windows would let go and the credit does not. */
export function isHeldByCredit(state: MuxState): boolean {
  const { config, streams, ready, sentBytes, creditBytes } = state
  if (sentBytes < creditBytes) return false
  // Not those that wait with a FIN alone, which needs no credit but room.
  return ready.some(id => {
    const stream = streams.get(id)
    return stream !== undefined && sendable(stream, config) > 0
  })
}

/** What goes into one message, before it is written. */
interface Plan {
  readonly pieces: readonly Piece[]
  readonly bytes: number
  readonly receipt: FramedReceipt | undefined
}
type Piece =
  | { readonly command: ControlFrame['command']; readonly stream: StreamState | undefined; readonly streamId: number }
  | { readonly command: 'psh'; readonly streamId: number; readonly size: number; readonly parts: readonly Uint8Array[] }

/** A stream's queue while messages are filled: changed in place, and made a list again at the end. */
class QueueReader {
  #index = 0
  #offset = 0

  constructor(private readonly queue: readonly Uint8Array[]) {}

  /** The next bytes, as views. There are so many. */
  take(bytes: number): readonly Uint8Array[] {
    const parts: Uint8Array[] = []
    for (let missing = bytes; missing > 0;) {
      const chunk = this.queue[this.#index]!
      const end = Math.min(chunk.length, this.#offset + missing)
      parts.push(chunk.subarray(this.#offset, end))
      missing -= end - this.#offset
      this.#offset = end
      if (end < chunk.length) break
      this.#index++
      this.#offset = 0
    }
    return parts
  }

  rest(): readonly Uint8Array[] {
    const { queue } = this
    if (this.#offset === 0) return queue.slice(this.#index)
    return [queue[this.#index]!.subarray(this.#offset), ...queue.slice(this.#index + 1)]
  }
}

/** A stream that has had a turn: a copy of its own, changed in place until all messages are filled. */
interface Draft {
  readonly next: { -readonly [Key in keyof StreamState]: StreamState[Key] }
  readonly reader: QueueReader
}

function write(plan: Plan, config: MuxConfig): Uint8Array {
  const message = config.allocate?.(plan.bytes) ?? new Uint8Array(plan.bytes)
  let offset = 0
  for (const piece of plan.pieces) {
    if (piece.command === 'psh') {
      offset = writeHeader(message, offset, config.version, 'psh', piece.size, piece.streamId)
      for (const part of piece.parts) {
        message.set(part, offset)
        offset += part.length
      }
    } else if (piece.command === 'upd') {
      // Not `taken`, which may have grown since: the other side must not be told more than `granted`.
      const { announced, window } = piece.stream!
      offset = writeUpdate(message, offset, config.version, piece.streamId, announced, window)
    } else if (piece.command === 'rcp') {
      offset = writeReceipt(message, offset, config.version, plan.receipt!)
    } else {
      offset = writeHeader(message, offset, config.version, piece.command, 0, piece.streamId)
    }
  }
  return message
}

/**
 * Fills the channel's room: control frames first, then the streams in turn, one frame of at most 4,096 bytes each, so
 * that bytes are shared fairly whatever the writers' chunks. FIN goes when the stream's queue is empty, never earlier.
 * The room is passed by less than one message, the credit not at all: streams that wait for it keep their turn.
 */
export function flush(state: MuxState): readonly [MuxState, readonly MuxEffect[]] {
  if (state.room <= 0 || (state.control.length === 0 && state.ready.length === 0)) return [state, []]
  const { config } = state
  const streams = new Map(state.streams)
  const control = [...state.control]
  const ready = [...state.ready]
  const effects: MuxEffect[] = []
  const uncredited: number[] = []
  const drafts = new Map<number, Draft>()
  let { room, queuedBytes, extraWindow, sentBytes, countedBytes, afterlife, strayBytes, receipt } = state
  let controlAt = 0
  let readyAt = 0

  while (room > 0 && (controlAt < control.length || readyAt < ready.length)) {
    const pieces: Piece[] = []
    const after: MuxEffect[] = []
    let bytes = 0
    for (; controlAt < control.length && bytes + headerBytes + rcpBytes <= config.maxMessageBytes; controlAt++) {
      const { command, streamId } = control[controlAt]!
      const stream = streams.get(streamId)
      if (command === 'upd') {
        if (stream === undefined || !stream.updDue) continue
        streams.set(streamId, { ...stream, updDue: false })
      } else if (command === 'syn') {
        if (stream === undefined) continue
        streams.set(streamId, { ...stream, synDue: false })
      }
      pieces.push({ command, stream, streamId })
      bytes += headerBytes + (command === 'upd' ? updBytes : command === 'rcp' ? rcpBytes : 0)
    }
    while (
      controlAt === control.length &&
      readyAt < ready.length &&
      bytes + headerBytes + maxSentDataBytes <= config.maxMessageBytes
    ) {
      const stream = streams.get(ready[readyAt++]!)
      if (stream === undefined || !isReady(stream, config)) continue
      const wanted = Math.min(sendable(stream, config), maxSentDataBytes)
      const size = Math.min(wanted, Math.max(0, state.creditBytes - sentBytes))
      if (size === 0 && wanted > 0) {
        uncredited.push(stream.id)
        continue
      }
      let draft = drafts.get(stream.id)
      if (draft === undefined) {
        draft = { next: { ...stream }, reader: new QueueReader(stream.queue) }
        drafts.set(stream.id, draft)
        streams.set(stream.id, draft.next)
      }
      const { next, reader } = draft
      if (size > 0) {
        pieces.push({ command: 'psh', streamId: stream.id, size, parts: reader.take(size) })
        bytes += headerBytes + size
        queuedBytes -= size
        sentBytes += size
        next.queuedBytes -= size
        next.written += size
        next.stalledTicks = 0
      }
      if (next.ending && next.queuedBytes === 0 && bytes + headerBytes <= config.maxMessageBytes) {
        pieces.push({ command: 'fin', stream: undefined, streamId: stream.id })
        bytes += headerBytes
        next.finSent = true
      }
      // Who holds has something queued, and so comes here: with nothing left it always goes on, whatever others hold.
      const mayRead =
        next.queuedBytes === 0 ||
        (next.queuedBytes <= config.queueLowBytes && queuedBytes < queueBudget({ ...state, sentBytes }))
      if (next.holding && mayRead && !next.ending) {
        next.holding = false
        after.push({ type: 'hold', id: stream.id, on: false })
      }
      if (next.finSent && next.finReceived) {
        streams.delete(stream.id)
        extraWindow -= extraWindowOf(next.window)
        ;({ countedBytes, afterlife, strayBytes } = settleAccount(
          { config, countedBytes, afterlife, strayBytes },
          next,
          'there',
        ))
        after.push({ type: 'closed', id: stream.id })
      } else if (isReady(next, config)) {
        ready.push(stream.id)
      }
    }
    if (bytes === 0) break
    room -= bytes
    effects.push({ type: 'send', message: write({ pieces, bytes, receipt }, config) }, ...after)
    if (pieces.some(piece => piece.command === 'rcp')) receipt = undefined
  }
  for (const { next, reader } of drafts.values()) next.queue = reader.rest()
  return [
    {
      ...state,
      streams,
      control: control.slice(controlAt),
      ready: [...uncredited, ...ready.slice(readyAt)],
      room,
      queuedBytes,
      extraWindow,
      sentBytes,
      countedBytes,
      afterlife,
      strayBytes,
      receipt,
      ticksSinceSent: effects.some(effect => effect.type === 'send') ? 0 : state.ticksSinceSent,
    },
    effects,
  ]
}
