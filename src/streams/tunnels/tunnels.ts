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
  NEVER,
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
import type { ByteSocket } from '../../ports.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import { stepTunnels } from '../../protocol/tunnels/step.js'
import {
  createTunnelsState,
  type Tunnel,
  type TunnelConnection,
  type TunnelReport,
  type TunnelsEvent,
  type TunnelsStep,
} from '../../protocol/tunnels/tunnels.js'
import { tunnelConnection$, type TunnelConnectionOptions } from './tunnel-connection.js'
import { tunnelListener$, type TunnelListenerOptions } from './tunnel-listener.js'

export interface TunnelsOptions extends TunnelConnectionOptions, TunnelListenerOptions {
  /** The block's ports; 0 lets the system choose, and the slot keeps what it got. */
  readonly ports: readonly number[]
  /** Emits when this machine's network has changed, so that no connection can be relied on, hot. Default: it never does. */
  readonly networkChange$?: Observable<unknown>
}

export interface Tunnels {
  /** The tunnel to that peer, once: the live one, the one under way, or a new one. Errors are why there is none. */
  connect$(nickname: string): Observable<Tunnel>
  /**
   * Makes a stream to that peer of a local connection, over the live connection, the one under way, or a new one. It is not read
   * before there is one, and reset with the reason when there is none. What tunnels accept goes the same way.
   */
  carry(nickname: string, socket: ByteSocket): void
  /** Runs everything while subscribed (once); never completes, never errors. Unsubscribing closes every tunnel. */
  readonly report$: Observable<TunnelReport>
}

/** The tunnel, and the connection that it has now. */
interface Answer {
  readonly tunnel: Tunnel
  readonly connection: TunnelConnection
}

/** Who asked is answered directly. */
type Waiter = Subscriber<Answer>

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
export function createTunnels({ ports, networkChange$ = NEVER, ...options }: TunnelsOptions): Tunnels {
  /** Errors when the tunnels stop: all who wait get that error. */
  const event$ = new Subject<TunnelsEvent<Waiter>>()
  const handed$ = new Subject<{ readonly connection: TunnelConnection; readonly socket: ByteSocket }>()
  const stopped = (): LighthouseError => new LighthouseError('channel-closed', 'this peer has stopped')
  const ask$ = (nickname: string): Observable<Answer> =>
    new Observable(waiter => {
      event$.next({ type: 'asked', nickname, waiter })
      return () => event$.next({ type: 'withdrawn', nickname, waiter })
    })
  const answer$ = (nickname: string): Observable<Answer> =>
    defer(() => (event$.observed ? merge(event$.pipe(ignoreElements()), ask$(nickname)) : throwError(stopped))).pipe(
      take(1),
    )
  const carry = (nickname: string, socket: ByteSocket): void => {
    answer$(nickname).subscribe({
      next: ({ connection }) => handed$.next({ connection, socket }),
      error: (reason: unknown) => socket.reset(toInternalError(reason)),
    })
  }
  const socketsOf = (connection: TunnelConnection): Observable<ByteSocket> =>
    handed$.pipe(
      filter(handed => handed.connection.id === connection.id),
      map(({ socket }) => socket),
    )

  return {
    connect$: nickname => answer$(nickname).pipe(map(({ tunnel }) => tunnel)),
    carry,
    report$: merge(event$, networkChange$.pipe(map(() => ({ type: 'network-changed' as const })))).pipe(
      // The one place where effects become events again: these come after the other effects of their step.
      observeOn(queueScheduler),
      scan(([state], event): TunnelsStep<Waiter> => stepTunnels(state, event), [createTunnelsState<Waiter>(ports), []]),
      mergeMap(([, effects]) => effects),
      connect(effect$ =>
        merge(
          effect$.pipe(
            filter(effect => 'connection' in effect),
            groupBy(({ connection }) => connection, {
              // After everybody has heard of it.
              duration: own$ =>
                own$.pipe(
                  filter(({ type }) => type === 'close'),
                  observeOn(queueScheduler),
                ),
            }),
            mergeMap(own$ => tunnelConnection$(own$.key, own$, socketsOf(own$.key), options)),
            tap(event => event$.next(event)),
            ignoreElements(),
          ),
          effect$.pipe(
            filter(effect => 'listener' in effect),
            groupBy(({ listener }) => listener, {
              duration: own$ =>
                own$.pipe(
                  filter(({ type }) => type === 'unlisten'),
                  observeOn(queueScheduler),
                ),
            }),
            mergeMap(own$ => tunnelListener$(own$.key, own$, options)),
            tap(event => {
              if (event.type === 'accepted') carry(event.nickname, event.socket)
              else event$.next(event)
            }),
            ignoreElements(),
          ),
          effect$.pipe(
            tap(effect => {
              if (effect.type === 'answer') effect.waiter.next(effect)
              if (effect.type === 'refuse') effect.waiter.error(effect.reason)
            }),
            filter(effect => effect.type === 'report'),
            map(({ report }) => report),
          ),
        ),
      ),
      finalize(() => event$.error(stopped())),
    ),
  }
}
