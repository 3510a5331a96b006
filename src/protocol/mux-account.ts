import { setBounded } from './bounded-map.js'
import type { MuxState, StreamState } from './mux-state.js'

/** Ended streams whose late data is still counted. What arrives of older ones is dropped and not paid for. */
const maxAfterlives = 256

/** Which side ended a stream. What this side ended may still have data under way to it. */
export type EndedBy = 'here' | 'there'

/**
 * What a stream that ends adds to the bytes to pay for: all that arrived and was not counted yet; and what is still under
 * way, up to its window, will be counted when it comes. So the meters of both ends agree at rest, however streams end.
 */
export function settleAccount(
  state: Pick<MuxState, 'config' | 'countedBytes' | 'afterlife'>,
  stream: StreamState,
  by: EndedBy,
): Pick<MuxState, 'countedBytes' | 'afterlife'> {
  const { config } = state
  const countedBytes = state.countedBytes + stream.received - stream.taken
  const most = config.version === 2 ? stream.granted : stream.taken + config.overrunBytes
  const left = stream.finReceived || by === 'there' ? 0 : most - stream.received
  if (left <= 0) return { countedBytes, afterlife: state.afterlife }
  const afterlife = new Map(state.afterlife)
  setBounded(afterlife, stream.id, left, maxAfterlives)
  return { countedBytes, afterlife }
}

/** Data of a stream that ended here: it was received, so it is paid for, within what the stream had been granted. */
export function countLate(state: MuxState, id: number, bytes: number): MuxState {
  const left = state.afterlife.get(id)
  if (left === undefined) return state
  const counted = Math.min(left, bytes)
  const afterlife = new Map(state.afterlife)
  if (counted === left) afterlife.delete(id)
  else afterlife.set(id, left - counted)
  return { ...state, afterlife, countedBytes: state.countedBytes + counted }
}
