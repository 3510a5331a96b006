/** When a connection is made, and what becomes of the one that it replaces. */
import { LighthouseError } from '../errors.js'
import { bindTunnel, openTunnel } from './bind.js'
import {
  afterStep,
  answerAll,
  type ConnectionPart,
  currentOf,
  endConnection,
  placeOf,
  putTunnel,
  streamsOf,
  type TunnelIn,
} from './parts.js'
import { acquireSlot } from './tunnel-lru.js'
import type { Former, Open, Silent, TunnelsState, TunnelsStep, TunnelState } from './tunnels.js'

/** Attempts under way at once, so that a page full of nicknames cannot make thousands. */
export const maxAttempts = 32

/**
 * Silence after which a request does not trust a connection any more. The other side sends something every second; a process
 * that was killed and came back answers on a new connection only, and this is how soon that is found out.
 */
export const suspectSeconds = 2

/** Silence after which another connection is made without being asked, to replace the silent one; and between attempts at that. */
export const repairSeconds = { first: 3, between: 3 } as const

/** Silence after which a connection is over whose other side the hub does not know either: its process has ended. */
export const goneSeconds = 6

export function overtaken(nickname: string): LighthouseError {
  return new LighthouseError('channel-closed', `another connection to ${nickname} is used by now`)
}

export function silentFor(nickname: string, seconds: number): LighthouseError {
  const message = `nothing came from ${nickname} for ${seconds} s, and a new connection opened`
  return new LighthouseError('peer-silent', message)
}

export function mayAttempt<W>({ tunnels }: TunnelsState<W>): boolean {
  return [...tunnels.values()].filter(({ type }) => type === 'attempting' || type === 'replacing').length < maxAttempts
}

/** Whether an attempt is under way only because the connection in use is relayed. */
export function isForShorterWay<W>(tunnel: TunnelState<W>): boolean {
  return tunnel.type === 'replacing' && tunnel.connection.direct
}

/** Makes a connection: the first one, another one where the tunnel rests, or one beside the current one. */
export function beginAttempt<W>(
  state: TunnelsState<W>,
  nickname: string,
  waiters: readonly W[],
  direct = false,
): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  const current = currentOf(tunnel)
  const connection = { nickname, id: state.made, direct }
  const awaited = { connection, waiters }
  const next: TunnelState<W> =
    current === undefined
      ? { type: 'attempting', place: tunnel && placeOf(tunnel), ...awaited }
      : { type: 'replacing', current: attempted(current), ...awaited }
  return [
    putTunnel({ ...state, made: state.made + 1 }, nickname, next),
    [
      ...(direct ? [] : [{ type: 'report', report: { type: 'attempt', nickname } } as const]),
      { type: 'connect', connection },
    ],
  ]
}

function attempted(current: Open | Silent): Open | Silent {
  if (current.type === 'open') return current
  return { ...current, retrySeconds: current.silentSeconds + repairSeconds.between }
}

/** Makes an attempt again, from the start, for the same ones who wait. */
function renew<W>(state: TunnelsState<W>, awaited: TunnelIn<W, 'attempting' | 'replacing'>): TunnelsStep<W> {
  const { nickname } = awaited.connection
  const reason = new LighthouseError('connect-timeout', `the connection to ${nickname} is made again`)
  return afterStep(endConnection(state, { ...awaited, waiters: [] }, reason), left =>
    beginAttempt(left, nickname, awaited.waiters),
  )
}

/** The network has changed: a connection is made beside each, and every attempt again. */
export function attemptAll<W>(state: TunnelsState<W>): TunnelsStep<W> {
  return [...state.tunnels].reduce<TunnelsStep<W>>(
    (step, [nickname, tunnel]) =>
      afterStep(step, going => {
        if (tunnel.type === 'attempting' || tunnel.type === 'replacing') return renew(going, tunnel)
        return currentOf(tunnel) !== undefined && mayAttempt(going) ? beginAttempt(going, nickname, []) : [going, []]
      }),
    [state, []],
  )
}

/** Tries whether there is a way without a relay by now, unless something else is being done about the connection. */
export function seekShorterWay<W>(state: TunnelsState<W>, { connection, former }: Open | Silent): TunnelsStep<W> {
  const { nickname } = connection
  const isIdle = state.tunnels.get(nickname)?.type === 'open' && former === undefined
  return isIdle && mayAttempt(state) ? beginAttempt(state, nickname, [], true) : [state, []]
}

/**
 * The attempt has opened. A connection on which nothing has come meanwhile is over, one that answers goes on with the streams that it
 * has, and its place changes hands; without a place one is allocated.
 */
export function opened<W>(
  state: TunnelsState<W>,
  part: TunnelIn<W, 'attempting' | 'replacing'>,
  session: string,
): TunnelsStep<W> {
  const { connection, waiters } = part
  const { nickname } = connection
  if (part.type === 'attempting') {
    const { place } = part
    if (place === undefined) {
      return bindTunnel(state, { type: 'binding', connection, session, listener: connection, failed: [], waiters })
    }
    const [slots] = acquireSlot(state.slots, nickname)
    return openTunnel({ ...state, slots }, { connection, session, place, former: undefined }, waiters)
  }
  const { current } = part
  if (current.type === 'silent') {
    return afterStep(endConnection(state, current, silentFor(nickname, current.silentSeconds)), ended =>
      opened(ended, ended.tunnels.get(nickname) as TunnelIn<W, 'attempting' | 'replacing'>, session),
    )
  }
  const cleared: TunnelsStep<W> =
    current.former === undefined ? [state, []] : endConnection(state, current.former, overtaken(nickname))
  return afterStep(cleared, left => {
    const streams = streamsOf(left, nickname)
    const former: Former = { type: 'former', connection: current.connection, session: current.session, streams }
    return openTunnel(left, { connection, session, place: current.place, former }, waiters)
  })
}

/** The attempt is over, and the current connection stays. Who waits is answered by it if it can be trusted. */
export function endReplacement<W>(
  state: TunnelsState<W>,
  part: TunnelIn<W, 'replacing'>,
  reason: LighthouseError,
): TunnelsStep<W> {
  const { current, waiters } = part
  if (current.type === 'silent') return endConnection(state, part, reason)
  return afterStep(endConnection(state, { ...part, waiters: [] }, reason), left => [
    left,
    answerAll(waiters, current.connection, current.place.tunnel),
  ])
}

/** A connection ended by itself. With the attempt to replace a silent one, which the hub says cannot be, that one is over as well. */
export function ended<W>(state: TunnelsState<W>, part: ConnectionPart<W>, reason: LighthouseError): TunnelsStep<W> {
  if (part.type !== 'replacing') return endConnection(state, part, reason)
  const { current } = part
  const over = endReplacement(state, part, reason)
  const isGone = current.type === 'silent' && reason.code === 'peer-offline' && current.silentSeconds >= goneSeconds
  if (!isGone) return over
  const { nickname } = part.connection
  const message = `nothing came from ${nickname} for ${current.silentSeconds} s, and the hub does not know it any more`
  return afterStep(over, left => endConnection(left, current, new LighthouseError('peer-silent', message)))
}
