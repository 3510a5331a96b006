import { LighthouseError } from '../errors.js'
import type { CarryReport } from '../peer/stats.js'
import { announceTunnel, failListener } from './bind.js'
import {
  afterStep,
  answerAll,
  type ConnectionPart,
  currentOf,
  endConnection,
  listenerOf,
  partOf,
  putCurrent,
  putTunnel,
  streamsOf,
  withStreams,
} from './parts.js'
import {
  beginAttempt,
  attemptAll,
  ended,
  endReplacement,
  isForShorterWay,
  maxAttempts,
  mayAttempt,
  opened,
  overtaken,
  repairSeconds,
  seekShorterWay,
  silentFor,
  suspectSeconds,
} from './replace.js'
import type {
  Former,
  Open,
  Silent,
  TunnelConnectionEvent,
  TunnelsEffect,
  TunnelsEvent,
  TunnelsState,
  TunnelsStep,
} from './tunnels.js'

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
    case 'network-changed':
      return attemptAll(state)
    default: {
      const part = partOf(state, event.connection)
      return part === undefined ? [state, []] : happenOn(state, part, event)
    }
  }
}

/** What happens on a connection. Only what its part can hear changes something. */
function happenOn<W>(state: TunnelsState<W>, part: ConnectionPart<W>, event: TunnelConnectionEvent): TunnelsStep<W> {
  if (event.type === 'ended') return ended(state, part, event.reason)
  switch (part.type) {
    case 'attempting':
    case 'replacing':
      return event.type === 'opened' ? opened(state, part, event.session) : [state, []]
    case 'binding':
      return [state, []]
    case 'former':
      return event.type === 'carried' ? carryFormer(state, part, event.report) : [state, []]
    case 'open':
    case 'silent':
      if (event.type === 'relayed') return seekShorterWay(state, part)
      return event.type === 'carried' ? carry(state, part, event.report) : [state, []]
  }
}

function ask<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  const current = currentOf(tunnel)
  if (current?.type === 'open' && (tunnel!.type === 'open' || isForShorterWay(tunnel!))) {
    const used = withStreams(state, nickname, streamsOf(state, nickname))
    return [used, answerAll([waiter], current.connection, current.place.tunnel)]
  }
  if (tunnel !== undefined && 'waiters' in tunnel) {
    return [putTunnel(state, nickname, { ...tunnel, waiters: [...tunnel.waiters, waiter] }), []]
  }
  if (mayAttempt(state)) return beginAttempt(state, nickname, [waiter])
  const message = `${maxAttempts} connections are being made already; wait for one to end`
  return [state, [{ type: 'refuse', waiter, reason: new LighthouseError('too-many-connections', message) }]]
}

function withdraw<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel === undefined || !('waiters' in tunnel) || !tunnel.waiters.includes(waiter)) return [state, []]
  return [putTunnel(state, nickname, { ...tunnel, waiters: tunnel.waiters.filter(other => other !== waiter) }), []]
}

/**
 * What the connection carries makes it busy or idle, and silent or trusted. One that answers again needs no replacement; one that
 * does not gets one without being asked.
 */
function carry<W>(state: TunnelsState<W>, part: Open | Silent, report: CarryReport): TunnelsStep<W> {
  const reported: readonly TunnelsEffect<W>[] = [{ type: 'report', report }]
  if (report.type !== 'stats') return [state, reported]
  const { connection, session, place, former } = part
  const { nickname } = connection
  const { silentSeconds } = report.stats
  const streams = report.stats.streams + (former?.streams ?? 0)
  const counted = streams === streamsOf(state, nickname) ? state : withStreams(state, nickname, streams)
  const whole = state.tunnels.get(nickname)
  const awaited = whole?.type === 'replacing' ? whole : undefined
  const live = { connection, session, place, former }
  if (silentSeconds < suspectSeconds) {
    const current: Open = { type: 'open', ...live }
    const trusted: TunnelsStep<W> = [putCurrent(counted, current), reported]
    if (awaited === undefined || part.type === 'open') return trusted
    const reason = new LighthouseError('too-many-connections', `the connection to ${nickname} in use answers again`)
    return afterStep(trusted, going => endReplacement(going, { ...awaited, current }, reason))
  }
  const retrySeconds = part.type === 'silent' ? part.retrySeconds : repairSeconds.first
  const current: Silent = { type: 'silent', ...live, silentSeconds, retrySeconds }
  const doubted: TunnelsStep<W> = [putCurrent(counted, current), reported]
  if (awaited !== undefined) {
    if (!isForShorterWay(awaited)) return doubted
    return afterStep(doubted, going => endReplacement(going, { ...awaited, current }, overtaken(nickname)))
  }
  if (silentSeconds < retrySeconds || !mayAttempt(state)) return doubted
  return afterStep(doubted, going => beginAttempt(going, nickname, []))
}

/** What goes on on a connection that has been replaced. It ends with its last stream, or when nothing comes any more. */
function carryFormer<W>(state: TunnelsState<W>, part: Former, report: CarryReport): TunnelsStep<W> {
  const reported: readonly TunnelsEffect<W>[] = [{ type: 'report', report }]
  if (report.type !== 'stats') return [state, reported]
  const { nickname } = part.connection
  const { streams, silentSeconds } = report.stats
  if (silentSeconds >= repairSeconds.first || streams === 0) {
    const reason = streams === 0 ? overtaken(nickname) : silentFor(nickname, silentSeconds)
    return afterStep([state, reported], going => endConnection(going, part, reason))
  }
  if (streams === part.streams) return [state, reported]
  const counted = withStreams(state, nickname, streamsOf(state, nickname) - part.streams + streams)
  const current = currentOf(state.tunnels.get(nickname))!
  return [putCurrent(counted, { ...current, former: { ...part, streams } }), reported]
}
