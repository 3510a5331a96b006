/** What every step of the tunnels is made of: the parts of a tunnel, and the end of one. */
import type { LighthouseError } from '../errors.js'
import { stepSlots } from './tunnel-lru.js'
import type {
  BoundTunnel,
  Former,
  Open,
  Silent,
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
export type ConnectionPart<W> = Exclude<TunnelState<W>, { type: 'resting' }> | Former

/** The connection that carries, with what belongs to it; undefined where there is none. */
export function currentOf<W>(tunnel: TunnelState<W> | undefined): Open | Silent | undefined {
  if (tunnel?.type === 'replacing') return tunnel.current
  return tunnel?.type === 'open' || tunnel?.type === 'silent' ? tunnel : undefined
}

/** What this connection is in its tunnel; `replacing` is the attempt. Undefined when it is over. */
export function partOf<W>(
  { tunnels }: TunnelsState<W>,
  { nickname, id }: TunnelConnection,
): ConnectionPart<W> | undefined {
  const tunnel = tunnels.get(nickname)
  if (tunnel === undefined || tunnel.type === 'resting') return undefined
  const current = currentOf(tunnel)
  return [tunnel, current, current?.former].find(part => part?.connection.id === id)
}

export function placeOf<W>(tunnel: TunnelState<W>): BoundTunnel | undefined {
  if (tunnel.type === 'binding') return undefined
  return tunnel.type === 'replacing' ? tunnel.current.place : tunnel.place
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

/** Puts what the current connection has become in its place. */
export function putCurrent<W>(state: TunnelsState<W>, current: Open | Silent): TunnelsState<W> {
  const { nickname } = current.connection
  const tunnel = state.tunnels.get(nickname)
  return putTunnel(state, nickname, tunnel?.type === 'replacing' ? { ...tunnel, current } : current)
}

/** The streams of a tunnel, those of its former connection as well; none where its place is another one's by now. */
export function streamsOf(state: TunnelsState<unknown>, nickname: string): number {
  return state.slots.slots[slotOf(state, nickname)]?.streams ?? 0
}

/** The tunnel is in use, with so many streams. */
export function withStreams<W>(state: TunnelsState<W>, owner: string, streams: number): TunnelsState<W> {
  return { ...state, slots: stepSlots(state.slots, { type: 'use', owner, streams })[0] }
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
 * The connection is over. Without its attempt the current one stays, and the attempt without the current one, unless it was for a
 * shorter way only. In place of the current one comes the former one, if there is one. The last one of a tunnel leaves it resting in
 * its place, if it has one.
 */
export function endConnection<W>(
  state: TunnelsState<W>,
  part: ConnectionPart<W>,
  reason: LighthouseError,
): TunnelsStep<W> {
  const { connection } = part
  const { nickname } = connection
  const whole = state.tunnels.get(nickname)
  if (whole?.type === 'replacing' && whole.connection.direct && whole.current === part && part.former === undefined) {
    return afterStep(endConnection(state, whole, reason), next => endConnection(next, part, reason))
  }
  const waiters = 'waiters' in part ? part.waiters : []
  const session = 'session' in part ? part.session : undefined
  const unlistened: readonly TunnelsEffect<W>[] =
    part.type === 'binding' ? [{ type: 'unlisten', listener: part.listener }] : []
  // Nobody has been told of an attempt for a shorter way.
  const isQuiet = part.type === 'replacing' && connection.direct
  return [
    left(state, part),
    [
      ...unlistened,
      { type: 'close', connection, reason },
      ...(isQuiet ? [] : [{ type: 'report', report: { type: 'ended', nickname, session, reason } } as const]),
      ...waiters.map((waiter): TunnelsEffect<W> => ({ type: 'refuse', waiter, reason })),
    ],
  ]
}

/** What is left of a tunnel without that part. */
function left<W>(state: TunnelsState<W>, part: ConnectionPart<W>): TunnelsState<W> {
  const { nickname } = part.connection
  const whole = state.tunnels.get(nickname)
  if (part.type === 'replacing') return putTunnel(state, nickname, part.current)
  if (part.type === 'former') {
    const current = currentOf(whole)!
    return putCurrent(withStreams(state, nickname, streamsOf(state, nickname) - part.streams), {
      ...current,
      former: undefined,
    })
  }
  if ('former' in part && part.former !== undefined) {
    const { connection, session, streams } = part.former
    const former = { type: 'open', connection, session, place: part.place, former: undefined } as const
    return putCurrent(withStreams(state, nickname, streams), former)
  }
  const place = placeOf(part)
  const type = place === undefined ? 'release' : 'rest'
  const next = { ...state, slots: stepSlots(state.slots, { type, owner: nickname })[0] }
  if (whole?.type === 'replacing') {
    const { connection, waiters } = whole
    return putTunnel(next, nickname, { type: 'attempting', place, connection, waiters })
  }
  return putTunnel(next, nickname, place && { type: 'resting', place })
}
