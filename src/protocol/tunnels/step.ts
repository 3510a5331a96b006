import { isLighthouseError, LighthouseError } from '../errors.js'
import type { CarryReport } from '../stats.js'
import { acquireSlot, stepSlots } from './tunnel-lru.js'
import type {
  Binding,
  Open,
  Silent,
  Tunnel,
  TunnelConnection,
  TunnelsEffect,
  TunnelsEvent,
  TunnelsState,
  TunnelsStep,
  TunnelState,
} from './tunnels.js'

/** Attempts under way at once, so that a page full of nicknames cannot make thousands. */
export const maxAttempts = 32

/**
 * Silence after which a request does not trust a connection any more. The other side says something every second; a process
 * that was killed and came back answers on a new connection only, and this is how soon that is found out.
 */
export const suspectSeconds = 2

/** Tries for a port that may have been released a moment ago, before it counts as another program's. */
const listenTries = 3

/**
 * One step of all tunnels. Pure and total.
 *
 * A request finds the open connection, joins the attempt under way, or starts one. A slot is allocated when the connection is
 * open, so that a failed attempt evicts nobody; when every port is in use the least recently used connection ends, an idle one
 * before a busy one.
 *
 * @see product description, Tunnels
 */
export function stepTunnels<W>(state: TunnelsState<W>, event: TunnelsEvent<W>): TunnelsStep<W> {
  if (event.type === 'asked') return ask(state, event.nickname, event.waiter)
  if (event.type === 'withdrawn') return withdraw(state, event.nickname, event.waiter)
  const { connection } = event
  const known = find(state, connection)
  if (known === undefined) return [state, []]
  switch (event.type) {
    case 'opened':
      if (known.type === 'attempting') return bind(state, binding(known, event.session))
      return known.type === 'replacing' ? replace(state, known, event.session) : [state, []]
    case 'listening':
      return known.type === 'binding' ? announce(state, known, event.port) : [state, []]
    case 'listener-failed':
      return known.type === 'binding' ? rebind(state, known, event.reason) : lose(state, known, event.reason)
    case 'carried':
      return known.type === 'open' || known.type === 'silent' ? carry(state, known, event.report) : [state, []]
    case 'ended':
      return end(state, connection, event.reason)
  }
}

/** The part that this connection has in its tunnel; undefined when it is over. */
function find<W>({ tunnels }: TunnelsState<W>, { nickname, id }: TunnelConnection): TunnelState<W> | undefined {
  const tunnel = tunnels.get(nickname)
  if (tunnel?.connection.id === id) return tunnel
  return tunnel?.type === 'replacing' && tunnel.silent.connection.id === id ? tunnel.silent : undefined
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

function use<W>(state: TunnelsState<W>, owner: string, streams?: number): TunnelsState<W> {
  const before = state.slots.slots[slotOf(state, owner)]?.streams ?? 0
  if (streams === before) return state
  return { ...state, slots: stepSlots(state.slots, { type: 'use', owner, streams: streams ?? before })[0] }
}

function ask<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel?.type === 'open') return [use(state, nickname), [{ type: 'answer', waiter, tunnel: tunnel.tunnel }]]
  if (tunnel !== undefined && tunnel.type !== 'silent') {
    return [put(state, nickname, { ...tunnel, waiters: [...tunnel.waiters, waiter] }), []]
  }
  const replacements = [...state.tunnels.values()].filter(({ type }) => type === 'replacing')
  if (state.tunnels.size + replacements.length >= state.ports.length + maxAttempts) {
    const message = `${maxAttempts} connections are being made already; wait for one to end`
    return [state, [{ type: 'refuse', waiter, reason: new LighthouseError('too-many-connections', message) }]]
  }
  const attempt = { connection: { nickname, id: state.made }, waiters: [waiter] }
  const next: TunnelState<W> =
    tunnel === undefined ? { type: 'attempting', ...attempt } : { type: 'replacing', silent: tunnel, ...attempt }
  return [
    { ...put(state, nickname, next), made: state.made + 1 },
    [
      { type: 'report', report: { type: 'attempt', nickname } },
      { type: 'connect', connection: attempt.connection },
    ],
  ]
}

function withdraw<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel === undefined || !('waiters' in tunnel) || !tunnel.waiters.includes(waiter)) return [state, []]
  return [put(state, nickname, { ...tunnel, waiters: tunnel.waiters.filter(other => other !== waiter) }), []]
}

function binding<W>({ connection, waiters }: Pick<Binding<W>, 'connection' | 'waiters'>, session: string): Binding<W> {
  return { type: 'binding', connection, session, port: 0, triesLeft: 0, taken: [], waiters }
}

/** Allocates a slot, for which another connection may have to end, and listens on its port. */
function bind<W>(state: TunnelsState<W>, tunnel: Binding<W>): TunnelsStep<W> {
  const { connection, taken } = tunnel
  const { nickname } = connection
  const [slots, decision] = acquireSlot(state.slots, nickname, taken)
  const acquired = { ...put(state, nickname, tunnel), slots }
  if (decision.type === 'refused') {
    const message = `none of the ${slots.slots.length} tunnel ports is free: other programs hold them; move the block with --port-base`
    return end(acquired, connection, new LighthouseError('no-tunnel-port', message))
  }
  const [evicted, effects] = evict(acquired, decision.evicted, nickname)
  const [next, listen] = tryPort(evicted, tunnel, evicted.bound[decision.slot]!, listenTries)
  return [next, [...effects, ...listen]]
}

function tryPort<W>(state: TunnelsState<W>, tunnel: Binding<W>, port: number, tries: number): TunnelsStep<W> {
  const { connection } = tunnel
  return [
    put(state, connection.nickname, { ...tunnel, port, triesLeft: tries - 1 }),
    [{ type: 'listen', connection, port }],
  ]
}

/** Ends the connection that had the slot which is now another one's. */
function evict<W>(state: TunnelsState<W>, owner: string | undefined, by: string): TunnelsStep<W> {
  const tunnel = owner === undefined ? undefined : state.tunnels.get(owner)
  if (tunnel === undefined) return [state, []]
  const { connection } = tunnel.type === 'replacing' ? tunnel.silent : tunnel
  const message = `the tunnel made room for ${by}; open the address again`
  return end(state, connection, new LighthouseError('too-many-connections', message))
}

/** The attempt has opened, and nothing has come on the silent connection: its place and port change hands. */
function replace<W>(
  state: TunnelsState<W>,
  tunnel: TunnelState<W> & { readonly type: 'replacing' },
  session: string,
): TunnelsStep<W> {
  const { connection, silentSeconds } = tunnel.silent
  const message = `nothing came from ${connection.nickname} for ${silentSeconds} s, and a new connection opened`
  const [ended, ends] = end(state, connection, new LighthouseError('peer-silent', message))
  const [bound, effects] = bind(ended, binding(tunnel, session))
  return [bound, [...ends, ...effects]]
}

function announce<W>(state: TunnelsState<W>, known: Binding<W>, port: number): TunnelsStep<W> {
  const { connection, session, waiters } = known
  const { nickname } = connection
  const tunnel: Tunnel = { nickname, host: '127.0.0.1', port }
  const bound = state.bound.with(slotOf(state, nickname), port)
  return [
    { ...put(state, nickname, { type: 'open', connection, session, tunnel }), bound },
    [{ type: 'report', report: { type: 'tunnel', tunnel } }, ...answers(waiters, tunnel)],
  ]
}

/** The same port again, one that the system chooses if it may, or the next slot. */
function rebind<W>(state: TunnelsState<W>, tunnel: Binding<W>, reason: LighthouseError): TunnelsStep<W> {
  const { connection, port, triesLeft, taken } = tunnel
  const slot = slotOf(state, connection.nickname)
  if (triesLeft > 0) return tryPort(state, tunnel, port, triesLeft)
  if (port !== 0 && state.ports[slot] === 0) return tryPort(state, tunnel, 0, 1)
  if (!isLighthouseError(reason, 'port-in-use')) return end(state, connection, reason)
  return bind(state, { ...tunnel, taken: [...taken, slot] })
}

/** The listener of a connection that carries streams broke. */
function lose<W>(state: TunnelsState<W>, known: TunnelState<W>, cause: LighthouseError): TunnelsStep<W> {
  if (known.type !== 'open' && known.type !== 'silent') return [state, []]
  const message = `the listener on tunnel port ${known.tunnel.port} broke; open the address again`
  return end(state, known.connection, new LighthouseError('no-tunnel-port', message, {}, { cause }))
}

function carry<W>(state: TunnelsState<W>, known: Open | Silent, report: CarryReport): TunnelsStep<W> {
  const effects: readonly TunnelsEffect<W>[] = [{ type: 'report', report }]
  if (report.type !== 'stats') return [state, effects]
  const { connection, session, tunnel } = known
  const { nickname } = connection
  const { streams, silentSeconds } = report.stats
  const counted = use(state, nickname, streams)
  const whole = counted.tunnels.get(nickname)
  const next: Open | Silent =
    silentSeconds < suspectSeconds
      ? { type: 'open', connection, session, tunnel }
      : { type: 'silent', connection, session, tunnel, silentSeconds }
  if (whole?.type !== 'replacing') return [put(counted, nickname, next), effects]
  if (next.type === 'silent') return [put(counted, nickname, { ...whole, silent: next }), effects]
  const reason = new LighthouseError('too-many-connections', `the connection to ${nickname} in use answers again`)
  const [ended, ends] = end(put(counted, nickname, { ...whole, waiters: [] }), whole.connection, reason)
  return [put(ended, nickname, next), [...effects, ...ends, ...answers(whole.waiters, tunnel)]]
}

function answers<W>(waiters: readonly W[], tunnel: Tunnel): readonly TunnelsEffect<W>[] {
  return waiters.map(waiter => ({ type: 'answer', waiter, tunnel }))
}

/** The connection is over: what remains of its tunnel, and who hears of it. */
function end<W>(state: TunnelsState<W>, connection: TunnelConnection, reason: LighthouseError): TunnelsStep<W> {
  const { nickname } = connection
  const whole = state.tunnels.get(nickname)
  const known = find(state, connection)
  if (whole === undefined || known === undefined) return [state, []]
  const remains = remainder(whole, connection)
  const slots =
    remains?.type === 'silent' ? state.slots : stepSlots(state.slots, { type: 'release', owner: nickname })[0]
  const session = 'session' in known ? known.session : undefined
  const tunnel = 'tunnel' in known ? known.tunnel : undefined
  const waiters = 'waiters' in known ? known.waiters : []
  return [
    { ...put(state, nickname, remains), slots },
    [
      { type: 'close', connection },
      { type: 'report', report: { type: 'ended', nickname, session, tunnel, reason } },
      ...waiters.map((waiter): TunnelsEffect<W> => ({ type: 'refuse', waiter, reason })),
    ],
  ]
}

/** Without its attempt a silent connection stays; without the silent connection its attempt does. */
function remainder<W>(tunnel: TunnelState<W>, { id }: TunnelConnection): TunnelState<W> | undefined {
  if (tunnel.type !== 'replacing') return undefined
  const { silent, connection, waiters } = tunnel
  return connection.id === id ? silent : { type: 'attempting', connection, waiters }
}
