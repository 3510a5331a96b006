/**
 * The one union of a tunnel's states, what happens to tunnels, and what has to be done about it.
 *
 *     attempting ──opened──▶ binding ──listening──▶ open ◀──answers again── silent ──asked──▶ replacing
 *          ▲                    ▲                     └──────nothing came─────▶ ▲ ◀──attempt failed──┤
 *          │                    └────────────────────attempt opened──────────────────────────────────┤
 *          └─────────────────────────────────────────the silent one ended────────────────────────────┘
 *
 * A tunnel that is in none of them does not exist: it is forgotten as soon as its last connection is over.
 */
import type { LighthouseError } from '../errors.js'
import type { CarryReport } from '../stats.js'
import { createTunnelSlots, type TunnelSlots } from './tunnel-lru.js'

/** A tunnel: the loopback address behind which another peer's share lies. */
export interface Tunnel {
  readonly nickname: string
  readonly host: '127.0.0.1'
  readonly port: number
}

/** A connection, from the attempt on. The number tells it from earlier ones to the same peer. */
export interface TunnelConnection {
  readonly nickname: string
  readonly id: number
}

/** A connection is being made. `W` is whatever names somebody who asked and has no answer yet. */
export interface Attempting<W> {
  readonly type: 'attempting'
  readonly connection: TunnelConnection
  readonly waiters: readonly W[]
}

/** The connection is open and has a slot; a listener on the slot's port is being opened. */
export interface Binding<W> {
  readonly type: 'binding'
  readonly connection: TunnelConnection
  readonly session: string
  readonly port: number
  /** How often this port may still be tried. */
  readonly triesLeft: number
  /** Slots whose ports other programs hold as of now. Whoever asks next looks at them again. */
  readonly taken: readonly number[]
  readonly waiters: readonly W[]
}

/** The connection carries streams. */
export interface Open {
  readonly type: 'open'
  readonly connection: TunnelConnection
  readonly session: string
  readonly tunnel: Tunnel
}

/** It does, but nothing has come from the other side for so long that a request does not trust it. */
export interface Silent {
  readonly type: 'silent'
  readonly connection: TunnelConnection
  readonly session: string
  readonly tunnel: Tunnel
  readonly silentSeconds: number
}

/** A silent one, and an attempt that takes its place if it opens before the silence ends. */
export interface Replacing<W> {
  readonly type: 'replacing'
  readonly silent: Silent
  readonly connection: TunnelConnection
  readonly waiters: readonly W[]
}

export type TunnelState<W> = Attempting<W> | Binding<W> | Open | Silent | Replacing<W>

/** All tunnels. Which slot is whose, who used it last and how many streams it has is in `slots` alone. */
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

/** What happens. An event of a connection that is over changes nothing. */
export type TunnelsEvent<W> =
  | { readonly type: 'asked'; readonly nickname: string; readonly waiter: W }
  /** Whoever asked wants no answer any more. The attempt goes on. */
  | { readonly type: 'withdrawn'; readonly nickname: string; readonly waiter: W }
  | { readonly type: 'opened'; readonly connection: TunnelConnection; readonly session: string }
  | { readonly type: 'listening'; readonly connection: TunnelConnection; readonly port: number }
  /** The listener could not be opened, or broke later. */
  | { readonly type: 'listener-failed'; readonly connection: TunnelConnection; readonly reason: LighthouseError }
  | { readonly type: 'carried'; readonly connection: TunnelConnection; readonly report: CarryReport }
  | { readonly type: 'ended'; readonly connection: TunnelConnection; readonly reason: LighthouseError }

/** What the tunnels report. */
export type TunnelReport =
  | { readonly type: 'attempt'; readonly nickname: string }
  | { readonly type: 'tunnel'; readonly tunnel: Tunnel }
  | CarryReport
  /** Over, with the reason; `session` when the connection had been open, `tunnel` when it had been announced. */
  | {
      readonly type: 'ended'
      readonly nickname: string
      readonly session: string | undefined
      readonly tunnel: Tunnel | undefined
      readonly reason: LighthouseError
    }

/** What has to be done, in this order. */
export type TunnelsEffect<W> =
  | { readonly type: 'connect'; readonly connection: TunnelConnection }
  /** Instead of the port on which this connection listened, or tried to, before. */
  | { readonly type: 'listen'; readonly connection: TunnelConnection; readonly port: number }
  /** The last effect for each connection; also for one that ended by itself. */
  | { readonly type: 'close'; readonly connection: TunnelConnection }
  | { readonly type: 'answer'; readonly waiter: W; readonly tunnel: Tunnel }
  | { readonly type: 'refuse'; readonly waiter: W; readonly reason: LighthouseError }
  | { readonly type: 'report'; readonly report: TunnelReport }

/** The state after an event, and what has to be done. */
export type TunnelsStep<W> = readonly [TunnelsState<W>, readonly TunnelsEffect<W>[]]

/** @param ports of the slots; 0 lets the system choose, and the slot keeps what it got. */
export function createTunnelsState<W>(ports: readonly number[]): TunnelsState<W> {
  return { tunnels: new Map(), slots: createTunnelSlots(ports.length), ports, bound: ports, made: 0 }
}
