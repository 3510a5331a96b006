import { LighthouseError } from '../errors.js'
import type { CarryReport } from '../peer/stats.js'
import { announceTunnel, bindTunnel, failListener, openTunnel } from './bind.js'
import {
  afterStep,
  answerAll,
  type ConnectionPart,
  endConnection,
  listenerOf,
  partOf,
  putTunnel,
  slotOf,
  type TunnelIn,
} from './parts.js'
import { acquireSlot, stepSlots } from './tunnel-lru.js'
import type { Silent, TunnelsEffect, TunnelsEvent, TunnelsState, TunnelsStep, TunnelState } from './tunnels.js'

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

/**
 * One step of all tunnels. Pure and total.
 *
 * A request finds the open connection, joins the attempt under way, or starts one. A slot is allocated when the first connection
 * is open, so that a failed attempt evicts nobody, and kept when that is over: its port goes on listening, until somebody else
 * needs it. When every port is in use the least recently used tunnel ends: one without a connection first, an idle one before a
 * busy one.
 *
 * @see product description, Tunnels
 */
export function stepTunnels<W>(state: TunnelsState<W>, event: TunnelsEvent<W>): TunnelsStep<W> {
  switch (event.type) {
    case 'asked':
      return ask(state, event.nickname, event.waiter)
    case 'withdrawn':
      return withdraw(state, event.nickname, event.waiter)
    case 'listening':
    case 'listener-failed': {
      const tunnel = state.tunnels.get(event.listener.nickname)
      if (tunnel === undefined || listenerOf(tunnel)?.id !== event.listener.id) return [state, []]
      if (event.type === 'listener-failed') return failListener(state, tunnel, event.reason)
      return tunnel.type === 'binding' ? announceTunnel(state, tunnel, event.port) : [state, []]
    }
    default: {
      const part = partOf(state, event.connection)
      if (part === undefined) return [state, []]
      if (event.type === 'ended') return ended(state, part, event.reason)
      if (event.type === 'opened') {
        const isAwaited = part.type === 'attempting' || part.type === 'replacing'
        return isAwaited ? opened(state, part, event.session) : [state, []]
      }
      return part.type === 'open' || part.type === 'silent' ? carry(state, part, event.report) : [state, []]
    }
  }
}

function ask<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel?.type === 'open') {
    const { streams } = state.slots.slots[slotOf(state, nickname)]!
    const [slots] = stepSlots(state.slots, { type: 'use', owner: nickname, streams })
    return [{ ...state, slots }, answerAll([waiter], tunnel.connection, tunnel.place.tunnel)]
  }
  if (tunnel !== undefined && 'waiters' in tunnel) {
    return [putTunnel(state, nickname, { ...tunnel, waiters: [...tunnel.waiters, waiter] }), []]
  }
  if (attemptsOf(state) >= maxAttempts) {
    const message = `${maxAttempts} connections are being made already; wait for one to end`
    return [state, [{ type: 'refuse', waiter, reason: new LighthouseError('too-many-connections', message) }]]
  }
  return attempt(state, nickname, tunnel, [waiter])
}

function attemptsOf<W>({ tunnels }: TunnelsState<W>): number {
  return [...tunnels.values()].filter(({ type }) => type === 'attempting' || type === 'replacing').length
}

/** Makes a connection: the first one, another one where the tunnel rests, or one beside the silent one. */
function attempt<W>(
  state: TunnelsState<W>,
  nickname: string,
  tunnel: Silent | TunnelIn<W, 'resting'> | undefined,
  waiters: readonly W[],
): TunnelsStep<W> {
  const connection = { nickname, id: state.made }
  const awaited = { connection, waiters }
  const next: TunnelState<W> =
    tunnel?.type === 'silent'
      ? { type: 'replacing', silent: tunnel, ...awaited }
      : { type: 'attempting', place: tunnel?.place, ...awaited }
  return [
    putTunnel({ ...state, made: state.made + 1 }, nickname, next),
    [
      { type: 'report', report: { type: 'attempt', nickname } },
      { type: 'connect', connection },
    ],
  ]
}

function withdraw<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel === undefined || !('waiters' in tunnel) || !tunnel.waiters.includes(waiter)) return [state, []]
  return [putTunnel(state, nickname, { ...tunnel, waiters: tunnel.waiters.filter(other => other !== waiter) }), []]
}

/**
 * The attempt has opened. Where nothing has come on the silent connection meanwhile, its place changes hands; without a place
 * one is allocated.
 */
function opened<W>(
  state: TunnelsState<W>,
  part: TunnelIn<W, 'attempting' | 'replacing'>,
  session: string,
): TunnelsStep<W> {
  const { connection, waiters } = part
  const { nickname } = connection
  if (part.type === 'replacing') {
    const message = `nothing came from ${nickname} for ${part.silent.silentSeconds} s, and a new connection opened`
    return afterStep(endConnection(state, part.silent, new LighthouseError('peer-silent', message)), ended =>
      opened(ended, ended.tunnels.get(nickname) as TunnelIn<W, 'attempting'>, session),
    )
  }
  const { place } = part
  if (place === undefined) {
    return bindTunnel(state, { type: 'binding', connection, session, listener: connection, failed: [], waiters })
  }
  const [slots] = acquireSlot(state.slots, nickname)
  return openTunnel({ ...state, slots }, { connection, session, place }, waiters)
}

/**
 * What the connection carries makes it busy or idle, and silent or trusted. One that answers again needs no replacement; one that
 * does not gets one without being asked.
 */
function carry<W>(state: TunnelsState<W>, part: TunnelIn<W, 'open' | 'silent'>, report: CarryReport): TunnelsStep<W> {
  const reported: readonly TunnelsEffect<W>[] = [{ type: 'report', report }]
  if (report.type !== 'stats') return [state, reported]
  const { connection, session, place } = part
  const { nickname } = connection
  const { streams, silentSeconds } = report.stats
  const isUse = streams !== state.slots.slots[slotOf(state, nickname)]!.streams
  const slots = isUse ? stepSlots(state.slots, { type: 'use', owner: nickname, streams })[0] : state.slots
  const counted = { ...state, slots }
  const whole = state.tunnels.get(nickname)
  const live = { connection, session, place }
  if (silentSeconds >= suspectSeconds) {
    const retrySeconds = part.type === 'silent' ? part.retrySeconds : repairSeconds.first
    const silent: Silent = { type: 'silent', ...live, silentSeconds, retrySeconds }
    if (whole?.type === 'replacing') return [putTunnel(counted, nickname, { ...whole, silent }), reported]
    if (silentSeconds < retrySeconds || attemptsOf(state) >= maxAttempts)
      return [putTunnel(counted, nickname, silent), reported]
    const next = { ...silent, retrySeconds: silentSeconds + repairSeconds.between }
    return afterStep([counted, reported], going => attempt(going, nickname, next, []))
  }
  const trusted: TunnelState<W> = { type: 'open', ...live }
  if (whole?.type !== 'replacing') return [putTunnel(counted, nickname, trusted), reported]
  const reason = new LighthouseError('too-many-connections', `the connection to ${nickname} in use answers again`)
  const [ended, ends] = endConnection(counted, { ...whole, waiters: [] }, reason)
  return [
    putTunnel(ended, nickname, trusted),
    [...reported, ...ends, ...answerAll(whole.waiters, connection, place.tunnel)],
  ]
}

/** A connection ended by itself. With the attempt to replace a silent one, which the hub says cannot be, that one is over as well. */
function ended<W>(state: TunnelsState<W>, part: ConnectionPart<W>, reason: LighthouseError): TunnelsStep<W> {
  const over = endConnection(state, part, reason)
  const isGone = part.type === 'replacing' && reason.code === 'peer-offline' && part.silent.silentSeconds >= goneSeconds
  if (!isGone) return over
  const { nickname } = part.connection
  const message = `nothing came from ${nickname} for ${part.silent.silentSeconds} s, and the hub does not know it any more`
  return afterStep(over, left => endConnection(left, part.silent, new LighthouseError('peer-silent', message)))
}
