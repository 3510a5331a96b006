import {
  catchError,
  concat,
  connect,
  defer,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  ReplaySubject,
  type SchedulerLike,
  Subject,
  switchMap,
  take,
  takeUntil,
  tap,
  throwError,
  of,
} from 'rxjs'
import type { MonotonicClock, TcpPort, Tunnel } from '../../ports.js'
import { LighthouseError, toInternalError } from '../../protocol/errors.js'
import type { SessionAccount } from '../account.js'
import { carry$, type CarryReport } from '../mux/carry.js'
import type { ConnectionEvent } from '../connection.js'
import { createTunnelPorts } from './tunnel-ports.js'
import { type OpenConnection, whileOpen } from '../while-open.js'

/** Attempts under way at once, so that a page full of nicknames cannot make thousands. */
export const maxAttempts = 32

/**
 * Silence after which a request does not trust a connection any more. The other side says something every second; a process
 * that was killed and came back answers on a new connection only, and this is how soon that is found out.
 */
export const suspectSeconds = 2

export interface TunnelsOptions {
  /** A fresh connection to that peer, as `offerConnection$` makes it. */
  readonly offer$: (nickname: string) => Observable<ConnectionEvent>
  readonly listen$: TcpPort['listen$']
  /** The block's ports; 0 lets the system choose, and the slot keeps what it got. */
  readonly ports: readonly number[]
  /** The account of a connection, once it is open. Default: nothing is counted. */
  readonly account?: (open: OpenConnection) => SessionAccount
  readonly clock: MonotonicClock
  readonly scheduler: SchedulerLike
}

/** What the tunnels report. */
export type TunnelReport =
  | { readonly type: 'attempt'; readonly nickname: string }
  | { readonly type: 'tunnel'; readonly tunnel: Tunnel }
  | CarryReport
  /** Over, with the reason; `session` when the connection had been open, `tunnel` when it had been announced. */
  | {
      readonly type: 'ended'
      readonly nickname: string
      readonly session: string | undefined
      readonly tunnel: Tunnel | undefined
      readonly reason: LighthouseError
    }

export interface Tunnels {
  /** The tunnel to that peer, once: the live one, the one under way, or a new one. Errors are why there is none. */
  connect$(nickname: string): Observable<Tunnel>
  /** Runs everything while subscribed (once); never completes, never errors. Unsubscribing closes every tunnel. */
  readonly report$: Observable<TunnelReport>
}

/** One peer's tunnel from the first request until the connection is over. */
interface Entry {
  readonly nickname: string
  readonly tunnel$: ReplaySubject<Tunnel>
  readonly evict$: Subject<LighthouseError>
  /** The silent connection that this one takes over from, if it opens while that is still silent. */
  readonly predecessor: Entry | undefined
  /** Once it listens. */
  tunnel: Tunnel | undefined
  streams: number
  silentSeconds: number
  hasSlot: boolean
}

/**
 * The consuming side: one WebRTC connection and one TCP listener for each peer, on the ten ports of the block.
 *
 * A request finds the live connection, joins the attempt under way, or starts one. A port is allocated when the connection
 * is open, so that a failed attempt takes nobody's. When all are taken the least recently used connection leaves, an idle one
 * before a busy one, and its clients see a reset. A connection that ends is forgotten at once. One that has been silent for
 * 2 s is not trusted: a request makes another, which takes its place and port if it opens before the silence ends. Buffers
 * nothing.
 *
 * @see product description, Tunnels
 */
export function createTunnels(options: TunnelsOptions): Tunnels {
  const { offer$, listen$, ports, account, clock, scheduler } = options
  const entries = new Map<string, Entry>()
  /** Attempts to take over from a silent connection, which stays in `entries` meanwhile. */
  const successors = new Map<string, Entry>()
  const wanted$ = new Subject<Entry>()
  const tunnelPorts = createTunnelPorts(ports, listen$)

  const carryOpen$ = (entry: Entry, open: OpenConnection, later$: Observable<ConnectionEvent>) =>
    tunnelPorts
      .listenFor$(entry.nickname, () => (entry.hasSlot = true))
      .pipe(
        connect(listener$ => {
          const socket$ = listener$.pipe(
            filter(event => event.type === 'socket'),
            map(event => event.socket),
          )
          return listener$.pipe(
            filter(event => event.type === 'listening'),
            switchMap(({ port }) => {
              const tunnel: Tunnel = { nickname: entry.nickname, host: '127.0.0.1', port }
              entry.tunnel = tunnel
              const carried$ = carry$({
                open,
                event$: later$,
                role: 'consumer',
                nickname: entry.nickname,
                tunnelPort: port,
                socket$,
                account: account?.(open),
                clock,
                scheduler,
              }).pipe(
                tap(report => {
                  if (report.type !== 'stats') return
                  const { stats } = report
                  if (stats.streams !== entry.streams) tunnelPorts.use(entry.nickname, stats.streams)
                  entry.streams = stats.streams
                  entry.silentSeconds = stats.silentSeconds
                }),
              )
              entry.tunnel$.next(tunnel)
              return merge(of<TunnelReport>({ type: 'tunnel', tunnel }), carried$)
            }),
          )
        }),
      )

  const live$ = (entry: Entry): Observable<TunnelReport> =>
    defer(() => {
      const { nickname } = entry
      let session: string | undefined
      const forget = (): void => {
        for (const known of [entries, successors]) if (known.get(nickname) === entry) known.delete(nickname)
      }
      return merge(
        of<TunnelReport>({ type: 'attempt', nickname }),
        run$(entry, open => (session = open)),
      ).pipe(
        takeUntil(entry.evict$.pipe(mergeMap(reason => throwError(() => reason)))),
        catchError((error: unknown) => {
          const reason = toInternalError(error)
          // All of it before those who wait hear: asking again at once makes a connection of its own.
          forget()
          const tell$ = defer(() => {
            entry.tunnel$.error(reason)
            return EMPTY
          })
          const { tunnel } = entry
          return concat(of<TunnelReport>({ type: 'ended', nickname, session, tunnel, reason }), tell$)
        }),
        finalize(() => {
          forget()
          // Who still waits hears it; a tunnel that was announced stays as it was.
          entry.tunnel$.error(new LighthouseError('channel-closed', 'this peer has stopped'))
          if (entry.hasSlot) tunnelPorts.release(nickname)
        }),
      )
    })

  const takeOver = (entry: Entry): void => {
    const { nickname, predecessor } = entry
    if (predecessor === undefined) return
    if (entries.get(nickname) === predecessor) {
      if (!isSilent(predecessor)) {
        throw new LighthouseError('too-many-connections', `the connection to ${nickname} in use answers again`)
      }
      const message = `nothing came from ${nickname} for ${predecessor.silentSeconds} s, and a new connection opened`
      predecessor.evict$.next(new LighthouseError('peer-silent', message))
    }
    successors.delete(nickname)
    entries.set(nickname, entry)
  }

  const run$ = (entry: Entry, onOpen: (session: string) => void): Observable<TunnelReport> =>
    offer$(entry.nickname).pipe(
      whileOpen((open, later$) => {
        onOpen(open.session)
        takeOver(entry)
        return carryOpen$(entry, open, later$)
      }),
    )

  const evictions$ = tunnelPorts.eviction$.pipe(
    tap(({ owner, by }) => {
      const message = `the tunnel made room for ${by}; open the address again`
      entries.get(owner)?.evict$.next(new LighthouseError('too-many-connections', message))
    }),
    ignoreElements(),
  )

  const enter = (nickname: string, predecessor: Entry | undefined): Entry => {
    const entry: Entry = {
      nickname,
      predecessor,
      tunnel$: new ReplaySubject(1),
      evict$: new Subject(),
      tunnel: undefined,
      streams: 0,
      silentSeconds: 0,
      hasSlot: false,
    }
    const known = predecessor === undefined ? entries : successors
    known.set(nickname, entry)
    wanted$.next(entry)
    return entry
  }

  /** Of the successor, or of the silent connection when it was that which came back. */
  const eitherOf$ = (present: Entry, successor: Entry): Observable<Tunnel> =>
    successor.tunnel$.pipe(
      catchError((error: unknown) =>
        entries.get(present.nickname) === present && !isSilent(present) ? present.tunnel$ : throwError(() => error),
      ),
    )

  const tunnelTo$ = (nickname: string): Observable<Tunnel> => {
    const present = entries.get(nickname)
    if (present !== undefined && !isSilent(present)) {
      tunnelPorts.use(nickname, present.streams)
      return present.tunnel$
    }
    const successor = successors.get(nickname)
    if (successor !== undefined) return present === undefined ? successor.tunnel$ : eitherOf$(present, successor)
    if (!wanted$.observed) return throwError(() => new LighthouseError('channel-closed', 'this peer has stopped'))
    if (entries.size + successors.size >= ports.length + maxAttempts) {
      const message = `${maxAttempts} connections are being made already; wait for one to end`
      return throwError(() => new LighthouseError('too-many-connections', message))
    }
    const entry = enter(nickname, present)
    return present === undefined ? entry.tunnel$ : eitherOf$(present, entry)
  }

  return {
    connect$: nickname => defer(() => tunnelTo$(nickname)).pipe(take(1)),
    report$: merge(evictions$, wanted$.pipe(mergeMap(live$))),
  }
}

function isSilent({ silentSeconds }: Entry): boolean {
  return silentSeconds >= suspectSeconds
}
