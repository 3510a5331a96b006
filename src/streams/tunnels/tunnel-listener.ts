import { catchError, filter, map, type Observable, of, switchMap, takeUntil } from 'rxjs'
import type { ByteSocket, TunnelPort } from '../../ports.js'
import { toInternalError } from '../../protocol/errors.js'
import type { TunnelListener, TunnelListenerEffect, TunnelListenerEvent } from '../../protocol/tunnels/tunnels.js'

/** A local connection that came to that peer's address. */
export interface Accepted {
  readonly type: 'accepted'
  readonly nickname: string
  readonly socket: ByteSocket
}

export interface TunnelListenerOptions {
  readonly listen$: TunnelPort['listen$']
}

/**
 * Performs the effects of one listener: opens it, on one port after the other as it is told. Emits what happens to it, and who
 * comes. Starts with the first `listen`; completes after `unlisten`; never errors. Buffers nothing.
 */
export function tunnelListener$(
  listener: TunnelListener,
  effect$: Observable<TunnelListenerEffect>,
  { listen$ }: TunnelListenerOptions,
): Observable<TunnelListenerEvent | Accepted> {
  const { nickname } = listener
  return effect$.pipe(
    filter(effect => effect.type === 'listen'),
    switchMap(({ port }) =>
      listen$({ port, nickname }).pipe(
        map((event): TunnelListenerEvent | Accepted =>
          event.type === 'listening'
            ? { type: 'listening', listener, port: event.port }
            : { type: 'accepted', nickname, socket: event.socket },
        ),
        catchError((error: unknown) =>
          of({ type: 'listener-failed' as const, listener, reason: toInternalError(error) }),
        ),
      ),
    ),
    takeUntil(effect$.pipe(filter(({ type }) => type === 'unlisten'))),
  )
}
