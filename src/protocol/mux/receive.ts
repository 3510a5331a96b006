import { concat } from '../bytes.js'
import { LighthouseError } from '../errors.js'
import type { Frame } from './frame.js'
import type { MuxEffect, MuxState, StreamState } from './state.js'
import {
  countLate,
  type EndedBy,
  isReady,
  newStream,
  refuseStream,
  withFailure,
  withoutStream,
  withReady,
} from './streams.js'

/**
 * Control frames that may wait for room. Ours are a few for each stream; more are answers to a flood of SYN.
 */
const maxControlFrames = 4096

// One for all: a stack trace for each costs more than the rest of a stream that is opened and reset at once.
const resetByOther = new LighthouseError('stream-reset', 'the other side reset the stream; what arrived is incomplete')

function violation(message: string): LighthouseError {
  return new LighthouseError('protocol-violation', `the other side broke the rules of the stream layer: ${message}`)
}

/** Data of one stream that arrived in the message and is not delivered yet. */
interface Pending {
  readonly parts: Uint8Array[]
  bytes: number
}

/**
 * Applies the frames of one message. Data of one stream that comes in a row is delivered in one piece, copied, so that
 * a stream whose reader is slow keeps no whole messages alive. Throws `protocol-violation`.
 */
export function receive(
  state: MuxState,
  frames: readonly Frame[],
  now: number,
): readonly [MuxState, readonly MuxEffect[]] {
  const { config } = state
  const effects: MuxEffect[] = []
  const pending = new Map<number, Pending>()
  let current: MuxState = { ...state, ticksSinceReceived: 0 }
  const streams = new Map(state.streams)
  let { idleFrames, receivedBytes } = state
  const isRemote = (id: number): boolean => id > 0 && id % 2 === (config.role === 'client' ? 0 : 1)

  /** The stream with what arrived of it in this message, which is copied once and not with each of its frames. */
  const withArrived = (stream: StreamState): StreamState => {
    const arrived = pending.get(stream.id)
    if (arrived === undefined) return stream
    pending.delete(stream.id)
    return { ...stream, received: stream.received + arrived.bytes }
  }
  const deliver = (stream: StreamState): StreamState => {
    const parts = pending.get(stream.id)?.parts
    if (parts !== undefined) effects.push({ type: 'deliver', id: stream.id, bytes: concat(parts, config.allocate) })
    return withArrived(stream)
  }
  const remove = (stream: StreamState, by: EndedBy): void => {
    streams.delete(stream.id)
    current = withoutStream(current, stream, by)
  }
  const idle = (): void => {
    idleFrames++
    if (idleFrames > config.idleFramesPerTick) throw violation('a flood of frames without data')
  }

  for (const frame of frames) {
    const { streamId } = frame
    const stream = streams.get(streamId)
    switch (frame.command) {
      case 'nop':
        idle()
        break
      case 'syn':
        idle()
        if (stream !== undefined) break
        if (!isRemote(streamId)) throw violation(`SYN for stream ${streamId}, which is not the other side's to open`)
        // Each may cost an answer, a refusal now or a reset by the local program later.
        if (current.control.length >= maxControlFrames) throw violation('a flood of SYN')
        if (!config.acceptStreams || streams.size >= config.maxStreams) {
          current = refuseStream(current, streamId)
          break
        }
        streams.set(streamId, { ...newStream(streamId, false), announcedAt: now })
        effects.push({ type: 'accept', id: streamId })
        break
      case 'psh': {
        const { data } = frame
        if (data.length === 0) idle()
        // Dropped, and no offence at first: what was under way when the local connection broke still arrives.
        if (stream === undefined || stream.finReceived) {
          const late = countLate(current, streamId, data.length)
          if (late.strayBytes < 0) throw violation('data without end for streams that are not open')
          receivedBytes += late.payableBytes - current.payableBytes
          current = late
          break
        }
        if (data.length === 0) break
        const arrived = pending.get(streamId)
        const received = stream.received + (arrived?.bytes ?? 0) + data.length
        if (config.version === 2 && received > stream.granted) throw violation('more data than its window')
        if (config.version === 1 && received - stream.consumed > config.overrunBytes) {
          remove(withArrived(stream), 'here')
          current = withFailure(current, streamId)
          const message = `the reader fell more than ${config.overrunBytes} bytes behind, which is more than version 1 buffers`
          effects.push({ type: 'reset', id: streamId, error: new LighthouseError('stream-overrun', message) })
          break
        }
        receivedBytes += data.length
        if (arrived === undefined) pending.set(streamId, { parts: [data], bytes: data.length })
        else {
          arrived.parts.push(data)
          arrived.bytes += data.length
        }
        break
      }
      case 'fin': {
        if (stream === undefined || stream.finReceived) {
          idle()
          break
        }
        const whole = deliver(stream)
        effects.push({ type: 'end', id: streamId })
        if (whole.finSent) {
          remove(whole, 'there')
          effects.push({ type: 'closed', id: streamId })
        } else {
          streams.set(streamId, { ...whole, finReceived: true, updDue: false })
        }
        break
      }
      case 'rcp': {
        idle()
        const { bytes, signature } = frame
        effects.push({ type: 'receipt', receipt: { bytes, signature } })
        break
      }
      case 'rst':
        if (stream === undefined) {
          idle()
          break
        }
        remove(deliver(stream), 'there')
        effects.push({ type: 'reset', id: streamId, error: resetByOther })
        break
      case 'upd': {
        if (stream === undefined) {
          idle()
          break
        }
        const sent = stream.written - stream.peerConsumed
        const unread = (stream.written % 2 ** 32) - frame.consumed
        const inFlight = unread < 0 ? unread + 2 ** 32 : unread
        if (inFlight > sent) throw violation('UPD for more than was sent')
        if (inFlight === sent) idle()
        const next = { ...stream, peerConsumed: stream.written - inFlight, peerWindow: frame.window }
        streams.set(streamId, next)
        if (isReady(next, config)) current = { ...current, ready: withReady(current.ready, streamId) }
        break
      }
    }
  }
  for (const id of [...pending.keys()]) streams.set(id, deliver(streams.get(id)!))
  return [{ ...current, streams, idleFrames, receivedBytes }, effects]
}
