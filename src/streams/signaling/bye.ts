import { EMPTY, catchError } from 'rxjs'
import type { SignalConnection } from '../../ports.js'

/** Ends a session that is not open yet. A courtesy that spares the other side its twenty seconds: it is lost where the hub is. */
export function sayBye(
  hub: Pick<SignalConnection, 'send$'>,
  envelope: { readonly session: string; readonly from: string; readonly to: string },
  reason: string,
): void {
  hub
    .send$({ ...envelope, type: 'bye', payload: { reason } })
    .pipe(catchError(() => EMPTY))
    .subscribe()
}
