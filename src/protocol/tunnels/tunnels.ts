/**
 * The one union of a tunnel's states, what happens to tunnels, and what has to be done about it.
 *
 *     attempting ──opened──▶ binding ──listening──▶ open ◀──answers again── silent ──asked──▶ replacing
 *       ▲  ▲  └────opened, listening already──────▶  │ └──────nothing came─────▶ ▲ ◀──attempt failed──┤
 *       │  │                    ▲                    │                           │                    │
 *       │  asked                └────────────────────│──attempt opened───────────│────────────────────┤
 *       │  │                                         ▼                           ▼                    │
 *       │  └────────────────────────────────────── resting ◀────connection over──┘                    │
 *       └─────────────────────────────────────────the silent one ended────────────────────────────────┘
 *
 * An open connection is replaced as well: when the network of this machine has changed, and when it is relayed. What is left of
 * it then is the `former` one of the tunnel, until its last stream is over.
 *
 * A tunnel that rests listens without a connection: whoever comes there has one made. It is forgotten when another one needs
 * its port.
 */
import type { LighthouseError } from '../errors.js'
import type { CarryReport } from '../peer/stats.js'
import { createTunnelSlots, type TunnelSlots } from './tunnel-lru.js'

/** A tunnel: the loopback address behind which another peer's share lies. */
export interface Tunnel {
  readonly nickname: string
  readonly host: '127.0.0.1'
  readonly port: number
}

/** A connection, from the attempt on. The number distinguishes it from earlier ones to the same peer. */
export interface TunnelConnection {
  readonly nickname: string
  readonly id: number
  /** Whether it is to be made without a relay, or not at all. */
  readonly direct: boolean
}

/** What listens on a tunnel's port. The number tells it from earlier ones for the same peer. */
export interface TunnelListener {
  readonly nickname: string
  readonly id: number
}

/** A tunnel whose address is listened on. */
export interface BoundTunnel {
  readonly listener: TunnelListener
  readonly tunnel: Tunnel
}

interface Awaited<W> {
  readonly connection: TunnelConnection
  /** Who asked and has no answer yet. */
  readonly waiters: readonly W[]
}

interface Live {
  readonly connection: TunnelConnection
  readonly session: string
  readonly place: BoundTunnel
  readonly former: Former | undefined
}

/** What a tunnel had before its connection: what goes on there comes to its end, and nothing begins. */
export interface Former {
  readonly type: 'former'
  readonly connection: TunnelConnection
  readonly session: string
  readonly streams: number
}

export type Open = Live & { readonly type: 'open' }

/** Nothing has come from the other side for so long that a request does not trust the connection. */
export type Silent = Live & {
  readonly type: 'silent'
  readonly silentSeconds: number
  /** From how many seconds of silence on another attempt is made to replace it, where it has streams. */
  readonly retrySeconds: number
}

/** `W` is whatever names somebody who asked. */
export type TunnelState<W> =
  /** With its place when it listens already. */
  | (Awaited<W> & { readonly type: 'attempting'; readonly place: BoundTunnel | undefined })
  /** Open, with a slot on whose port a listener is being opened; `failed` has a slot once for each listener that was not. */
  | (Awaited<W> & {
      readonly type: 'binding'
      readonly session: string
      readonly listener: TunnelListener
      readonly failed: readonly number[]
    })
  | Open
  | Silent
  /** Awaited is an attempt that takes the place of the current connection. That of a silent one ends when that answers again. */
  | (Awaited<W> & { readonly type: 'replacing'; readonly current: Open | Silent })
  /** Listens; the next one who asks has a connection made. */
  | { readonly type: 'resting'; readonly place: BoundTunnel }

/** All tunnels by nickname. Whose a slot is, when it was used last and how many streams it has is in `slots` alone. */
export interface TunnelsState<W> {
  readonly tunnels: ReadonlyMap<string, TunnelState<W>>
  readonly slots: TunnelSlots
  /** The port of each slot as configured; 0 lets the system choose. */
  readonly ports: readonly number[]
  /** What each slot was bound to last. */
  readonly bound: readonly number[]
  /** How many connections have been made. */
  readonly made: number
}

/** What happens on a connection. Changes nothing once that is over. */
export type TunnelConnectionEvent = { readonly connection: TunnelConnection } & (
  | { readonly type: 'opened'; readonly session: string }
  | { readonly type: 'carried'; readonly report: CarryReport }
  /** Its bytes go through a relay, and it is time to look for a shorter way. */
  | { readonly type: 'relayed' }
  | { readonly type: 'ended'; readonly reason: LighthouseError }
)

/** What happens to a listener. Changes nothing once that is closed. */
export type TunnelListenerEvent = { readonly listener: TunnelListener } & (
  | { readonly type: 'listening'; readonly port: number }
  /** It could not be opened, or broke later. */
  | { readonly type: 'listener-failed'; readonly reason: LighthouseError }
)

/** What happens. */
export type TunnelsEvent<W> =
  /** Somebody wants the tunnel, or something carried through it. */
  | { readonly type: 'asked'; readonly nickname: string; readonly waiter: W }
  /** Who asked wants no answer any more. The attempt goes on. */
  | { readonly type: 'withdrawn'; readonly nickname: string; readonly waiter: W }
  /** This machine has other addresses, or slept: no connection, and no attempt, can be relied on. */
  | { readonly type: 'network-changed' }
  | TunnelConnectionEvent
  | TunnelListenerEvent

/** What the tunnels report. */
export type TunnelReport =
  | { readonly type: 'attempt'; readonly nickname: string }
  | { readonly type: 'tunnel'; readonly tunnel: Tunnel }
  | CarryReport
  /** Over, with the reason; `session` when the connection had been open. */
  | {
      readonly type: 'ended'
      readonly nickname: string
      readonly session: string | undefined
      readonly reason: LighthouseError
    }

/** What has to be done with a connection: first it is made, and last closed, also when it ended by itself. */
export type TunnelConnectionEffect<W> = { readonly connection: TunnelConnection } & (
  | { readonly type: 'connect' }
  /** It is open, and its tunnel has an address: from now on it carries. */
  | { readonly type: 'carry'; readonly tunnel: Tunnel }
  | { readonly type: 'answer'; readonly waiter: W; readonly tunnel: Tunnel }
  | { readonly type: 'close'; readonly reason: LighthouseError }
)

/** What has to be done with a listener. */
export type TunnelListenerEffect = { readonly listener: TunnelListener } & (
  | /** In place of the same listener's port before. */ { readonly type: 'listen'; readonly port: number }
  | { readonly type: 'unlisten' }
)

/** What has to be done, in this order. */
export type TunnelsEffect<W> =
  | TunnelConnectionEffect<W>
  | TunnelListenerEffect
  | { readonly type: 'refuse'; readonly waiter: W; readonly reason: LighthouseError }
  | { readonly type: 'report'; readonly report: TunnelReport }

/** The state after an event, and what has to be done. */
export type TunnelsStep<W> = readonly [TunnelsState<W>, readonly TunnelsEffect<W>[]]

/** @param ports of the slots; 0 lets the system choose, and the slot keeps what it got. */
export function createTunnelsState<W>(ports: readonly number[]): TunnelsState<W> {
  return { tunnels: new Map(), slots: createTunnelSlots(ports.length), ports, bound: ports, made: 0 }
}
