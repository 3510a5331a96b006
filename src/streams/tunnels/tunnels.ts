import {
  connect,
  defer,
  filter,
  finalize,
  groupBy,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  observeOn,
  queueScheduler,
  scan,
  Subject,
  type Subscriber,
  take,
  tap,
  throwError,
} from 'rxjs'
import { LighthouseError } from '../../protocol/errors.js'
import { stepTunnels } from '../../protocol/tunnels/step.js'
import {
  createTunnelsState,
  type Tunnel,
  type TunnelReport,
  type TunnelsEvent,
  type TunnelsStep,
} from '../../protocol/tunnels/tunnels.js'
import { tunnelConnection$, type TunnelConnectionOptions } from './tunnel-connection.js'
import { createTunnelEnds, type TunnelEnds } from './tunnel-ends.js'

export interface TunnelsOptions extends TunnelConnectionOptions {
  /** The block's ports; 0 lets the system choose, and the slot keeps what it got. */
  readonly ports: readonly number[]
  /** Why nothing can be paid for now. Default: everything can. */
  readonly unpayable?: () => LighthouseError | undefined
}

export interface Tunnels {
  /** The tunnel to that peer, once: the live one, the one under way, or a new one. Errors are why there is none. */
  connect$(nickname: string): Observable<Tunnel>
  /** Why this tunnel is over; undefined while it is not. */
  readonly endOf: TunnelEnds['of']
  /** Runs everything while subscribed (once); never completes, never errors. Unsubscribing closes every tunnel. */
  readonly report$: Observable<TunnelReport>
}

/** Who asked is answered directly. */
type Waiter = Subscriber<Tunnel>

/**
 * The consuming side: one WebRTC connection and one TCP listener for each peer, on the ten ports of the block.
 *
 *     event$ ──▶ scan(stepTunnels) ──effects──▶ connections, listeners ──events──┐
 *       ▲                              └──────▶ answers, reports                 │
 *       └────────────────────────────────────────────────────────────────────────┘
 *
 * `stepTunnels` decides everything; what is here performs it. Buffers nothing.
 *
 * @see product description, Tunnels
 */
export function createTunnels({ ports, unpayable = () => undefined, ...options }: TunnelsOptions): Tunnels {
  const ends = createTunnelEnds(unpayable)
  /** Errors when the tunnels stop: all who wait get that error. */
  const event$ = new Subject<TunnelsEvent<Waiter>>()
  const stopped = (): LighthouseError => new LighthouseError('channel-closed', 'this peer has stopped')
  const answer$ = (nickname: string): Observable<Tunnel> =>
    new Observable(waiter => {
      event$.next({ type: 'asked', nickname, waiter })
      return () => event$.next({ type: 'withdrawn', nickname, waiter })
    })

  return {
    connect$: nickname =>
      defer(() =>
        event$.observed ? merge(event$.pipe(ignoreElements()), answer$(nickname)) : throwError(stopped),
      ).pipe(take(1)),
    endOf: ends.of,
    report$: event$.pipe(
      // The one place where effects become events again: these come after the other effects of their step.
      observeOn(queueScheduler),
      scan(([state], event): TunnelsStep<Waiter> => stepTunnels(state, event), [createTunnelsState<Waiter>(ports), []]),
      mergeMap(([, effects]) => effects),
      connect(effect$ =>
        merge(
          effect$.pipe(
            filter(effect => 'connection' in effect),
            groupBy(({ connection }) => connection, {
              duration: own$ => own$.pipe(filter(({ type }) => type === 'close')),
            }),
            mergeMap(own$ => tunnelConnection$(own$.key, own$, options)),
            tap(event => event$.next(event)),
            ignoreElements(),
          ),
          effect$.pipe(
            tap(effect => {
              if (effect.type === 'answer') effect.waiter.next(effect.tunnel)
              if (effect.type === 'refuse') effect.waiter.error(effect.reason)
            }),
            filter(effect => effect.type === 'report'),
            map(({ report }) => report),
          ),
        ),
      ),
      tap(report => ends.note(report)),
      finalize(() => event$.error(stopped())),
    ),
  }
}
