import { setBounded } from '../bounded-map.js'
import type { MuxConfig, MuxState, StreamState } from './state.js'
import { initialWindowBytes } from './window.js'

/** Ended streams whose late data is still counted one by one. What arrives of older ones is dropped and not paid for. */
const maxAfterlives = 256

/**
 * Data without a stream that is dropped each second without offence: what an implementation still writes as it closes a stream,
 * or sends ahead of a SYN. A few frames of the largest size.
 */
export const strayBytesPerTick = 256 * 1024

/**
 * How often `overrunBytes` may be under way, over all streams of a connection, for which nothing said how much that can be: in
 * version 1, where no window ends what a side still sends until it hears that the stream is over.
 */
const strayOverruns = 4

/** Which side ended a stream. What this side ended may still have data under way to it. */
export type EndedBy = 'here' | 'there'

type Account = Pick<MuxState, 'countedBytes' | 'afterlife' | 'strayBytes'>

/** So many more bytes without a stream may arrive: bounded, or every stream that ends would add to it. */
function withStray(config: MuxConfig, strayBytes: number, more: number): number {
  const most = Math.max(strayBytesPerTick, strayOverruns * config.overrunBytes)
  return Math.min(most, strayBytes + more)
}

/** A stream was refused: its data may follow its SYN all the same, until the other side hears of the refusal. */
export function withRefusal(state: MuxState): MuxState {
  const { config } = state
  const more = config.version === 2 ? initialWindowBytes : strayOverruns * config.overrunBytes
  return { ...state, strayBytes: withStray(config, state.strayBytes, more) }
}

/**
 * What a stream that ends adds to the bytes to pay for: all that arrived and was not counted yet; and what is still under
 * way, up to its window, will be counted when it comes. So the meters of both ends agree at rest, however streams end.
 */
export function settleAccount(state: Account & Pick<MuxState, 'config'>, stream: StreamState, by: EndedBy): Account {
  const { config, afterlife: before } = state
  let { strayBytes } = state
  const countedBytes = state.countedBytes + stream.received - stream.taken
  if (stream.finReceived || by === 'there') return { countedBytes, afterlife: before, strayBytes }
  if (config.version === 1) strayBytes = withStray(config, strayBytes, strayOverruns * config.overrunBytes)
  const most = config.version === 2 ? stream.granted : stream.taken + config.overrunBytes
  const left = most - stream.received
  if (left <= 0) return { countedBytes, afterlife: before, strayBytes }
  const afterlife = new Map(before)
  setBounded(afterlife, stream.id, left, maxAfterlives)
  const [oldest] = before.entries()
  const isForgotten = oldest !== undefined && !afterlife.has(oldest[0])
  return { countedBytes, afterlife, strayBytes: withStray(config, strayBytes, isForgotten ? oldest[1] : 0) }
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
  return { ...state, afterlife, strayBytes, countedBytes: state.countedBytes + counted }
}
