import {
  connect,
  filter,
  ignoreElements,
  map,
  merge,
  type Observable,
  type OperatorFunction,
  pipe,
  switchMap,
  take,
  takeUntil,
} from 'rxjs'
import type { ByteChannel } from '../../ports.js'
import type { ConnectionState } from '../../protocol/signaling/connection-state.js'
import type { ConnectionEvent } from './connection.js'

/** An open connection: its channel, and what was agreed on it. */
export type OpenConnection = Extract<ConnectionState<ByteChannel>, { type: 'open' }>

/**
 * Runs what a connection is for as long as it is open.
 *
 *     source            --resolving--offering--open--path--closed|
 *     whileOpen(run)    -----------------------r-----r-----#            # the reason in `closed`
 *
 * `run` gets the open connection and its later events, and has to error with these: that is how it learns why the connection
 * closed. Errors with the reason when the connection closes before it was open; buffers nothing.
 */
export function whileOpen<Out>(
  run: (open: OpenConnection, later$: Observable<ConnectionEvent>) => Observable<Out>,
): OperatorFunction<ConnectionEvent, Out> {
  return pipe(
    map(state => {
      if (state.type === 'closed') throw state.reason
      return state
    }),
    connect(state$ =>
      merge(
        state$.pipe(
          filter(state => state.type === 'open'),
          take(1),
          switchMap(open => run(open, state$)),
        ),
        // From then on it is for `run`, which has what the reason concerns.
        state$.pipe(ignoreElements(), takeUntil(state$.pipe(filter(state => state.type === 'open')))),
      ),
    ),
  )
}
