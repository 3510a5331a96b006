import { isLighthouseError, LighthouseError } from '../errors.js'
import type { CarryReport } from '../peer/stats.js'
import { acquireSlot, stepSlots } from './tunnel-lru.js'
import type {
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
 * Silence after which a request does not trust a connection any more. The other side sends something every second; a process
 * that was killed and came back answers on a new connection only, and this is how soon that is found out.
 */
export const suspectSeconds = 2

/** Tries for a port that may have been released a moment ago, before it counts as another program's. */
const listenTries = 3

type In<W, Type> = Extract<TunnelState<W>, { type: Type }>

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
  const part = partOf(state, event.connection)
  if (part === undefined) return [state, []]
  if (event.type === 'ended') return end(state, part, event.reason)
  switch (part.type) {
    case 'attempting':
    case 'replacing':
      return event.type === 'opened' ? opened(state, part, event.session) : [state, []]
    case 'binding':
      if (event.type === 'listening') return announce(state, part, event.port)
      return event.type === 'listener-failed' ? rebind(state, part, event.reason) : [state, []]
    case 'open':
    case 'silent': {
      if (event.type === 'carried') return carry(state, part, event.report)
      if (event.type !== 'listener-failed') return [state, []]
      const message = `the listener on tunnel port ${part.tunnel.port} broke; open the address again`
      return end(state, part, new LighthouseError('no-tunnel-port', message, {}, { cause: event.reason }))
    }
  }
}

/** What this connection is in its tunnel; `replacing` is the attempt. Undefined when it is over. */
function partOf<W>({ tunnels }: TunnelsState<W>, { nickname, id }: TunnelConnection): TunnelState<W> | undefined {
  const tunnel = tunnels.get(nickname)
  if (tunnel?.connection.id === id) return tunnel
  return tunnel?.type === 'replacing' && tunnel.silent.connection.id === id ? tunnel.silent : undefined
}

function put<W>(state: TunnelsState<W>, tunnel: TunnelState<W>): TunnelsState<W> {
  return { ...state, tunnels: new Map(state.tunnels).set(tunnel.connection.nickname, tunnel) }
}

function slotOf({ slots: { slots } }: TunnelsState<unknown>, nickname: string): number {
  return slots.findIndex(({ owner }) => owner === nickname)
}

function ask<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel?.type === 'open') {
    const { streams } = state.slots.slots[slotOf(state, nickname)]!
    const [slots] = stepSlots(state.slots, { type: 'use', owner: nickname, streams })
    return [{ ...state, slots }, answers([waiter], tunnel.tunnel)]
  }
  if (tunnel !== undefined && tunnel.type !== 'silent') {
    return [put(state, { ...tunnel, waiters: [...tunnel.waiters, waiter] }), []]
  }
  const replacements = [...state.tunnels.values()].filter(({ type }) => type === 'replacing')
  if (state.tunnels.size + replacements.length >= state.ports.length + maxAttempts) {
    const message = `${maxAttempts} connections are being made already; wait for one to end`
    return [state, [{ type: 'refuse', waiter, reason: new LighthouseError('too-many-connections', message) }]]
  }
  const connection = { nickname, id: state.made }
  const awaited = { connection, waiters: [waiter] }
  const made = { ...state, made: state.made + 1 }
  return [
    put(
      made,
      tunnel === undefined ? { type: 'attempting', ...awaited } : { type: 'replacing', silent: tunnel, ...awaited },
    ),
    [
      { type: 'report', report: { type: 'attempt', nickname } },
      { type: 'connect', connection },
    ],
  ]
}

function withdraw<W>(state: TunnelsState<W>, nickname: string, waiter: W): TunnelsStep<W> {
  const tunnel = state.tunnels.get(nickname)
  if (tunnel === undefined || !('waiters' in tunnel) || !tunnel.waiters.includes(waiter)) return [state, []]
  return [put(state, { ...tunnel, waiters: tunnel.waiters.filter(other => other !== waiter) }), []]
}

/** The attempt has opened. Where nothing has come on the silent connection meanwhile, its place and port change hands. */
function opened<W>(state: TunnelsState<W>, part: In<W, 'attempting' | 'replacing'>, session: string): TunnelsStep<W> {
  const { connection, waiters } = part
  const binding = { type: 'binding', connection, session, failed: [], waiters } as const
  if (part.type === 'attempting') return bind(state, binding)
  const message = `nothing came from ${connection.nickname} for ${part.silent.silentSeconds} s, and a new connection opened`
  return after(end(state, part.silent, new LighthouseError('peer-silent', message)), ended => bind(ended, binding))
}

/** Takes another step, whose effects come after those of this one. */
function after<W>([state, effects]: TunnelsStep<W>, step: (state: TunnelsState<W>) => TunnelsStep<W>): TunnelsStep<W> {
  const [next, more] = step(state)
  return [next, [...effects, ...more]]
}

/** Allocates a slot, for which another connection may have to end, and listens on its port. */
function bind<W>(state: TunnelsState<W>, part: In<W, 'binding'>): TunnelsStep<W> {
  const { connection, failed } = part
  const { nickname } = connection
  const [slots, decision] = acquireSlot(state.slots, nickname, unusable(state, failed))
  const acquired = { ...put(state, part), slots }
  if (decision.type === 'refused') {
    const message = `none of the ${state.ports.length} tunnel ports is free: other programs hold them; move the block with --port-base`
    return end(acquired, part, new LighthouseError('no-tunnel-port', message))
  }
  const { slot, evicted } = decision
  const port = triesOf(slot, failed) < listenTries ? state.bound[slot]! : 0
  return after(evict(acquired, evicted, nickname), next => [next, [{ type: 'listen', connection, port }]])
}

/** Ends the connection whose slot is another one's now. */
function evict<W>(state: TunnelsState<W>, owner: string | undefined, by: string): TunnelsStep<W> {
  const tunnel = owner === undefined ? undefined : state.tunnels.get(owner)
  if (tunnel === undefined) return [state, []]
  const message = `the tunnel made room for ${by}; open the address again`
  const part = tunnel.type === 'replacing' ? tunnel.silent : tunnel
  return end(state, part, new LighthouseError('too-many-connections', message))
}

function triesOf(slot: number, failed: readonly number[]): number {
  return failed.filter(other => other === slot).length
}

/** Slots whose ports other programs hold, as this connection found. Where the system may choose a port, the last try lets it. */
function unusable({ ports, bound }: TunnelsState<unknown>, failed: readonly number[]): readonly number[] {
  const triesFor = (slot: number): number => (ports[slot] === bound[slot] ? listenTries : listenTries + 1)
  return [...ports.keys()].filter(slot => triesOf(slot, failed) >= triesFor(slot))
}

/** Tries the same port again, then the next one if another program holds it. */
function rebind<W>(state: TunnelsState<W>, part: In<W, 'binding'>, reason: LighthouseError): TunnelsStep<W> {
  const slot = slotOf(state, part.connection.nickname)
  const failed = [...part.failed, slot]
  const isOver = unusable(state, failed).includes(slot) && !isLighthouseError(reason, 'port-in-use')
  return isOver ? end(state, part, reason) : bind(state, { ...part, failed })
}

function announce<W>(state: TunnelsState<W>, part: In<W, 'binding'>, port: number): TunnelsStep<W> {
  const { connection, session, waiters } = part
  const { nickname } = connection
  const tunnel: Tunnel = { nickname, host: '127.0.0.1', port }
  const bound = state.bound.with(slotOf(state, nickname), port)
  return [
    { ...put(state, { type: 'open', connection, session, tunnel }), bound },
    [{ type: 'report', report: { type: 'tunnel', tunnel } }, ...answers(waiters, tunnel)],
  ]
}

function answers<W>(waiters: readonly W[], tunnel: Tunnel): readonly TunnelsEffect<W>[] {
  return waiters.map(waiter => ({ type: 'answer', waiter, tunnel }))
}

/** What the connection carries makes it busy or idle, and silent or trusted. One that answers again needs no replacement. */
function carry<W>(state: TunnelsState<W>, part: In<W, 'open' | 'silent'>, report: CarryReport): TunnelsStep<W> {
  const effects: readonly TunnelsEffect<W>[] = [{ type: 'report', report }]
  if (report.type !== 'stats') return [state, effects]
  const { connection, session, tunnel } = part
  const { nickname } = connection
  const { streams, silentSeconds } = report.stats
  const isUse = streams !== state.slots.slots[slotOf(state, nickname)]!.streams
  const slots = isUse ? stepSlots(state.slots, { type: 'use', owner: nickname, streams })[0] : state.slots
  const counted = { ...state, slots }
  const whole = state.tunnels.get(nickname)
  const live = { connection, session, tunnel }
  if (silentSeconds >= suspectSeconds) {
    const silent = { type: 'silent', ...live, silentSeconds } as const
    return [put(counted, whole?.type === 'replacing' ? { ...whole, silent } : silent), effects]
  }
  const open = { type: 'open', ...live } as const
  if (whole?.type !== 'replacing') return [put(counted, open), effects]
  const reason = new LighthouseError('too-many-connections', `the connection to ${nickname} in use answers again`)
  const [ended, ends] = end(counted, { ...whole, waiters: [] }, reason)
  return [put(ended, open), [...effects, ...ends, ...answers(whole.waiters, tunnel)]]
}

/** The connection is over. Without its attempt a silent one stays, and the attempt without the silent one. */
function end<W>(state: TunnelsState<W>, part: TunnelState<W>, reason: LighthouseError): TunnelsStep<W> {
  const { connection } = part
  const { nickname } = connection
  const whole = state.tunnels.get(nickname)
  const tunnels = new Map(state.tunnels)
  if (part.type === 'replacing') tunnels.set(nickname, part.silent)
  else if (whole?.type !== 'replacing') tunnels.delete(nickname)
  else tunnels.set(nickname, { type: 'attempting', connection: whole.connection, waiters: whole.waiters })
  const [slots] =
    part.type === 'replacing' ? [state.slots] : stepSlots(state.slots, { type: 'release', owner: nickname })
  const session = 'session' in part ? part.session : undefined
  const tunnel = 'tunnel' in part ? part.tunnel : undefined
  const waiters = 'waiters' in part ? part.waiters : []
  return [
    { ...state, tunnels, slots },
    [
      { type: 'close', connection },
      { type: 'report', report: { type: 'ended', nickname, session, tunnel, reason } },
      ...waiters.map((waiter): TunnelsEffect<W> => ({ type: 'refuse', waiter, reason })),
    ],
  ]
}
