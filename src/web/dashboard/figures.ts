import {
  defer,
  exhaustMap,
  filter,
  fromEvent,
  map,
  merge,
  Observable,
  repeat,
  startWith,
  Subject,
  switchMap,
  takeUntil,
  tap,
  timer,
} from 'rxjs'
import type { PeerStats } from '../../protocol/peer/stats.js'

/** Figures of the peer, or null while it does not answer. */
export type Figures = PeerStats | null

/** Figures come every second. After this the tab that listens has been frozen, or cannot. */
const silentMs = 5000

/** How often a visible tab looks then. */
const lookMs = 1000

/** Listens itself. Tries again for ever, as EventSource does. */
const listen$ = new Observable<Figures>(subscriber => {
  const events = new EventSource('/events')
  events.addEventListener('stats', ({ data }) => subscriber.next(JSON.parse(data as string) as PeerStats))
  events.addEventListener('error', () => subscriber.next(null))
  return () => events.close()
})

/** One that is put aside for the back button must not keep its connection. */
const leaving$ = defer(() => fromEvent(window, 'pagehide'))

/**
 * Listens once no other tab does, or with `steal` instead of the one that does. Completes when another tab has taken the turn,
 * or the page goes.
 */
const turn$ = (steal: boolean): Observable<Figures> =>
  new Observable(subscriber => {
    const end = new AbortController()
    const held = async (): Promise<void> => {
      await new Promise<void>(resolve => {
        subscriber.add(
          listen$.pipe(takeUntil(leaving$)).subscribe({
            next: figures => subscriber.next(figures),
            complete: () => subscriber.complete(),
          }),
        )
        subscriber.add(resolve)
      })
    }
    // A request that steals takes no signal.
    const options = steal ? { steal } : { signal: end.signal }
    navigator.locks.request('stats', options, held).catch(() => subscriber.complete())
    return () => end.abort()
  })

/**
 * The peer's figures, each second. Of all tabs of the browser one listens and tells the others: browsers allow six connections to
 * one host, and each download needs one. Never completes while the page is there.
 */
export function figures$(): Observable<Figures> {
  // Only where the page is not on loopback, which browsers do not take for secure.
  if (navigator.locks === undefined) return listen$.pipe(takeUntil(leaving$))
  return defer(() => {
    const others = new BroadcastChannel('stats')
    const heard$ = new Subject<Figures>()
    const silent$ = heard$.pipe(
      startWith(null),
      switchMap(() => timer(silentMs, lookMs)),
      filter(() => document.visibilityState === 'visible'),
    )
    const own$ = merge(turn$(false).pipe(repeat()), silent$.pipe(exhaustMap(() => turn$(true)))).pipe(
      tap(figures => others.postMessage(figures)),
    )
    return merge(own$, fromEvent<MessageEvent<Figures>>(others, 'message').pipe(map(({ data }) => data))).pipe(
      tap(heard$),
      takeUntil(leaving$),
    )
  })
}
