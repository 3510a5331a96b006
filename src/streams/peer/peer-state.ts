import {
  distinctUntilChanged,
  filter,
  ignoreElements,
  map,
  type Observable,
  scan,
  startWith,
  type Subject,
  tap,
} from 'rxjs'
import type { UdpReach } from '../../protocol/signaling/udp-reach.js'
import type { CarryStats, HubState } from '../../protocol/peer/stats.js'
import type { Tunnel, TunnelReport } from '../../protocol/tunnels/tunnels.js'
import type { PaymentReport } from '../coins/payments.js'
import type { AuditEvent } from '../ledger/statement-audit.js'
import type { SeedingReport } from '../serving/seeding.js'
import type { SignalingEvent } from '../signaling/signaling.js'
import type { UdpReport } from '../signaling/reachability.js'

/** What a peer is, at a glance. */
export interface PeerState {
  readonly hub: HubState
  /** Wallet in bytes; undefined until the hub has reported it. */
  readonly coins: number | undefined
  /** The newest answer, while it is asked for again too. */
  readonly udp: UdpReach
  /** Nicknames to which a connection is being made. */
  readonly attempts: ReadonlySet<string>
  /** Open connections by session. */
  readonly connections: ReadonlyMap<string, CarryStats>
}

export type PeerReport = UdpReport | SignalingEvent | TunnelReport | SeedingReport | PaymentReport | AuditEvent

export const initialPeerState: PeerState = {
  hub: { type: 'connecting', attempt: 1 },
  coins: undefined,
  udp: 'unknown',
  attempts: new Set(),
  connections: new Map(),
}

function without<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  return new Set([...set].filter(other => other !== item))
}

function apply(state: PeerState, report: PeerReport): PeerState {
  switch (report.type) {
    case 'state':
      return { ...state, hub: report.state }
    case 'balance':
      return { ...state, coins: report.bytes }
    case 'udp':
      return report.udp === 'asking' ? state : { ...state, udp: report.udp }
    case 'attempt':
      return { ...state, attempts: new Set(state.attempts).add(report.nickname) }
    case 'tunnel':
      return { ...state, attempts: without(state.attempts, report.tunnel.nickname) }
    case 'stats':
      return { ...state, connections: new Map(state.connections).set(report.stats.session, report.stats) }
    case 'ended': {
      const connections = new Map(state.connections)
      if (report.session !== undefined) connections.delete(report.session)
      const attempts = 'nickname' in report ? without(state.attempts, report.nickname) : state.attempts
      return { ...state, attempts, connections }
    }
    case 'hub-connection':
    case 'resets':
    case 'defect':
    case 'signal':
    case 'settled':
    case 'receipt-refused':
    case 'receipts-failed':
    case 'evidence':
    case 'left-out':
    case 'unchecked':
      return state
  }
}

/** The peer's state after every report. Emits the initial one first; ends and errors with its source. */
export function peerState$(report$: Observable<PeerReport>): Observable<PeerState> {
  return report$.pipe(scan(apply, initialPeerState), startWith(initialPeerState))
}

function tunnelsOf(state: PeerState): readonly Tunnel[] {
  return [...state.connections.values()].flatMap(({ nickname, tunnelPort }) =>
    nickname === undefined || tunnelPort === undefined ? [] : [{ nickname, host: '127.0.0.1', port: tunnelPort }],
  )
}

function sameTunnels(a: readonly Tunnel[], b: readonly Tunnel[]): boolean {
  return (
    a.length === b.length &&
    a.every((tunnel, index) => tunnel.port === b[index]!.port && tunnel.nickname === b[index]!.nickname)
  )
}

/** Keeps `state$` at the peer's state after every report. Emits nothing. */
export function recordState$(report$: Observable<PeerReport>, state$: Subject<PeerState>): Observable<never> {
  return peerState$(report$).pipe(
    tap(state => state$.next(state)),
    ignoreElements(),
  )
}

/** The parts of a peer's state that others follow: each emits when it changed. They complete and error with their source. */
export function viewsOf(state$: Observable<PeerState>): {
  readonly state$: Observable<HubState>
  readonly tunnels$: Observable<readonly Tunnel[]>
  readonly coins$: Observable<number>
} {
  return {
    state$: state$.pipe(
      map(({ hub }) => hub),
      distinctUntilChanged(),
    ),
    tunnels$: state$.pipe(map(tunnelsOf), distinctUntilChanged(sameTunnels)),
    coins$: state$.pipe(
      map(({ coins }) => coins),
      filter(coins => coins !== undefined),
      distinctUntilChanged(),
    ),
  }
}

/** The key of the peer with that nickname, while this one is connected to it. */
export function connectedKey(state: PeerState, nickname: string): string | undefined {
  return [...state.connections.values()].find(connection => connection.nickname === nickname)?.pubKey
}
