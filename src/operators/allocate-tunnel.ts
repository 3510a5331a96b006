import { filter, map, type OperatorFunction, pipe, scan } from 'rxjs'
import {
  createTunnelSlots,
  stepSlots,
  type TunnelDecision,
  type TunnelEvent,
  type TunnelSlots,
} from '../protocol/tunnels/tunnel-lru.js'
import { verifyOptions, whole } from '../protocol/options.js'

/** As many as there are ports. */
const maxSlots = 65_535

/**
 * Hands out the tunnel ports as least-recently-used state: each `acquire` is answered with one decision.
 *
 *     source                --a---a---u---a----r--|   two slots: acquire ann, acquire bob, ann is used, acquire cyd
 *     allocateTunnel(2)     --0---1-------1--------|   cyd gets slot 1, bob is evicted
 *
 * An owner gets its own slot, its last one when that is free, the lowest free one, the least recently used idle one, and only
 * when all are busy the least recently used. Answers at once; ends and errors with its source. Buffers nothing but the slots.
 *
 * @param slots how many there are, from 1. Throws `invalid-option` for others.
 * @see product description, Tunnels
 * @example
 * import { allocateTunnel, type TunnelEvent } from 'lighthouse-peer/operators'
 * import { of } from 'rxjs'
 *
 * const acquire = (owner: string): TunnelEvent => ({ type: 'acquire', owner })
 * of(acquire('ann'), acquire('bob'), acquire('cyd'))
 *   .pipe(allocateTunnel(2))
 *   .subscribe(decision => console.log(JSON.stringify(decision)))
 * // → {"type":"granted","owner":"ann","slot":0}
 * // → {"type":"granted","owner":"bob","slot":1}
 * // → {"type":"granted","owner":"cyd","slot":0,"evicted":"ann"}
 */
export function allocateTunnel(slots: number): OperatorFunction<TunnelEvent, TunnelDecision> {
  verifyOptions({ slots }, { slots: whole(1, maxSlots) })
  const seed: readonly [TunnelSlots, TunnelDecision | undefined] = [createTunnelSlots(slots), undefined]
  return pipe(
    scan(([state], event: TunnelEvent) => stepSlots(state, event), seed),
    map(([, decision]) => decision),
    filter(decision => decision !== undefined),
  )
}
