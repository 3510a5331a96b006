import { Observable } from 'rxjs'
import type SimplePeer from 'simple-peer'
import type { PathKind, RtcEvent } from '../../ports.js'

/**
 * When path and round trip are looked up again: twice as late each time, up to the second. The first looks are too early
 * for a round trip, and until there is one the windows do not grow.
 */
const firstLookMs = 50
const lastLookMs = 1000

export interface StatsReport {
  readonly id: string
  readonly type: string
  readonly [key: string]: unknown
}

type PathEvent = RtcEvent & { readonly type: 'path' }

/** The selected candidate pair among the reports of getStats, however the implementation marks it. */
export function pathOf(reports: readonly StatsReport[], roundTripUnitMs: number): PathEvent {
  const byId = new Map(reports.map(report => [report.id, report]))
  const transport = reports.find(report => report.type === 'transport')
  const pair =
    byId.get(String(transport?.selectedCandidatePairId)) ??
    reports.find(report => report.type === 'candidate-pair' && (report.selected === true || report.nominated === true))
  const kinds: readonly PathKind[] = ['host', 'srflx', 'prflx', 'relay']
  const local = byId.get(String(pair?.localCandidateId))?.candidateType
  const remote = byId.get(String(pair?.remoteCandidateId))?.candidateType
  const kind =
    local === 'relay' || remote === 'relay' ? 'relay' : (kinds.find(candidate => candidate === local) ?? 'unknown')
  const roundTrip = pair?.currentRoundTripTime
  return { type: 'path', kind, roundTripMs: typeof roundTrip === 'number' ? roundTrip * roundTripUnitMs : undefined }
}

/** What its declarations leave out. */
interface WithStats {
  getStats(callback: (error: Error | null, reports?: readonly StatsReport[]) => void): void
}

/** The path of an open connection, again and again. Never completes; a look that finds no figures emits nothing. */
export function path$(peer: SimplePeer.Instance, roundTripUnitMs: number): Observable<PathEvent> {
  return new Observable(subscriber => {
    let timer: ReturnType<typeof setTimeout>
    const look = (nextMs: number): void => {
      timer = setTimeout(look, nextMs, Math.min(2 * nextMs, lastLookMs))
      if (peer.destroyed) return
      ;(peer as unknown as WithStats).getStats((error, reports) => {
        if (error === null && reports !== undefined) subscriber.next(pathOf(reports, roundTripUnitMs))
      })
    }
    look(firstLookMs)
    return () => clearTimeout(timer)
  })
}
