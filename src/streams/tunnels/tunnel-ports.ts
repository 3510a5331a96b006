import {
  catchError,
  defer,
  EMPTY,
  filter,
  map,
  merge,
  mergeMap,
  type Observable,
  observeOn,
  of,
  queueScheduler,
  retry,
  share,
  Subject,
  switchMap,
  take,
  tap,
  throwError,
} from 'rxjs'
import { allocateTunnel } from '../../operators/allocate-tunnel.js'
import type { TcpListenEvent, TcpPort } from '../../ports.js'
import { isLighthouseError, LighthouseError } from '../../protocol/errors.js'
import type { TunnelEvent } from '../../protocol/tunnels/tunnel-lru.js'

/** Looks at a port that was just let go of, before it counts as another program's. */
const listenTries = 3

/** The ports of the block, each with an owner or free. */
export interface TunnelPorts {
  /** Allocates a port to the owner and listens on it, on the next one where another program holds it. Says `listening` when the port is ours. */
  listenFor$(owner: string, onSlot: () => void): Observable<TcpListenEvent>
  /** The owner was asked for, with so many streams open: who was used longest ago leaves first, an idle one before. */
  use(owner: string, streams: number): void
  release(owner: string): void
  /** Who has to make room, and for whom. */
  readonly eviction$: Observable<{ readonly owner: string; readonly by: string }>
}

/**
 * Allocates the tunnel ports (`allocateTunnel`) and listens on them. A port that another program holds is passed over, and looked at
 * again each time one is needed: the block lies where the system takes the ports of outgoing connections from. With port 0 the system chooses, and the slot keeps
 * what it got, so that a nickname gets its last port back all the same. Errors with `no-tunnel-port`. Buffers nothing.
 */
export function createTunnelPorts(ports: readonly number[], listen$: TcpPort['listen$']): TunnelPorts {
  const event$ = new Subject<TunnelEvent>()
  const decision$ = event$.pipe(observeOn(queueScheduler), allocateTunnel(ports.length), share())
  /** What each slot was bound to last. */
  const bound = [...ports]

  const slotFor$ = (owner: string, except: readonly number[]): Observable<number> =>
    merge(
      decision$.pipe(
        filter(decision => decision.owner === owner),
        take(1),
        map(decision => {
          if (decision.type === 'granted') return decision.slot
          const message = `none of the ${ports.length} tunnel ports is free: other programs hold them; move the block with --port-base`
          throw new LighthouseError('no-tunnel-port', message)
        }),
      ),
      defer(() => {
        event$.next({ type: 'acquire', owner, except })
        return EMPTY
      }),
    ).pipe(take(1))

  const listenIn$ = (slot: number): Observable<TcpListenEvent> => {
    const listenOn$ = (port: number): Observable<TcpListenEvent> => listen$({ port, host: '127.0.0.1' })
    return defer(() => {
      let listening = false
      return defer(() => listenOn$(bound[slot]!)).pipe(
        // Before it listens only: listening twice would start a second session on the same channel.
        retry({ count: listenTries - 1, delay: error => (listening ? throwError(() => error) : of(null)) }),
        catchError((error: unknown) => {
          if (listening) {
            const message = `the listener on tunnel port ${bound[slot]!} broke; open the address again`
            return throwError(() => new LighthouseError('no-tunnel-port', message, {}, { cause: error }))
          }
          return ports[slot] === 0 && bound[slot] !== 0 ? listenOn$(0) : throwError(() => error)
        }),
        tap(event => {
          if (event.type !== 'listening') return
          listening = true
          bound[slot] = event.port
        }),
      )
    })
  }

  const isTaken = (error: unknown): boolean => isLighthouseError(error, 'port-in-use')

  return {
    listenFor$: (owner, onSlot) =>
      defer(() => {
        /** Slots whose ports other programs hold as of now. Who asks next looks at them again. */
        const taken: number[] = []
        return defer(() => slotFor$(owner, taken)).pipe(
          switchMap(slot => {
            onSlot()
            return listenIn$(slot).pipe(
              tap({
                error: (error: unknown) => {
                  if (isTaken(error)) taken.push(slot)
                },
              }),
            )
          }),
          retry({
            count: ports.length,
            delay: (error: unknown) => (isTaken(error) ? of(null) : throwError(() => error)),
          }),
        )
      }),
    use: (owner, streams) => event$.next({ type: 'use', owner, streams }),
    release: owner => event$.next({ type: 'release', owner }),
    eviction$: decision$.pipe(
      mergeMap(decision =>
        decision.type === 'granted' && decision.evicted !== undefined
          ? of({ owner: decision.evicted, by: decision.owner })
          : EMPTY,
      ),
    ),
  }
}
