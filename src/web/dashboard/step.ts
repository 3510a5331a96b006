import type { PeerStats } from '../../protocol/peer/stats.js'

/** Bytes a second, over all connections. */
export interface Rates {
  readonly down: number
  readonly up: number
}

/** What the dashboard shows. */
export interface DashboardState {
  /** The newest figures; undefined before the first. */
  readonly stats: PeerStats | undefined
  /** Whether the peer was there when it was last asked. */
  readonly isRunning: boolean
  /** One entry a second, newest last, at most `keptSeconds`. */
  readonly rates: readonly Rates[]
}

export const keptSeconds = 60

export const initialState: DashboardState = { stats: undefined, isRunning: true, rates: [] }

/** The state after figures of the peer, or after `null`: the peer does not answer. */
export function stepDashboard(state: DashboardState, figures: PeerStats | null): DashboardState {
  if (figures === null) return { ...state, isRunning: false }
  const total = (rate: 'receiveRate' | 'sendRate'): number =>
    figures.connections.reduce((sum, connection) => sum + connection[rate], 0)
  const rates = [...state.rates, { down: total('receiveRate'), up: total('sendRate') }]
  return { stats: figures, isRunning: true, rates: rates.slice(-keptSeconds) }
}
