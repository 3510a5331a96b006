/** How a tunnel gets its address, and loses it to another one. */
import { isLighthouseError, LighthouseError } from '../errors.js'
import {
  afterStep,
  answerAll,
  currentOf,
  endConnection,
  listenerOf,
  placeOf,
  putTunnel,
  slotOf,
  type TunnelIn,
} from './parts.js'
import { acquireSlot, stepSlots } from './tunnel-lru.js'
import type { BoundTunnel, Open, Silent, TunnelsState, TunnelsStep, TunnelState } from './tunnels.js'

/** Tries for a port that may have been released a moment ago, before it counts as another program's. */
const listenTries = 3

/** The connection has an address: it carries, and who asked is answered. */
export function openTunnel<W>(state: TunnelsState<W>, live: Omit<Open, 'type'>, waiters: readonly W[]): TunnelsStep<W> {
  const { connection, place } = live
  const { tunnel } = place
  return [
    putTunnel(state, tunnel.nickname, { type: 'open', ...live }),
    [
      { type: 'report', report: { type: 'tunnel', tunnel } },
      { type: 'carry', connection, tunnel },
      ...answerAll(waiters, connection, tunnel),
    ],
  ]
}

/** Allocates a slot, for which another tunnel may have to go, and listens on its port. */
export function bindTunnel<W>(state: TunnelsState<W>, part: TunnelIn<W, 'binding'>): TunnelsStep<W> {
  const { connection, listener, failed } = part
  const { nickname } = connection
  const [slots, decision] = acquireSlot(state.slots, nickname, unusable(state, failed))
  const acquired = { ...putTunnel(state, nickname, part), slots }
  if (decision.type === 'refused') {
    const message = `none of the ${state.ports.length} tunnel ports is free: other programs hold them; move the block with --port-base`
    return endConnection(acquired, part, new LighthouseError('no-tunnel-port', message))
  }
  const { slot, evicted } = decision
  const port = triesOf(slot, failed) < listenTries ? state.bound[slot]! : 0
  return afterStep(evict(acquired, evicted, nickname), next => [next, [{ type: 'listen', listener, port }]])
}

/** Whose slot is another one's now: its port is closed, and the connection that it may have ends. An attempt goes on. */
function evict<W>(state: TunnelsState<W>, owner: string | undefined, by: string): TunnelsStep<W> {
  const tunnel = owner === undefined ? undefined : state.tunnels.get(owner)
  if (tunnel === undefined) return [state, []]
  const message = `the tunnel made room for ${by}; open the address again`
  return vacateTunnel(state, tunnel, new LighthouseError('too-many-connections', message))
}

/** The tunnel has no place any more. */
function vacateTunnel<W>(state: TunnelsState<W>, tunnel: TunnelState<W>, reason: LighthouseError): TunnelsStep<W> {
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
    return [putTunnel(left, nickname, rest?.type === 'attempting' ? { ...rest, place: undefined } : undefined), []]
  }
  if (tunnel.type === 'resting' || tunnel.type === 'attempting') return afterStep(released, without)
  const ended = (left: TunnelsState<W>, part: Open | Silent | TunnelIn<W, 'binding'>): TunnelsStep<W> =>
    afterStep(endConnection(left, part, reason), going => {
      // The former one, which has come in its place.
      const next = currentOf(going.tunnels.get(nickname))
      return next === undefined ? [going, []] : ended(going, next)
    })
  return afterStep(
    afterStep(released, left => ended(left, tunnel.type === 'replacing' ? tunnel.current : tunnel)),
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
export function failListener<W>(
  state: TunnelsState<W>,
  tunnel: TunnelState<W>,
  reason: LighthouseError,
): TunnelsStep<W> {
  if (tunnel.type !== 'binding') {
    const message = `the listener on tunnel port ${placeOf(tunnel)!.tunnel.port} broke; open the address again`
    return vacateTunnel(state, tunnel, new LighthouseError('no-tunnel-port', message, {}, { cause: reason }))
  }
  const slot = slotOf(state, tunnel.connection.nickname)
  const failed = [...tunnel.failed, slot]
  const isOver = unusable(state, failed).includes(slot) && !isLighthouseError(reason, 'port-in-use')
  return isOver ? endConnection(state, tunnel, reason) : bindTunnel(state, { ...tunnel, failed })
}

export function announceTunnel<W>(state: TunnelsState<W>, part: TunnelIn<W, 'binding'>, port: number): TunnelsStep<W> {
  const { connection, session, listener, waiters } = part
  const { nickname } = connection
  const bound = state.bound.with(slotOf(state, nickname), port)
  const place: BoundTunnel = { listener, tunnel: { nickname, host: '127.0.0.1', port } }
  return openTunnel({ ...state, bound }, { connection, session, place, former: undefined }, waiters)
}
