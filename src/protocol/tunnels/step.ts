import { isLighthouseError, LighthouseError } from '../errors.js'
import type { CarryReport } from '../peer/stats.js'
import { acquireSlot, stepSlots } from './tunnel-lru.js'
import type {
  BoundTunnel,
  Silent,
  Tunnel,
  TunnelConnection,
  TunnelListener,
  TunnelsEffect,
  TunnelsEvent,
  TunnelsState,
  TunnelsStep,
  TunnelState,
} from './tunnels.js'

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
const goneSeconds = 6

/** Tries for a port that may have been released a moment ago, before it counts as another program's. */
const listenTries = 3

type In<W, Type> = Extract<TunnelState<W>, { type: Type }>

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
      return tunnel.type === 'binding' ? announce(state, tunnel, event.port) : [state, []]
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

/** What a connection is part of. */
type Part<W> = Exclude<TunnelState<W>, { type: 'resting' }>

/** What this connection is in its tunnel; `replacing` is the attempt. Undefined when it is over. */
function partOf<W>({ tunnels }: TunnelsState<W>, { nickname, id }: TunnelConnection): Part<W> | undefined {
  const tunnel = tunnels.get(nickname)
  if (tunnel === undefined || tunnel.type === 'resting') return undefined
  if (tunnel.connection.id === id) return tunnel
  return tunnel.type === 'replacing' && tunnel.silent.connection.id === id ? tunnel.silent : undefined
}

function placeOf<W>(tunnel: TunnelState<W>): BoundTunnel | undefined {
  if (tunnel.type === 'binding') return undefined
  return tunnel.type === 'replacing' ? tunnel.silent.place : tunnel.place
}

function listenerOf<W>(tunnel: TunnelState<W>): TunnelListener | undefined {
  return tunnel.type === 'binding' ? tunnel.listener : placeOf(tunnel)?.listener
}

function put<W>(state: TunnelsState<W>, nickname: string, tunnel: TunnelState<W> | undefined): TunnelsState<W> {
  const tunnels = new Map(state.tunnels)
  if (tunnel === undefined) tunnels.delete(nickname)
  else tunnels.set(nickname, tunnel)
  return { ...state, tunnels }
}

function slotOf({ slots: { slots } }: TunnelsState<unknown>, nickname: string): number {
  return slots.findIndex(({ owner }) => owner === nickname)
}

/** Takes another step, whose effects come after those of this one. */
function after<W>([state, effects]: TunnelsStep<W>, step: (state: TunnelsState<W>) => TunnelsStep<W>): TunnelsStep<W> {
  const [next, more] = step(state)
  return [next, [...effects, ...more]]
}

function ask<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel?.type === 'open') {
    const { streams } = state.slots.slots[slotOf(state, nickname)]!
    const [slots] = stepSlots(state.slots, { type: 'use', owner: nickname, streams })
    return [{ ...state, slots }, answers([waiter], tunnel.connection, tunnel.place.tunnel)]
  }
  if (tunnel !== undefined && 'waiters' in tunnel) {
    return [put(state, nickname, { ...tunnel, waiters: [...tunnel.waiters, waiter] }), []]
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
  tunnel: Silent | In<W, 'resting'> | undefined,
  waiters: readonly W[],
): TunnelsStep<W> {
  const connection = { nickname, id: state.made }
  const awaited = { connection, waiters }
  const next: TunnelState<W> =
    tunnel?.type === 'silent'
      ? { type: 'replacing', silent: tunnel, ...awaited }
      : { type: 'attempting', place: tunnel?.place, ...awaited }
  return [
    put({ ...state, made: state.made + 1 }, nickname, next),
    [
      { type: 'report', report: { type: 'attempt', nickname } },
      { type: 'connect', connection },
    ],
  ]
}

function withdraw<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel === undefined || !('waiters' in tunnel) || !tunnel.waiters.includes(waiter)) return [state, []]
  return [put(state, nickname, { ...tunnel, waiters: tunnel.waiters.filter(other => other !== waiter) }), []]
}

/**
 * The attempt has opened. Where nothing has come on the silent connection meanwhile, its place changes hands; without a place
 * one is allocated.
 */
function opened<W>(state: TunnelsState<W>, part: In<W, 'attempting' | 'replacing'>, session: string): TunnelsStep<W> {
  const { connection, waiters } = part
  const { nickname } = connection
  if (part.type === 'replacing') {
    const message = `nothing came from ${nickname} for ${part.silent.silentSeconds} s, and a new connection opened`
    return after(end(state, part.silent, new LighthouseError('peer-silent', message)), ended =>
      opened(ended, ended.tunnels.get(nickname) as In<W, 'attempting'>, session),
    )
  }
  const { place } = part
  if (place === undefined) {
    return bind(state, { type: 'binding', connection, session, listener: connection, failed: [], waiters })
  }
  const [slots] = acquireSlot(state.slots, nickname)
  return open({ ...state, slots }, { connection, session, place }, waiters)
}

/** The connection has an address: it carries, and who asked is answered. */
function open<W>(
  state: TunnelsState<W>,
  live: Pick<In<W, 'open'>, 'connection' | 'session' | 'place'>,
  waiters: readonly W[],
): TunnelsStep<W> {
  const { connection, place } = live
  const { tunnel } = place
  return [
    put(state, tunnel.nickname, { type: 'open', ...live }),
    [
      { type: 'report', report: { type: 'tunnel', tunnel } },
      { type: 'carry', connection, tunnel },
      ...answers(waiters, connection, tunnel),
    ],
  ]
}

function answers<W>(waiters: readonly W[], connection: TunnelConnection, tunnel: Tunnel): readonly TunnelsEffect<W>[] {
  return waiters.map(waiter => ({ type: 'answer', waiter, connection, tunnel }))
}

/** Allocates a slot, for which another tunnel may have to go, and listens on its port. */
function bind<W>(state: TunnelsState<W>, part: In<W, 'binding'>): TunnelsStep<W> {
  const { connection, listener, failed } = part
  const { nickname } = connection
  const [slots, decision] = acquireSlot(state.slots, nickname, unusable(state, failed))
  const acquired = { ...put(state, nickname, part), slots }
  if (decision.type === 'refused') {
    const message = `none of the ${state.ports.length} tunnel ports is free: other programs hold them; move the block with --port-base`
    return end(acquired, part, new LighthouseError('no-tunnel-port', message))
  }
  const { slot, evicted } = decision
  const port = triesOf(slot, failed) < listenTries ? state.bound[slot]! : 0
  return after(evict(acquired, evicted, nickname), next => [next, [{ type: 'listen', listener, port }]])
}

/** Whose slot is another one's now: its port is closed, and the connection that it may have ends. An attempt goes on. */
function evict<W>(state: TunnelsState<W>, owner: string | undefined, by: string): TunnelsStep<W> {
  const tunnel = owner === undefined ? undefined : state.tunnels.get(owner)
  if (tunnel === undefined) return [state, []]
  const message = `the tunnel made room for ${by}; open the address again`
  return vacate(state, tunnel, new LighthouseError('too-many-connections', message))
}

/** The tunnel has no place any more. */
function vacate<W>(state: TunnelsState<W>, tunnel: TunnelState<W>, reason: LighthouseError): TunnelsStep<W> {
  const listener = listenerOf(tunnel)
  if (listener === undefined) return [state, []]
  const { nickname } = listener
  const [slots] = stepSlots(state.slots, { type: 'release', owner: nickname })
  // A connection whose listener is being opened closes that itself.
  const released: TunnelsStep<W> = [
    { ...state, slots },
    tunnel.type === 'binding' ? [] : [{ type: 'unlisten', listener }],
  ]
  const without = (left: TunnelsState<W>): TunnelsStep<W> => {
    const rest = left.tunnels.get(nickname)
    return [put(left, nickname, rest?.type === 'attempting' ? { ...rest, place: undefined } : undefined), []]
  }
  if (tunnel.type === 'resting' || tunnel.type === 'attempting') return after(released, without)
  const part = tunnel.type === 'replacing' ? tunnel.silent : tunnel
  return after(
    after(released, left => end(left, part, reason)),
    without,
  )
}

function triesOf(slot: number, failed: readonly number[]): number {
  return failed.filter(other => other === slot).length
}

/** Slots whose ports other programs hold, as this connection found. Where the system may choose a port, the last try lets it. */
function unusable({ ports, bound }: TunnelsState<unknown>, failed: readonly number[]): readonly number[] {
  const triesFor = (slot: number): number => (ports[slot] === bound[slot] ? listenTries : listenTries + 1)
  return [...ports.keys()].filter(slot => triesOf(slot, failed) >= triesFor(slot))
}

/** One that was to be opened is tried again on the same port, then on the next one if another program holds it. */
function failListener<W>(state: TunnelsState<W>, tunnel: TunnelState<W>, reason: LighthouseError): TunnelsStep<W> {
  if (tunnel.type !== 'binding') {
    const message = `the listener on tunnel port ${placeOf(tunnel)!.tunnel.port} broke; open the address again`
    return vacate(state, tunnel, new LighthouseError('no-tunnel-port', message, {}, { cause: reason }))
  }
  const slot = slotOf(state, tunnel.connection.nickname)
  const failed = [...tunnel.failed, slot]
  const isOver = unusable(state, failed).includes(slot) && !isLighthouseError(reason, 'port-in-use')
  return isOver ? end(state, tunnel, reason) : bind(state, { ...tunnel, failed })
}

function announce<W>(state: TunnelsState<W>, part: In<W, 'binding'>, port: number): TunnelsStep<W> {
  const { connection, session, listener, waiters } = part
  const { nickname } = connection
  const bound = state.bound.with(slotOf(state, nickname), port)
  const place: BoundTunnel = { listener, tunnel: { nickname, host: '127.0.0.1', port } }
  return open({ ...state, bound }, { connection, session, place }, waiters)
}

/**
 * What the connection carries makes it busy or idle, and silent or trusted. One that answers again needs no replacement; one that
 * does not gets one without being asked.
 */
function carry<W>(state: TunnelsState<W>, part: In<W, 'open' | 'silent'>, report: CarryReport): TunnelsStep<W> {
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
    if (whole?.type === 'replacing') return [put(counted, nickname, { ...whole, silent }), reported]
    if (silentSeconds < retrySeconds || attemptsOf(state) >= maxAttempts)
      return [put(counted, nickname, silent), reported]
    const next = { ...silent, retrySeconds: silentSeconds + repairSeconds.between }
    return after([counted, reported], going => attempt(going, nickname, next, []))
  }
  const trusted: TunnelState<W> = { type: 'open', ...live }
  if (whole?.type !== 'replacing') return [put(counted, nickname, trusted), reported]
  const reason = new LighthouseError('too-many-connections', `the connection to ${nickname} in use answers again`)
  const [ended, ends] = end(counted, { ...whole, waiters: [] }, reason)
  return [put(ended, nickname, trusted), [...reported, ...ends, ...answers(whole.waiters, connection, place.tunnel)]]
}

/** A connection ended by itself. With the attempt to replace a silent one, which the hub says cannot be, that one is over as well. */
function ended<W>(state: TunnelsState<W>, part: Part<W>, reason: LighthouseError): TunnelsStep<W> {
  const over = end(state, part, reason)
  const isGone = part.type === 'replacing' && reason.code === 'peer-offline' && part.silent.silentSeconds >= goneSeconds
  if (!isGone) return over
  const { nickname } = part.connection
  const message = `nothing came from ${nickname} for ${part.silent.silentSeconds} s, and the hub does not know it any more`
  return after(over, left => end(left, part.silent, new LighthouseError('peer-silent', message)))
}

/**
 * The connection is over. Without its attempt a silent one stays, and the attempt without the silent one. The last one of a
 * tunnel leaves it resting in its place, if it has one.
 */
function end<W>(state: TunnelsState<W>, part: Part<W>, reason: LighthouseError): TunnelsStep<W> {
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
function left<W>(state: TunnelsState<W>, part: Part<W>): TunnelsState<W> {
  const { nickname } = part.connection
  if (part.type === 'replacing') return put(state, nickname, part.silent)
  const place = placeOf(part)
  const type = place === undefined ? 'release' : 'rest'
  const next = { ...state, slots: stepSlots(state.slots, { type, owner: nickname })[0] }
  const whole = state.tunnels.get(nickname)
  if (whole?.type === 'replacing') {
    const { connection, waiters } = whole
    return put(next, nickname, { type: 'attempting', place, connection, waiters })
  }
  return put(next, nickname, place && { type: 'resting', place })
}
