/** What every step of the tunnels is made of: the parts of a tunnel, and the end of one. */
import type { LighthouseError } from '../errors.js'
import { stepSlots } from './tunnel-lru.js'
import type {
  BoundTunnel,
  Tunnel,
  TunnelConnection,
  TunnelListener,
  TunnelsEffect,
  TunnelsState,
  TunnelsStep,
  TunnelState,
} from './tunnels.js'

export type TunnelIn<W, Type> = Extract<TunnelState<W>, { type: Type }>

/** What a connection is part of. */
export type ConnectionPart<W> = Exclude<TunnelState<W>, { type: 'resting' }>

/** What this connection is in its tunnel; `replacing` is the attempt. Undefined when it is over. */
export function partOf<W>(
  { tunnels }: TunnelsState<W>,
  { nickname, id }: TunnelConnection,
): ConnectionPart<W> | undefined {
  const tunnel = tunnels.get(nickname)
  if (tunnel === undefined || tunnel.type === 'resting') return undefined
  if (tunnel.connection.id === id) return tunnel
  return tunnel.type === 'replacing' && tunnel.silent.connection.id === id ? tunnel.silent : undefined
}

export function placeOf<W>(tunnel: TunnelState<W>): BoundTunnel | undefined {
  if (tunnel.type === 'binding') return undefined
  return tunnel.type === 'replacing' ? tunnel.silent.place : tunnel.place
}

export function listenerOf<W>(tunnel: TunnelState<W>): TunnelListener | undefined {
  return tunnel.type === 'binding' ? tunnel.listener : placeOf(tunnel)?.listener
}

export function putTunnel<W>(
  state: TunnelsState<W>,
  nickname: string,
  tunnel: TunnelState<W> | undefined,
): TunnelsState<W> {
  const tunnels = new Map(state.tunnels)
  if (tunnel === undefined) tunnels.delete(nickname)
  else tunnels.set(nickname, tunnel)
  return { ...state, tunnels }
}

export function slotOf({ slots: { slots } }: TunnelsState<unknown>, nickname: string): number {
  return slots.findIndex(({ owner }) => owner === nickname)
}

/** Takes another step, whose effects come after those of this one. */
export function afterStep<W>(
  [state, effects]: TunnelsStep<W>,
  step: (state: TunnelsState<W>) => TunnelsStep<W>,
): TunnelsStep<W> {
  const [next, more] = step(state)
  return [next, [...effects, ...more]]
}

export function answerAll<W>(
  waiters: readonly W[],
  connection: TunnelConnection,
  tunnel: Tunnel,
): readonly TunnelsEffect<W>[] {
  return waiters.map(waiter => ({ type: 'answer', waiter, connection, tunnel }))
}

/**
 * The connection is over. Without its attempt a silent one stays, and the attempt without the silent one. The last one of a
 * tunnel leaves it resting in its place, if it has one.
 */
export function endConnection<W>(
  state: TunnelsState<W>,
  part: ConnectionPart<W>,
  reason: LighthouseError,
): TunnelsStep<W> {
  const { connection } = part
  const { nickname } = connection
  const waiters = 'waiters' in part ? part.waiters : []
  const session = 'session' in part ? part.session : undefined
  const unlistened: readonly TunnelsEffect<W>[] =
    part.type === 'binding' ? [{ type: 'unlisten', listener: part.listener }] : []
  return [
    left(state, part),
    [
      ...unlistened,
      { type: 'close', connection, reason },
      { type: 'report', report: { type: 'ended', nickname, session, reason } },
      ...waiters.map((waiter): TunnelsEffect<W> => ({ type: 'refuse', waiter, reason })),
    ],
  ]
}

/** What is left of a tunnel without that part. */
function left<W>(state: TunnelsState<W>, part: ConnectionPart<W>): TunnelsState<W> {
  const { nickname } = part.connection
  if (part.type === 'replacing') return putTunnel(state, nickname, part.silent)
  const place = placeOf(part)
  const type = place === undefined ? 'release' : 'rest'
  const next = { ...state, slots: stepSlots(state.slots, { type, owner: nickname })[0] }
  const whole = state.tunnels.get(nickname)
  if (whole?.type === 'replacing') {
    const { connection, waiters } = whole
    return putTunnel(next, nickname, { type: 'attempting', place, connection, waiters })
  }
  return putTunnel(next, nickname, place && { type: 'resting', place })
}
