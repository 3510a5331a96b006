import type { ControlFrame, MuxConfig, MuxEffect, MuxState, StreamState } from './mux-state.js'
import { settleAccount } from './mux-account.js'
import {
  type FramedReceipt,
  headerBytes,
  maxSentDataBytes,
  rcpBytes,
  updBytes,
  writeHeader,
  writeReceipt,
  writeUpdate,
} from './smux.js'
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

function takeFrom(queue: readonly Uint8Array[], bytes: number): readonly [parts: Uint8Array[], rest: Uint8Array[]] {
  const parts: Uint8Array[] = []
  let missing = bytes
  let index = 0
  while (missing > 0) {
    const chunk = queue[index]!
    if (chunk.length > missing) {
      parts.push(chunk.subarray(0, missing))
      return [parts, [chunk.subarray(missing), ...queue.slice(index + 1)]]
    }
    parts.push(chunk)
    missing -= chunk.length
    index++
  }
  return [parts, queue.slice(index)]
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
  let { room, queuedBytes, extraWindow, sentBytes, countedBytes, afterlife, receipt } = state
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
      let next = stream
      if (size > 0) {
        const [parts, queue] = takeFrom(stream.queue, size)
        pieces.push({ command: 'psh', streamId: stream.id, size, parts })
        bytes += headerBytes + size
        queuedBytes -= size
        sentBytes += size
        next = {
          ...stream,
          queue,
          queuedBytes: stream.queuedBytes - size,
          written: stream.written + size,
          stalledTicks: 0,
        }
      }
      if (next.ending && next.queuedBytes === 0 && bytes + headerBytes <= config.maxMessageBytes) {
        pieces.push({ command: 'fin', stream: undefined, streamId: stream.id })
        bytes += headerBytes
        next = { ...next, finSent: true }
      }
      if (next.holding && next.queuedBytes <= config.queueLowBytes && !next.ending) {
        next = { ...next, holding: false }
        after.push({ type: 'hold', id: stream.id, on: false })
      }
      streams.set(stream.id, next)
      if (next.finSent && next.finReceived) {
        streams.delete(stream.id)
        extraWindow -= extraWindowOf(next.window)
        ;({ countedBytes, afterlife } = settleAccount({ config, countedBytes, afterlife }, next, 'there'))
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
      receipt,
      ticksSinceSent: effects.some(effect => effect.type === 'send') ? 0 : state.ticksSinceSent,
    },
    effects,
  ]
}
