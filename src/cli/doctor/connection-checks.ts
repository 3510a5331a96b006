import { catchError, concat, concatMap, defer, from, map, type Observable, of, tap } from 'rxjs'
import type { Check } from '../../protocol/doctor/check.js'
import { endPhases, newPhases, stepPhases } from '../../protocol/doctor/phases.js'
import type { ProbeEvent } from '../../protocol/doctor/probe.js'
import { LighthouseError } from '../../protocol/errors.js'
import { askProbe$, type PeerAt } from './peer-at.js'

/** The phases of a connection that the peer there makes to another one, each as it ends. */
export function connectionChecks$(at: PeerAt, peer: string): Observable<Check> {
  return defer(() => {
    const startMs = performance.now()
    const elapsed = (): number => Math.round(performance.now() - startMs)
    let phases = newPhases(peer)
    const refused = (error: unknown): Observable<ProbeEvent> => {
      // It never began: out of coins, or nobody of that name here.
      if (!(error instanceof LighthouseError)) throw error
      const { code, message, details } = error
      return of({ type: 'failed', code, message, next: details.next, ms: elapsed() })
    }
    return concat(
      askProbe$(at, peer).pipe(
        catchError(refused),
        map(event => stepPhases(phases, event)),
        tap(([next]) => (phases = next)),
        concatMap(([, checks]) => from(checks)),
      ),
      defer(() => from(endPhases(phases, elapsed()))),
    )
  })
}
